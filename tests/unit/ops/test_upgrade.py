"""Upgrades over fakes: which stacks in which order, what a failure of each step leads to, and going on after a kill."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.change import RunResult
from provisioner.model.cloud import CommandResult, Health, Machine
from provisioner.model.errors import ProvisionError, RefusedError, UsageError
from provisioner.model.ledger import OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import RunOptions, Stack
from provisioner.model.rollout.strategy import Gate
from provisioner.model.stack import StackArgs
from provisioner.model.tenant import Release
from provisioner.ops.desired import known_machine, known_schema, last_applied
from provisioner.ops.upgrade.gate import judge
from provisioner.ops.upgrade.outcome import Ending
from provisioner.ops.upgrade.propose import propose
from provisioner.ops.upgrade.run import Upgraded, carry_out
from tests.unit.ops.fake_cloud import FakeCloud
from tests.unit.ops.fakes import CREATE, FakeEngine, FakeHouse
from tests.unit.ops.people import made, quiet

IMAGES = {"sandbox": "/images/2"}
ONLINE = Release("1.1.0", IMAGES, 2, "online", "code-only", "1.0.0")
RELEASES = {
    "1.1.0": ONLINE,
    "1.2.0": replace(ONLINE, version="1.2.0", schema_version=2, migration="offline", undo="needs-restore"),
    "1.3.0": replace(ONLINE, version="1.3.0", undo="one-way"),
    "1.4.0": replace(ONLINE, version="1.4.0", yanked="it forgets"),
    "1.5.0": replace(ONLINE, version="1.5.0", min_from="1.1.0"),
    "0.9.0": Release("0.9.0", IMAGES, 1, "none", "code-only"),
}
OPERATION = "0123456789abcdef"
GATE = Gate(samples=3, good=2, seconds=2, warm_up=1, settle=2)


def well(release: str = "1.0.0", schema: int = 1) -> dict[str, Any]:
    return {"status": "ok", "tenant": "acme", "release": release, "schema_version": schema, "detail": None}


class Engine(FakeEngine):
    """Its outputs follow the arguments, as the program's do."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.broken: str | None = None
        self.serving = ("1.0.0", 1)

    def up(self, stack: Stack, options: RunOptions = RunOptions()) -> RunResult:  # noqa: B008
        args: StackArgs = stack.program.args[0]  # type: ignore[attr-defined]
        other = f"+{args.other.suffix or 'a'}{'*' if args.other.attached else ''}" if args.other else ""
        shape = f"{args.machine or 'a'}{other}"
        self.seen.append(shape)
        self.stacks.add(stack.name)
        if shape == self.broken:
            raise ProvisionError("the cloud said no")
        self.serving = (args.release, args.schema_version)
        self.outputs_now |= {
            "machine_id": f"i-{args.machine or 'a'}",
            "other_machine_id": f"i-{args.other.suffix or 'a'}" if args.other else "",
            "target_group_arn": "arn:group" if args.sizing.front == "balancer" else "",
        }
        return RunResult(CREATE.steps, dict(self.outputs_now))


class Prober:
    """The product answers as its machine's release. `ill`: the one that falls ill when it has answered once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.ill: str | None = None
        self.schema = 0
        self.asked: list[str] = []

    def probe(self, url: str, *, timeout: float = 5.0) -> Health:
        release, schema = self._engine.serving
        self.schema = max(self.schema, schema)
        self.asked.append(release)
        status = "unhealthy" if release == self.ill and self.asked.count(release) > 1 else "healthy"
        return Health(status, release, self.schema, "acme")


class Cloud(FakeCloud):
    """Both machines are there; what runs on one may fail."""

    failing: str | None = None

    def machines(self, tenant: str) -> list[Machine]:
        return [Machine(f"i-{s}", self.machine_state, "ami-1", "t4g.small", None) for s in "ab"]

    def run_command(self, machine_id: str, script: str, *, comment: str, timeout: float) -> CommandResult:
        done = super().run_command(machine_id, script, comment=comment, timeout=timeout)
        self.calls[-1] += f" on {machine_id}"
        if self.failing == comment.split()[1]:
            return CommandResult("Failed", 1, "", "it is broken")
        return done


class House(FakeHouse):
    prober: Any

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fake_engine: Engine = Engine()
        self.fake_cloud: Cloud = Cloud(clock=self.clock)
        self.file.releases |= RELEASES

    def stack(self, args: StackArgs) -> Stack:
        return Stack(args.project, args.name, partial(_nothing, args))


def _nothing(args: StackArgs) -> None:
    """The fake engine reads the arguments, and makes nothing of them."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    made(house, "acme")
    house.prober = Prober(house.fake_engine)
    house.fake_engine.seen.clear()
    house.fake_cloud.calls.clear()
    yield house
    house.ledger.close()


def proposed(house: House, version: str, number: int = 0) -> Any:
    return propose(house, house.file, house.file.tenant("acme"), version, OPERATION + str(number), GATE)


def upgraded(house: House, version: str, gate: Any = None, number: int = 0) -> Upgraded:
    """An upgrade whose product answers right on its machine, unless `gate` says otherwise."""
    house.fake_cloud.answers["gate"] = gate or [well(version, RELEASES[version].schema_version)] * 3
    return carry_out(house, "acme", OPERATION + str(number), proposed(house, version, number), quiet)


def state(house: House) -> tuple[Lifecycle, str | None, str]:
    record = house.ledger.tenant("acme")
    assert record is not None
    return record.lifecycle, record.assigned_release, known_machine(house, "acme")


def on_machines(house: House) -> list[str]:
    return [c for c in house.fake_cloud.calls if " on i-" in c or c.startswith(("stop", "start"))]


def test_beside_switch_alone(house: House) -> None:
    done = upgraded(house, "1.1.0")
    assert (done.outcome.ending, done.error) == (Ending.UPGRADED, None)
    assert house.fake_engine.seen == ["a+b", "b+a", "b"]
    assert on_machines(house) == [
        "provision sentinel acme on i-b",
        "provision migrate acme on i-b",
        "provision gate acme on i-b",
    ]
    assert state(house) == (Lifecycle.ACTIVE, "1.1.0", "b")
    applied = last_applied(house, "acme")
    assert applied is not None
    assert (applied.machine, applied.other, applied.release, applied.schema) == ("b", None, "1.1.0", 2)
    (point,) = house.ledger.points(tenant="acme")
    assert (point.kind, point.release) == ("before-upgrade", "1.0.0")


def test_behind_a_balancer_both_get_requests_for_a_moment(house: House) -> None:
    entry = house.file.entries["acme"]
    house.file.entries["acme"] = replace(entry, sizing=replace(entry.sizing, front="balancer"))
    payload = proposed(house, "1.1.0")
    for part in ("args", "before"):
        payload[part]["sizing"]["front"] = "balancer"
    house.fake_cloud.answers["gate"] = [well("1.1.0", 2)] * 3
    carry_out(house, "acme", OPERATION + "0", payload, quiet)
    assert house.fake_engine.seen == ["a+b", "a+b*", "b+a", "b"]
    assert [c for c in house.fake_cloud.calls if c.startswith("target")] == ["target i-b", "target i-a"]


def test_offline_nobody_serves_and_the_point_is_taken_after_that(house: House) -> None:
    done = upgraded(house, "1.2.0")
    calls = house.fake_cloud.calls
    assert calls.index("stop i-a") < next(i for i, c in enumerate(calls) if c.startswith("snapshot"))
    result: Any = done.result
    assert result["outage_seconds"] is not None


@pytest.mark.parametrize("broken", ["a+b", "migrate", "gate"])
def test_before_the_switch_a_failure_leaves_the_tenant_as_it_was(house: House, broken: str) -> None:
    house.fake_engine.broken = house.fake_cloud.failing = broken
    done = upgraded(house, "1.1.0")
    assert done.outcome.ending is Ending.UNDONE
    assert house.fake_engine.seen[-1] == "a"
    assert "b+a" not in house.fake_engine.seen
    assert state(house) == (Lifecycle.ACTIVE, "1.0.0", "")
    operation = house.ledger.operation(OPERATION + "0")
    assert operation is not None
    assert operation.status is OperationStatus.UNDONE


def test_what_the_new_release_says_on_its_machine_decides(house: House) -> None:
    lies = [well("1.1.0", 1)] * 3
    done = upgraded(house, "1.1.0", gate=lies)
    assert done.outcome.step == "gate"
    assert "schema_version is 1, not 2" in str(done.outcome.cause)


def test_after_the_switch_code_only_is_undone_by_itself(house: House) -> None:
    house.prober.ill = "1.1.0"
    done = upgraded(house, "1.1.0")
    assert (done.outcome.ending, done.outcome.step) == (Ending.UNDONE, "settle")
    assert house.fake_engine.seen == ["a+b", "b+a", "a+b", "a"]
    assert state(house) == (Lifecycle.ACTIVE, "1.0.0", "")
    assert known_schema(house, "acme") == 2, "the migration stays, and a drill of the next point must know"


@pytest.mark.parametrize(
    ("version", "words"),
    [("1.2.0", "needs a restore, and would lose"), ("1.3.0", "only goes forward")],
)
def test_after_the_switch_what_would_lose_something_is_said_and_not_done(
    house: House, version: str, words: str
) -> None:
    house.prober.ill = version
    done = upgraded(house, version)
    assert done.outcome.ending is Ending.STUCK
    assert isinstance(done.error, RefusedError)
    assert words in done.error.message
    assert house.fake_engine.seen[-1] == "b"
    assert state(house) == (Lifecycle.FAILED, version, "b")


def test_a_tenant_that_was_sick_before_is_left_alone(house: House) -> None:
    house.prober.ill, house.prober.asked = "1.0.0", ["1.0.0"]
    done = upgraded(house, "1.1.0")
    assert done.outcome.ending is Ending.SICK
    assert house.fake_engine.seen == []
    assert state(house) == (Lifecycle.ACTIVE, "1.0.0", "")


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        ("1.0.0", UsageError, "is on 1.0.0 already"),
        ("1.4.0", RefusedError, "is yanked: it forgets"),
        ("1.5.0", RefusedError, "can only be reached from 1.1.0 or later"),
    ],
)
def test_what_may_not_be(house: House, version: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        proposed(house, version)
    assert house.ledger.operations(kinds=("upgrade",)) == []


def test_back_goes_by_the_code_alone_or_not_at_all(house: House) -> None:
    assert proposed(house, "0.9.0")["migration"] == "none"
    house.file.releases["1.0.0"] = replace(house.file.releases["1.0.0"], undo="one-way")
    with pytest.raises(RefusedError, match="can't be taken back by its code alone"):
        proposed(house, "0.9.0")


def test_a_second_upgrade_uses_the_first_machine_s_name_again(house: House) -> None:
    upgraded(house, "1.1.0")
    house.fake_engine.seen.clear()
    upgraded(house, "1.3.0", number=1)
    assert house.fake_engine.seen == ["b+a", "a+b", "a"]
    assert state(house) == (Lifecycle.ACTIVE, "1.3.0", "")


class TestGate:
    ARGS = StackArgs(**dict.fromkeys(StackArgs.__dataclass_fields__))  # type: ignore[arg-type]
    GOOD, BAD = Health("healthy", "2", 2, "acme"), Health("unhealthy", "2", 2, "acme", "ill")

    @pytest.mark.parametrize(
        ("seen", "words"),
        [
            ("ggg", None),
            ("bgg", None),
            ("bbg", "only 1 of 3 answers were good"),
            ("ggb", "it was well, and is no more: unhealthy (ill)"),
            ("b", "unhealthy (ill)"),
            ("gg", "only 2 of 3 answers came"),
            ("", "only 0 of 3 answers came"),
        ],
    )
    def test_enough_answers_of_enough_time_and_the_last_one(self, seen: str, words: str | None) -> None:
        args = replace(self.ARGS, tenant="acme", release="2", schema_version=2, database_schema=None)
        found = judge(GATE, [self.GOOD if c == "g" else self.BAD for c in seen], args)
        assert found == words if words is None else words in str(found)
