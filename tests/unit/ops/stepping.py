"""One tenant's turn in a rollout, over the house in which it can be moved."""

from dataclasses import replace
from typing import Any

from provisioner.model.errors import EngineError, ProvisionError
from provisioner.model.rollout.strategy import Strategy
from provisioner.ops.operations import new_id
from provisioner.ops.rollout.propose import Words, propose
from provisioner.ops.rollout.step import Ended, Task, UpgradeSteps
from tests.unit.ops.moving import GATE, RELEASES, House, well
from tests.unit.ops.people import quiet


def planned(house: House, version: str = "1.1.0", **strategy: Any) -> Task:
    """acme's turn, whose product answers right on its new machine."""
    house.file.strategies[None] = Strategy(gate=GATE, **strategy)
    house.fake_cloud.answers["gate"] = [well(version, RELEASES[version].schema_version)] * 3
    plan = propose(house, house.file, house.file.tenants(), Words(version))
    assert "acme" in plan.tenants, plan.left_out
    return Task("r1", plan, "acme", new_id(house.clock))


def again(house: House, task: Task) -> Task:
    """The same with an id of its own, as a retry or the way back has."""
    return replace(task, operation=new_id(house.clock))


def forward(house: House, task: Task) -> Ended:
    return UpgradeSteps(house).forward(task, quiet)


def back(house: House, task: Task) -> Ended:
    return UpgradeSteps(house).back(again(house, task), quiet)


def state(house: House) -> tuple[str, str | None]:
    record = house.ledger.tenant("acme")
    assert record is not None
    return str(record.lifecycle), record.assigned_release


def kinds(house: House) -> list[tuple[str, str]]:
    """Operations that changed it since it was made, oldest first."""
    found = reversed(house.ledger.operations(tenant="acme"))
    return [(o.kind, str(o.status)) for o in found if o.kind != "new-tenant"]


BEFORE, AFTER = ("active", "1.0.0"), ("active", "1.1.0")


def raises(error: BaseException) -> Any:
    def act(*_: object, **__: object) -> None:
        raise error

    return act


def fails_of(kind: str, real: Any, error: ProvisionError | None = None) -> Any:
    def run(wanted: str, *rest: Any) -> Any:
        if wanted == kind:
            raise error or EngineError("no capacity")
        return real(wanted, *rest)

    return run
