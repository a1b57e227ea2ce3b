"""An upgrade that was cut off keeps away what would hide it, says how it goes on, and never goes on where something
else has changed the tenant since; a restore that is owed is owed whatever comes after."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.change import Event
from provisioner.model.errors import AuthenticationError, LeaseHeldError, ProvisionError, RefusedError, UsageError
from provisioner.model.ledger import Holder, OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.recovery import PointKind
from provisioner.model.rollout.states import RolloutStatus, StepState
from provisioner.model.stack import DatabaseArgs
from provisioner.ops import backup, offboard, prune, rest, restoring
from provisioner.ops.apply import apply
from provisioner.ops.cut_off import refuse_upgrading, release_of, unrestored
from provisioner.ops.plan import Intention, plan
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.find import lease_of
from provisioner.ops.rollout.propose import Words
from provisioner.ops.rollout.propose import propose as propose_rollout
from provisioner.ops.upgrade.outcome import Ending
from provisioner.ops.upgrade.run import Upgraded, begun, carry_out
from tests.unit.ops.moving import OPERATION, RELEASES, House, moved_in, well
from tests.unit.ops.people import backed_up, quiet
from tests.unit.ops.rolling import Killed
from tests.unit.ops.upgrading import proposed, upgraded

WAY = "provision upgrade acme --to 1.1.0"
HOLDER = Holder("worker-1", "", 7, "", "joe")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    backed_up(house)
    yield house
    house.ledger.close()


def going_on(house: House) -> Upgraded:
    found = begun(house, "acme", None)
    assert found is not None
    house.fake_cloud.answers["gate"] = [well(release_of(found), 2)] * 3
    return carry_out(house, "acme", found.id, found.payload, quiet)


def cut(house: House, version: str = "1.1.0", at: str = "b+a") -> str:
    """An upgrade whose process dies while the stack takes a shape. Returns its id."""
    house.fake_engine.broken, house.fake_engine.error = at, Killed()  # type: ignore[assignment]
    with pytest.raises(Killed):
        upgraded(house, version)
    house.fake_engine.broken = None
    return OPERATION + "0"


def refused_credentials(house: House) -> str:
    """An upgrade that ended before the old machine was left: the tenant serves on, as if nothing were."""
    house.fake_engine.broken, house.fake_engine.error = "a+b", AuthenticationError("expired")
    with pytest.raises(AuthenticationError):
        upgraded(house, "1.1.0")
    house.fake_engine.broken = None
    record = house.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.ACTIVE
    return OPERATION + "0"


def owed(house: House) -> str:
    """An offline migration that failed, and a restore that couldn't be made. Returns the upgrade's id."""
    house.fake_cloud.failing = "gate"
    real = house.operations.run

    def run(kind: str, *rest_: Any) -> Any:
        if kind == "restore":
            raise ProvisionError("no capacity")
        return real(kind, *rest_)

    house.operations.run = run
    with pytest.raises(ProvisionError, match="no capacity"):
        upgraded(house, "1.2.0")
    house.operations.run, house.fake_cloud.failing = real, None
    assert unrestored(house, "acme") is not None
    return OPERATION + "0"


def intention(house: House) -> Intention:
    [found] = plan(house, house.file, house.file.tenants())
    return found


ATTEMPTS: dict[str, Callable[[House, Path], object]] = {
    "suspend": lambda house, _: rest.propose_suspend(house, "acme"),
    "offboard": lambda house, folder: offboard.propose(house, "acme", folder=folder / "x"),
    "restore": lambda house, _: restoring.propose(house, "acme", house.ledger.points(tenant="acme")[0].id),
    "upgrade": lambda house, _: proposed(house, "1.3.0", 7),
}


class TestKeptAway:
    @pytest.mark.parametrize("attempt", ATTEMPTS)
    @pytest.mark.parametrize("how", [cut, refused_credentials])
    def test_what_would_hide_it_names_it_and_the_way_out(
        self, house: House, tmp_path: Path, attempt: str, how: Callable[[House], str]
    ) -> None:
        how(house)
        before = len(house.ledger.operations())
        with pytest.raises((RefusedError, UsageError)) as error:
            ATTEMPTS[attempt](house, tmp_path)
        assert error.value.hint == WAY
        assert len(house.ledger.operations()) == before

    @pytest.mark.parametrize("how", [cut, refused_credentials])
    def test_plan_says_it_and_apply_does_nothing(self, house: House, how: Callable[[House], str]) -> None:
        operation = how(house)
        house.fake_engine.seen.clear()
        found = intention(house)
        assert found.verdict == "refused"
        assert found.reason == (
            f"acme can't be applied: its upgrade {operation} to 1.1.0 was cut off; nothing was changed"
        )
        assert isinstance(found.error, RefusedError)
        assert found.error.hint == WAY
        assert [a.verdict for a in apply(house, [found], quiet)] == ["refused"]
        assert house.fake_engine.seen == []

    def test_an_apply_that_was_planned_before_is_refused_too(self, house: House) -> None:
        planned = [Intention("acme", "change", "its desired state was changed", payload=proposed(house, "1.1.0"))]
        refused_credentials(house)
        [done] = apply(house, planned, quiet)
        assert (done.verdict, done.error and done.error.hint) == ("failed", WAY)
        assert house.ledger.operations(kinds=("apply",)) == []

    def test_a_backup_of_one_that_serves_is_made_and_tells_of_it(self, house: House) -> None:
        operation, seen = refused_credentials(house), list[Event]()
        point = backup.create_one(house, house.file, house.file.tenant("acme"), seen.append)
        assert point.status == "available"
        assert [e.message for e in seen if e.message and operation in e.message] == [
            f"its upgrade {operation} to 1.1.0 was cut off: {WAY}"
        ]

    def test_a_backup_of_one_that_does_not_is_refused(self, house: House) -> None:
        cut(house)
        with pytest.raises(UsageError, match="can't be backed up: it is updating") as error:
            backed_up(house)
        assert error.value.hint == WAY

    def test_no_replaced_database_ends_meanwhile(self, house: House) -> None:
        """It would bring the stack to one machine."""
        facts: Any = {
            "databases": [asdict(DatabaseArgs()), asdict(DatabaseArgs("r1", kept=True))],
            "until": {"r1": "2026-01-01"},
            "since": {},
        }
        house.ledger.observe("acme", "databases", facts)
        policy = house.file.tenant("acme").backup
        assert prune.look(house, "acme", policy).databases == ["r1"]
        refused_credentials(house)
        assert prune.look(house, "acme", policy).databases == []

    def test_one_that_runs_is_said_to(self, house: House) -> None:
        operation = cut(house)
        house.ledger.acquire_lease("acme", operation, "it", HOLDER, timedelta(hours=1))
        found = intention(house)
        assert isinstance(found.error, LeaseHeldError)
        assert "is being moved to 1.1.0" in found.reason
        refuse_upgrading(house, "acme", "changed")

    def test_when_it_went_on_all_is_as_ever(self, house: House, tmp_path: Path) -> None:
        cut(house)
        assert going_on(house).outcome.ending is Ending.UPGRADED
        assert intention(house).verdict == "unchanged"
        ATTEMPTS["suspend"](house, tmp_path)


class TestWayOut:
    def in_rollout(self, house: House) -> str:
        found = propose_rollout(house, house.file, house.file.tenants(), Words("1.1.0"))
        rollout = verbs.start(house, found, "jane").id
        house.fake_engine.broken, house.fake_engine.error = "b+a", Killed()  # type: ignore[assignment]
        payload = {**proposed(house, "1.1.0"), "rollout": rollout}
        house.fake_cloud.answers["gate"] = [well("1.1.0", RELEASES["1.1.0"].schema_version)] * 3
        with pytest.raises(Killed):
            carry_out(house, "acme", OPERATION + "0", payload, quiet)
        house.fake_engine.broken = None
        return rollout

    @pytest.mark.parametrize(
        ("states", "end", "way"),
        [
            ([StepState.RUNNING], None, "provision rollout resume {}"),
            ([StepState.RUNNING, StepState.INCONCLUSIVE], None, "provision rollout retry-failed acme --rollout {}"),
            ([StepState.RUNNING, StepState.BROKEN], None, "provision rollout retry-failed acme --rollout {}"),
            ([StepState.RUNNING, StepState.INCONCLUSIVE], RolloutStatus.ABORTED, WAY),
        ],
    )
    def test_of_a_rollout_it_goes_on_by_that(
        self, house: House, states: list[StepState], end: RolloutStatus | None, way: str
    ) -> None:
        rollout = self.in_rollout(house)
        lease = house.ledger.acquire_lease(lease_of(rollout), rollout, "it", HOLDER, timedelta(hours=1))
        for state in states:
            house.ledger.set_step(rollout, "acme", state, operation=OPERATION + "0", lease=lease)
        if end is not None:
            house.ledger.set_rollout(rollout, end, cause="x", lease=lease)
        assert str(intention(house).error and intention(house).error.hint) == way.format(rollout)  # type: ignore[union-attr]


class TestOvertaken:
    def test_it_does_not_go_on_where_something_else_changed_the_tenant(self, house: House) -> None:
        """As with an operation that another version of provision let through."""
        operation = cut(house, at="a+b")
        payload: Any = {"target": "sandbox"}
        house.ledger.begin_operation("fffffffffffabcdef", "apply", "acme", "sandbox", payload)
        house.ledger.set_operation("fffffffffffabcdef", OperationStatus.SUCCEEDED)
        house.fake_engine.seen.clear()
        known = house.ledger.operation(operation)
        assert known is not None
        with pytest.raises(RefusedError, match="apply fffffffffffabcdef has changed acme since") as error:
            carry_out(house, "acme", operation, known.payload, quiet)
        assert error.value.hint == "provision show acme"
        assert house.fake_engine.seen == []
        refuse_upgrading(house, "acme", "changed")


class TestOwed:
    def test_it_is_owed_whatever_came_after(self, house: House) -> None:
        operation = owed(house)
        house.ledger.begin_operation("fffffffffffabcdef", "apply", "acme", "sandbox", {"target": "sandbox"})
        house.ledger.set_operation("fffffffffffabcdef", OperationStatus.FAILED)
        found = unrestored(house, "acme")
        assert found is not None
        assert found.id == operation
        error = intention(house).error
        assert isinstance(error, RefusedError)
        assert f"its upgrade {operation} to 1.2.0 has left its database to be restored" in error.message
        assert error.hint == "provision upgrade acme --to 1.2.0"
        assert going_on(house).outcome.ending is Ending.UNDONE
        assert unrestored(house, "acme") is None
        record = house.ledger.tenant("acme")
        assert record is not None
        assert (record.lifecycle, record.assigned_release) == (Lifecycle.ACTIVE, "1.0.0")

    def test_an_upgrade_to_something_else_names_it(self, house: House) -> None:
        owed(house)
        with pytest.raises(UsageError, match=r"to 1\.2\.0 was cut off") as error:
            begun(house, "acme", "1.3.0")
        assert error.value.hint == "go on with it first: provision upgrade acme --to 1.2.0"

    def test_any_restore_pays_it(self, house: House) -> None:
        owed(house)
        older = next(p for p in house.ledger.points(tenant="acme") if p.kind is PointKind.MANUAL)
        restoring.carry_out(house, restoring.propose(house, "acme", older.id), quiet)
        assert unrestored(house, "acme") is None
        refuse_upgrading(house, "acme", "changed")
