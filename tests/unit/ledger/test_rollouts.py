"""Rollouts in the ledger, on both databases: what is frozen, who may write, and one tenant in one rollout."""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from provisioner.ledger.store import SqlLedger, open_ledger
from provisioner.model.errors import LeaseHeldError, LeaseLostError, ProvisionError, RefusedError, UsageError
from provisioner.model.ledger import Holder, Lease
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.plan import plan
from provisioner.model.rollout.progress import Row, Wishes
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import RolloutStatus, StepState
from provisioner.model.tenant import Freeze, Pin, Window
from tests.unit.ledger.conftest import FakeClock
from tests.unit.model.rollout.fleets import NOW, candidate, fleet, request

R, S = RolloutStatus, StepState
ID = "1.3.0-abcdef"
TTL = timedelta(seconds=60)
JANE = Holder("build-7", "another-boot", 4242, "77", "jane")
FREEZE = Freeze(NOW + timedelta(days=1), NOW + timedelta(days=2), "peak", "Jane", (2,))


def planned(*ids: str, freezes: tuple[Freeze, ...] = ()) -> RolloutPlan:
    return plan(request(freezes=freezes, waves=("ring 0", "rest")), [candidate(i, ring=1) for i in ids], NOW)


def begun(ledger: SqlLedger, *ids: str) -> Lease:
    """A rollout of these tenants, and the lease of who drives it."""
    ledger.begin_rollout(ID, planned(*(ids or ("t0", "t1", "t2"))), "jane@build-7")
    return ledger.acquire_lease(f"rollout/{ID}", ID, "release 1.3.0 is being rolled out", JANE, TTL)


def found(ledger: SqlLedger, rollout_id: str = ID) -> RolloutRecord:
    record = ledger.rollout(rollout_id)
    assert record is not None
    return record


def states(ledger: SqlLedger) -> dict[str, str]:
    return {row.tenant: str(row.state) for row in found(ledger).rows}


def lines(ledger: SqlLedger) -> list[tuple[str, str | None]]:
    """Kind and tenant of the journal's lines about rollouts, oldest first."""
    return [(e.kind, e.tenant) for e in reversed(ledger.journal()) if e.kind.startswith("rollout")]


def test_the_plan_comes_back_as_it_was_frozen_with_its_rows_in_order(ledger: SqlLedger, clock: FakeClock) -> None:
    window = Window(("sat", "sun"), "02:00", 4)
    who = [*fleet(9, window=window, time_zone="Europe/Berlin"), candidate("pinned", pin=Pin(), desired_release="1.0.0")]
    frozen = plan(request(freezes=(FREEZE,), per_region=2, max_errors="5%"), who, NOW)
    record = ledger.begin_rollout(ID, frozen, "jane@build-7")
    assert record == found(ledger)
    assert record.plan == frozen
    assert record.plan.digest == frozen.digest
    assert record.rows == tuple(Row(t) for t in frozen.tenants)
    assert (record.status, record.by, record.wishes) == (R.RUNNING, "jane@build-7", Wishes())
    assert (record.started_at, record.updated_at, record.cause) == (clock.now(), clock.now(), "")
    assert lines(ledger) == [("rollout-begun", None)]
    assert ledger.journal()[0].detail["plan"] == frozen.digest


def test_the_same_id_again_returns_what_is_there(ledger: SqlLedger) -> None:
    first = ledger.begin_rollout(ID, planned("t0"), "jane")
    assert ledger.begin_rollout(ID, planned("t1"), "joe") == first
    assert lines(ledger) == [("rollout-begun", None)]


def test_by_a_prefix_and_newest_first_without_rows(ledger: SqlLedger, clock: FakeClock) -> None:
    ledger.begin_rollout("1.3.0-aaaaaa", planned("t0"), "jane")
    clock.sleep(1)
    ledger.begin_rollout("1.3.0-aaabbb", planned("t1"), "jane")
    assert found(ledger, "1.3.0-aaaa").id == "1.3.0-aaaaaa"
    with pytest.raises(UsageError, match=r"1\.3\.0-aaa"):
        ledger.rollout("1.3.0-aaa")
    assert ledger.rollout("1.3.0-c") is None
    assert [(r.id, r.rows) for r in ledger.rollouts()] == [("1.3.0-aaabbb", ()), ("1.3.0-aaaaaa", ())]
    assert [r.id for r in ledger.rollouts(limit=1)] == ["1.3.0-aaabbb"]
    assert ledger.rollouts(statuses=[R.PAUSED]) == []


def test_a_step_says_where_its_tenant_is_and_when(ledger: SqlLedger, clock: FakeClock) -> None:
    lease = begun(ledger)
    clock.sleep(5)
    ledger.set_step(ID, "t1", S.RUNNING, operation="op-000001", lease=lease)
    clock.sleep(5)
    later = clock.now() + timedelta(hours=1)
    at = ledger.set_step(ID, "t1", S.WAITING, cause="not now", operation="op-000001", not_before=later, lease=lease)
    assert at == clock.now()
    row = next(row for row in found(ledger).rows if row.tenant == "t1")
    assert row == Row("t1", S.WAITING, "not now", at, later, "op-000001")
    assert lines(ledger)[1:] == [("rollout-step", "t1"), ("rollout-step", "t1")]
    newest = ledger.journal()[0]
    assert (newest.operation_id, newest.detail) == (
        "op-000001",
        {"rollout": ID, "state": "waiting", "cause": "not now"},
    )
    ledger.verify_journal()


@pytest.mark.parametrize("state", [S.SUCCEEDED, S.FAILED, S.REVERTING])
def test_a_step_goes_where_it_may_and_nowhere_else(ledger: SqlLedger, state: StepState) -> None:
    lease = begun(ledger)
    with pytest.raises(RefusedError, match=f"t0 of rollout {ID} is waiting and can't become {state}"):
        ledger.set_step(ID, "t0", state, lease=lease)
    assert set(states(ledger).values()) == {"waiting"}
    with pytest.raises(RefusedError, match="is running and can't become rolled-back"):
        ledger.set_rollout(ID, R.ROLLED_BACK, cause="x", lease=lease)


def test_wishes_are_done_by_the_step_s_next_change(ledger: SqlLedger) -> None:
    lease = begun(ledger)
    ledger.wish(ID, skip=["t0", "t1"], retry=["t2"])
    ledger.wish(ID, retry=["t1"])
    assert ledger.rollout_wishes(ID) == (R.RUNNING, Wishes(skip=frozenset({"t0"}), retry=frozenset({"t1", "t2"})))
    ledger.set_step(ID, "t0", S.SKIPPED, cause="by an operator", lease=lease)
    ledger.set_step(ID, "t2", S.RUNNING, lease=lease)
    assert found(ledger).wishes == Wishes(retry=frozenset({"t1"}))
    assert lines(ledger)[1:3] == [("rollout-wish", None)] * 2


def test_a_step_is_not_begun_where_an_operator_was_faster(ledger: SqlLedger) -> None:
    lease, seen = begun(ledger), ledger.rollout_wishes(ID)
    ledger.wish(ID, skip=["t0"])
    assert ledger.set_step(ID, "t0", S.RUNNING, seen=seen, lease=lease) is None
    assert states(ledger)["t0"] == "waiting"
    assert ledger.set_step(ID, "t1", S.RUNNING, seen=ledger.rollout_wishes(ID), lease=lease) is not None
    assert found(ledger).wishes == Wishes(skip=frozenset({"t0"}))


def test_pause_and_abort_are_kept_until_it_goes_on(ledger: SqlLedger) -> None:
    begun(ledger)
    ledger.wish(ID, pause="jane: lunch")
    ledger.wish(ID, abort="joe: enough")
    assert found(ledger).wishes == Wishes(pause="jane: lunch", abort="joe: enough")
    ledger.go_on(ID, R.RUNNING)
    assert found(ledger).wishes == Wishes(abort="joe: enough")
    ledger.go_on(ID, R.ROLLING_BACK, retry=["t1"])
    assert found(ledger).wishes == Wishes(retry=frozenset({"t1"}), rollback=True)
    with pytest.raises(UsageError, match="there is no rollout 9"):
        ledger.wish("9", pause="x")


def test_who_drives_says_where_it_is_and_until_when(ledger: SqlLedger, clock: FakeClock) -> None:
    lease, until = begun(ledger), clock.now() + timedelta(hours=2)
    clock.sleep(3)
    assert ledger.set_rollout(ID, R.RUNNING, cause="wave 1 is watched", until=until, lease=lease)
    record = found(ledger)
    assert (record.status, record.cause, record.until, record.updated_at) == (
        R.RUNNING,
        "wave 1 is watched",
        until,
        clock.now(),
    )
    assert lines(ledger) == [("rollout-begun", None)], "what is waited for isn't journalled"
    ledger.set_rollout(ID, R.HALTED, cause="t0 failed", hint="look", lease=lease)
    record = found(ledger)
    assert (record.status, record.cause, record.hint, record.until) == (R.HALTED, "t0 failed", "look", None)
    assert lines(ledger)[-1] == ("rollout-halted", None)
    ledger.go_on(ID, R.RUNNING)
    record = found(ledger)
    assert (record.status, record.cause, record.hint) == (R.RUNNING, "", None)


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda ledger: ledger.wish(ID, abort="joe"),
        lambda ledger: ledger.wish(ID, retry=["t1"]),
        lambda ledger: ledger.go_on(ID, R.ROLLING_BACK),
    ],
)
def test_a_decision_that_an_operator_was_faster_than_is_not_recorded(
    ledger: SqlLedger, meanwhile: Callable[[SqlLedger], None]
) -> None:
    """Else a rollback would be set running again, or what an operator wants would be met by nobody."""
    lease = begun(ledger)
    seen = ledger.rollout_wishes(ID)
    meanwhile(ledger)
    before = found(ledger)
    for status in (R.RUNNING, R.PAUSED, R.SUCCEEDED):
        assert not ledger.set_rollout(ID, status, cause="stale", seen=seen, lease=lease)
    assert found(ledger) == before
    now = ledger.rollout_wishes(ID)
    assert ledger.set_rollout(ID, R.PAUSED, cause="fresh", seen=now, lease=lease)


def test_who_lost_the_lease_writes_nothing(ledger: SqlLedger, clock: FakeClock) -> None:
    stale = begun(ledger)
    clock.sleep(61)
    fresh = ledger.acquire_lease(f"rollout/{ID}", ID, "again", replace(JANE, host="build-8"), TTL)
    with pytest.raises(LeaseLostError, match=f"rollout {ID} isn't driven from here any more") as lost:
        ledger.set_step(ID, "t0", S.RUNNING, lease=stale)
    assert lost.value.hint == f"provision rollout status {ID}"
    with pytest.raises(LeaseLostError, match="somebody else drives it"):
        ledger.set_rollout(ID, R.PAUSED, cause="x", lease=stale)
    assert (states(ledger)["t0"], found(ledger).status) == ("waiting", R.RUNNING)
    ledger.set_step(ID, "t0", S.RUNNING, lease=fresh)
    ledger.release_lease(fresh)
    with pytest.raises(LeaseLostError, match="nobody drives it"):
        ledger.set_step(ID, "t1", S.RUNNING, lease=fresh)


def test_who_drives_is_named(ledger: SqlLedger) -> None:
    begun(ledger)
    with pytest.raises(LeaseHeldError) as held:
        ledger.acquire_lease(f"rollout/{ID}", ID, "again", replace(JANE, host="build-8"), TTL)
    assert held.value.message == (
        f"rollout {ID} is being driven by jane on build-7 (pid 4242) since 2026-03-01 12:00:00+00:00"
    )
    assert held.value.hint == f"provision rollout status {ID} --watch"


def test_a_tenant_is_in_one_open_rollout(ledger: SqlLedger) -> None:
    lease = begun(ledger)
    with pytest.raises(LeaseHeldError) as held:
        ledger.begin_rollout("1.4.0-ffffff", planned("t9", "t2"), "joe@laptop")
    assert held.value.message == (
        f"t2 is in rollout {ID} to 1.3.0, which jane@build-7 started at 2026-03-01 12:00:00+00:00 and which is "
        "running; nothing was changed"
    )
    assert held.value.exit_code == 4
    assert ledger.rollout("1.4.0-ffffff") is None
    ledger.begin_rollout("1.4.0-eeeeee", planned("t8", "t9"), "joe@laptop")
    ledger.set_rollout(ID, R.PAUSED, cause="x", lease=lease)
    with pytest.raises(LeaseHeldError, match="which is paused"):
        ledger.begin_rollout("1.4.0-ffffff", planned("t2"), "joe@laptop")


@pytest.mark.parametrize("end", [R.SUCCEEDED, R.ABORTED])
def test_when_it_is_over_its_tenants_are_free_and_a_rollback_takes_them_again(
    ledger: SqlLedger, clock: FakeClock, end: RolloutStatus
) -> None:
    lease = begun(ledger)
    for state in (S.RUNNING, S.SUCCEEDED):
        ledger.set_step(ID, "t2", state, lease=lease)
    ledger.wish(ID, skip=["t1"])
    ledger.set_rollout(ID, end, cause="over", lease=lease)
    assert ledger.rollout_wishes(ID) == (end, Wishes())
    with pytest.raises(RefusedError, match=f"is {end} and can't become running"):
        ledger.go_on(ID, R.RUNNING)
    ledger.begin_rollout("1.4.0-ffffff", planned("t2"), "joe@laptop")
    with pytest.raises(LeaseHeldError, match=r"t2 is in rollout 1\.4\.0-ffffff"):
        ledger.go_on(ID, R.ROLLING_BACK)
    assert found(ledger).status is end
    other = ledger.acquire_lease("rollout/1.4.0-ffffff", "1.4.0-ffffff", "it", JANE, TTL)
    ledger.set_rollout("1.4.0-ffffff", R.ABORTED, cause="never mind", lease=other)
    ledger.go_on(ID, R.ROLLING_BACK)
    assert ledger.rollout_wishes(ID) == (R.ROLLING_BACK, Wishes(rollback=True))
    assert lines(ledger)[-1] == ("rollout-rolling-back", None)
    with pytest.raises(LeaseHeldError, match="which is rolling-back"):
        ledger.begin_rollout("1.5.0-ffffff", planned("t2"), "joe@laptop")
    ledger.begin_rollout("1.5.0-ffffff", planned("t0", "t1"), "joe@laptop")  # they were never moved by it


def test_of_two_that_start_at_once_one_wins(url: str, ledger: SqlLedger, clock: FakeClock) -> None:
    """Each with a ledger of its own, as two processes have."""
    ledgers = [open_ledger(url, clock) for _ in range(4)]
    line, ends = threading.Barrier(len(ledgers)), []

    def start(number: int) -> None:
        line.wait(20)
        try:
            ends.append(ledgers[number].begin_rollout(f"1.3.0-{number:06}", planned("t0", "t1"), f"op{number}").id)
        except LeaseHeldError as error:
            ends.append(error.message)

    threads = [threading.Thread(target=start, args=(n,)) for n in range(len(ledgers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for other in ledgers:
        other.close()
    [winner] = ledger.rollouts()
    assert ends.count(winner.id) == 1
    assert sum(f"t0 is in rollout {winner.id} to 1.3.0, which {winner.by} started" in end for end in ends) == 3


def test_the_database_itself_keeps_a_tenant_out_of_a_second_rollout(url: str, ledger: SqlLedger) -> None:
    begun(ledger)
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    row = "INSERT INTO rollout_steps (rollout, tenant, position, state, open) VALUES (:r, 'x', 9, 'waiting', 't0')"
    with engine.connect() as connection, pytest.raises((sa.exc.IntegrityError, sqlite3.IntegrityError)):
        connection.execute(sa.text(row), {"r": ID})
    engine.dispose()


def test_a_rollout_of_nobody_is_one(ledger: SqlLedger) -> None:
    """Everybody is there already: only the channel moves."""
    record = ledger.begin_rollout(ID, planned(), "jane")
    assert (record.rows, record.plan.waves) == ((), ())


def test_no_secret_enters(ledger: SqlLedger) -> None:
    url = "see postgresql://jane:hunter2@db/x"
    with pytest.raises(ProvisionError, match=r"refused to record plan\.freezes") as caught:
        ledger.begin_rollout(ID, planned("t0", freezes=(replace(FREEZE, reason=url),)), "jane")
    assert "hunter2" not in caught.value.message
    assert ledger.rollouts() == []
    begun(ledger)
    with pytest.raises(ProvisionError, match=r"refused to record wish\.pause"):
        ledger.wish(ID, pause=url)
    assert found(ledger).wishes == Wishes()


def test_a_thousand_tenants_are_recorded_and_refused_at_once(ledger: SqlLedger) -> None:
    frozen = plan(request(), fleet(1000), NOW)
    ledger.begin_rollout(ID, frozen, "jane")
    assert len(found(ledger).rows) == 1000
    last = list(frozen.tenants)[-1]
    with pytest.raises(LeaseHeldError, match=last):
        ledger.begin_rollout("1.4.0-ffffff", planned("zz", last), "joe")


def test_times_keep_their_zone(ledger: SqlLedger, clock: FakeClock) -> None:
    lease = begun(ledger)
    until = datetime.fromisoformat("2026-03-02T01:30:00.250000+01:00")
    ledger.set_rollout(ID, R.RUNNING, cause="x", until=until, lease=lease)
    assert found(ledger).until == until
