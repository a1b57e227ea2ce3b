"""Previews of a rollout: each tenant from where it is to where it will be, and those that are the same together."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from provisioner.model.change import Plan, PropertyChange, Step, StepOp
from provisioner.model.errors import ExitCode, ProvisionError
from provisioner.model.ports import RunOptions, Stack
from provisioner.model.rollout.groups import summary
from provisioner.model.stack import StackArgs
from provisioner.model.tenant import Release
from provisioner.ops.rollout.previews import preview
from provisioner.ops.rollout.propose import Words, propose
from tests.unit.ops.fakes import FakeEngine, FakeHouse
from tests.unit.ops.people import made


class Engine(FakeEngine):
    """Keeps the arguments that it was asked to preview."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, StackArgs] = {}

    def preview(self, stack: Stack, options: RunOptions = RunOptions()) -> Plan:  # noqa: B008
        if isinstance(stack.program, partial):
            self.asked[stack.name] = stack.program.args[0]
        return super().preview(stack, options)


class House(FakeHouse):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fake_engine: Engine = Engine()
        self.file.releases["1.1.0"] = Release("1.1.0", {"sandbox": "/images/2"}, 1, "none", "code-only")

    def stack(self, args: StackArgs) -> Stack:
        return Stack(args.project, args.name, partial(_nothing, args))


def _nothing(args: StackArgs) -> None:
    """The fake engine reads the arguments."""


def _step(op: StepOp, type_: str, name: str, *paths: str) -> Step:
    return Step(op, f"urn:{name}", type_, name, None, tuple(PropertyChange(p, replaces=True) for p in paths))


MOVED = Plan((_step(StepOp.CREATE, "aws:ec2/instance:Instance", "machine-b"),))
MORE = Plan((*MOVED.steps, _step(StepOp.UPDATE, "aws:ec2/eip:Eip", "address", "tags")))
DANGER = Plan((_step(StepOp.REPLACE, "aws:rds/instance:Instance", "database", "engineVersion"),))


def test_what_is_the_same_is_told_together_and_a_failure_stops_no_other(tmp_path: Path) -> None:
    house = House(tmp_path)
    made(house, "acme", "beta", "gamma", "delta", "eps", "zeta")
    engine = house.fake_engine
    gone = ProvisionError("the cloud is gone")
    engine.plans |= {"acme": MOVED, "beta": MOVED, "gamma": MORE, "delta": DANGER, "eps": gone, "zeta": gone}
    for tenant in house.file.entries:
        house.file.entries[tenant] = replace(house.file.entries[tenant], channel="stable")
    engine.asked.clear()
    plan = propose(house, house.file, house.file.tenants(), Words("1.1.0"))
    found = preview(house, house.file, plan)
    assert summary(found.groups) == "2 same, 1 different"
    assert found.groups[1].tenants == ("gamma",)
    assert found.groups[1].differs == ("aws:ec2/eip:Eip address: update [tags!] (the others: nothing)",)
    by_tenants = {f.tenants: f.error for f in found.failures}
    assert by_tenants[("delta",)].exit_code is ExitCode.REFUSED, "the firewall looks at them, too"
    [both] = [t for t in by_tenants if len(t) == 2]
    assert set(both) == {"eps", "zeta"}, "one cause, told once"
    assert {a.release for a in engine.asked.values()} == {"1.1.0"}
    assert {a.machine for a in engine.asked.values()} == {"b"}
    assert {name for name, _ in engine.calls} == {"preview"}
    house.ledger.close()
