"""acme's patches, over the house in which it can be moved."""

from dataclasses import replace
from typing import Any

from provisioner.model.ports import OperationStepDefinition, StepContext
from provisioner.model.rollout.strategy import Strategy
from provisioner.ops.operations import new_id
from provisioner.ops.patch.propose import PatchWords, propose
from provisioner.ops.patch.turn import PatchSteps
from provisioner.ops.rollout.step import Ended, Task
from tests.unit.ops.fake_patches import FakePatches, package
from tests.unit.ops.moving import GATE, House
from tests.unit.ops.people import quiet, scanned
from tests.unit.ops.rolling import Killed


def missing(house: House, *names: str) -> FakePatches:
    """These packages are missing on acme's machine, and somebody has seen it."""
    found = house.fake_cloud.patches
    found.known = [package(name, cve=f"CVE-{name}") for name in names]
    scanned(house, "acme", *found.known)
    return found


def turn(house: House, **strategy: Any) -> Task:
    """acme's turn in a rollout of patches."""
    house.file.strategies[None] = Strategy(gate=GATE, **strategy)
    plan = propose(house, house.file, house.file.tenants(), PatchWords())
    assert "acme" in plan.tenants, plan.left_out
    return Task("r1", plan, "acme", new_id(house.clock))


def again(house: House, task: Task) -> Task:
    """As a retry has it."""
    return replace(task, operation=new_id(house.clock))


def patched(house: House, task: Task) -> Ended:
    return PatchSteps(house).forward(task, quiet)


def dies(house: House, step: str, when: str) -> None:
    """The next process that comes to this step dies before it, or after its work and before its record."""
    kinds: Any = house.operations._definitions
    real = kinds["patch"]

    def deadly(definition: OperationStepDefinition) -> OperationStepDefinition:
        def run(ctx: StepContext) -> Any:
            kinds["patch"] = real
            if when == "after":
                definition.run(ctx)
            raise Killed

        return replace(definition, run=run) if definition.name == step else definition

    kinds["patch"] = replace(real, steps=tuple(map(deadly, real.steps)))


def commands(house: House) -> list[str]:
    """What was done about patches, in order."""
    words = ("Scan", "Install", "reboot", "snapshot")
    return [call.split()[0] for call in house.fake_cloud.calls if call.startswith(words)]
