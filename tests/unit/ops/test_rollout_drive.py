"""Whoever drives a rollout, over steps that end as the test says. Time moves only when the driver waits."""

from dataclasses import replace
from datetime import datetime, timedelta
from threading import Event

import pytest

from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.rollout.states import RolloutStatus
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.find import find, lease_of, stopped, stranded
from tests.unit.ops.rolling import NEXT, Fleet, S

BROKE = (S.FAILED, "it broke")


def test_a_good_release_goes_through_in_waves_that_are_watched(fleet: Fleet) -> None:
    rollout = fleet.began(bake_minutes=(3,))
    channels: list[str] = []
    rollout.steps.seen = lambda _: channels.append(rollout.channel)
    assert rollout.drive() == "succeeded"
    assert rollout.steps.log == rollout.order
    assert channels == ["1.0.0"] * 6
    assert rollout.channel == "1.1.0", "only when the last wave is done"
    first, second = ([rollout.ended(t.id) for t in wave.tenants] for wave in rollout.record.plan.waves)
    assert timedelta(minutes=3) <= min(second) - max(first) < timedelta(minutes=3, seconds=10)
    assert rollout.record.cause == "6 on 1.1.0"
    assert set(fleet.prober.asked) >= {"t0", "t1"}, "the first wave is watched"
    assert fleet.ledger.lease(lease_of(rollout.id)) is None
    assert all(row.operation == rollout.steps.operations[row.tenant][0] for row in rollout.record.rows)
    fleet.ledger.verify_journal()


def test_what_is_waited_for_is_on_the_record(fleet: Fleet) -> None:
    rollout = fleet.began(2, bake_minutes=(2,), waves=("1%", "rest"))
    seen: list[tuple[str, datetime | None]] = []
    real = fleet.prober.probe

    def probe(url: str, *, timeout: float) -> object:
        seen.append((rollout.record.cause, rollout.record.until))
        return real(url)

    fleet.prober.probe = probe
    rollout.drive()
    end = rollout.ended(rollout.order[0]) + timedelta(minutes=2)
    assert (f"wave 1 (1%) is watched until Sun 2026-11-22 12:{end:%M} UTC", end) in seen


def test_a_step_that_lasts_is_looked_after_and_not_begun_again(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.ops.rollout.drive.POLL", 0.01)
    rollout, looks, enough = fleet.began(2), [], Event()
    real = fleet.ledger.rollout_wishes

    def look(rollout_id: str) -> object:
        looks.append(rollout_id)
        if len(looks) > 4:
            enough.set()
        return real(rollout_id)

    monkeypatch.setattr(fleet.ledger, "rollout_wishes", look)
    rollout.when(rollout.order[0], lambda: enough.wait(20))
    assert rollout.drive() == "succeeded"
    assert enough.is_set()
    assert rollout.steps.log == rollout.order


def test_strict_and_a_ramp_decide_how_many_are_under_way(fleet: Fleet) -> None:
    rollout = fleet.began(8, strict=False, waves=("rest",), max_concurrency=3)
    most: list[int] = []
    rollout.steps.seen = lambda _: most.append(sum(r.state is S.RUNNING for r in rollout.record.rows))
    assert rollout.drive() == "succeeded"
    assert most[0] == 1
    assert max(most) <= 3


def test_nobody_is_moved_where_all_are_there_and_the_channel_moves_all_the_same(fleet: Fleet) -> None:
    rollout = fleet.began(2, on="1.1.0")
    assert rollout.drive() == "succeeded"
    assert (rollout.steps.log, rollout.record.rows, rollout.channel) == ([], (), "1.1.0")


def test_without_all_tenants_the_channel_stays(fleet: Fleet) -> None:
    rollout = fleet.began(2, whole=False)
    assert rollout.drive() == "succeeded"
    assert (rollout.states(), rollout.channel) == ("t0 succeeded, t1 succeeded", "1.0.0")


class TestHalts:
    def test_a_failure_halts_and_nobody_else_is_touched(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        first = rollout.order[0]
        rollout.steps.ends[first] = [BROKE]
        assert rollout.drive() == "halted"
        assert rollout.states() == f"{first} failed"
        error = stopped(rollout.record)
        assert error is not None
        assert f"rollout {rollout.id} to 1.1.0 is halted: {first} failed: it broke" in error.message
        assert "retry-failed" in str(error.hint)
        assert error.exit_code == 3
        assert rollout.channel == "1.0.0"
        assert f"{first}: {first} failed: it broke" in rollout.said

    def test_within_the_budget_it_goes_on(self, fleet: Fleet) -> None:
        rollout = fleet.began(max_errors=1)
        rollout.steps.ends = {"t0": [BROKE], "t4": [(S.FAILED, "another cause")]}
        assert rollout.drive() == "halted", "one in each wave, but two in all"
        assert "t0 failed: it broke (2 failed, 1 may, in the whole rollout)" in rollout.record.cause
        verbs.skip(fleet, rollout.record, ["t4"])
        verbs.resume(fleet, rollout.record)
        assert rollout.drive() == "succeeded"
        assert rollout.record.cause == "4 on 1.1.0, 1 failed, 1 skipped"

    def test_one_cause_on_two_tenants_halts_within_the_budget(self, fleet: Fleet) -> None:
        rollout = fleet.began(max_errors=5)
        rollout.steps.ends = {
            "t0": [(S.FAILED, "t0 said 503 after 12 s")],
            "t1": [(S.FAILED, "t1 said 503 after 9 s")],
        }
        assert rollout.drive() == "halted"
        assert "failed of the same cause" in rollout.record.cause
        assert rollout.states() == "t0 failed, t1 failed"

    def test_a_cause_of_its_own_stops_no_other(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        rollout.steps.ends["t3"] = [(S.QUARANTINED, "no space left on device")]
        assert rollout.drive() == "succeeded"
        assert rollout.record.cause == "5 on 1.1.0, 1 quarantined"

    def test_who_is_not_as_before_halts_whatever_the_budget(self, fleet: Fleet) -> None:
        rollout = fleet.began(max_errors=5)
        rollout.steps.ends["t0"] = [(S.BROKEN, "both machines are gone")]
        assert rollout.drive() == "halted"
        assert "it isn't as before" in rollout.record.cause

    def test_what_can_not_be_told_pauses(self, fleet: Fleet) -> None:
        rollout = fleet.began(max_errors=5)
        first = rollout.order[0]
        rollout.steps.ends[first] = [(S.INCONCLUSIVE, "no credentials")]
        assert rollout.drive() == "paused"
        assert rollout.record.cause == f"it can't be told how {first} ended: no credentials"
        assert f"provision rollout retry-failed {first} --rollout {rollout.id}" in str(rollout.record.hint)

    def test_what_is_under_way_ends_first(self, fleet: Fleet) -> None:
        rollout = fleet.began(strict=False, ramp=False, waves=("rest",), max_concurrency=2)
        first, second = rollout.order[:2]
        rollout.steps.ends[first] = [BROKE]
        assert rollout.drive() == "halted"
        assert rollout.states() == ", ".join(sorted([f"{first} failed", f"{second} succeeded"]))


class TestWishes:
    def test_those_that_failed_are_tried_again_and_nobody_else_is_done_again(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        rollout.steps.ends["t3"] = [BROKE]
        assert rollout.drive() == "halted"
        before = list(rollout.steps.log)
        assert verbs.retry(fleet, rollout.record, []) == ["t3"]
        assert rollout.drive() == "succeeded"
        assert sorted(rollout.steps.log) == sorted([*rollout.order, "t3"])
        assert rollout.steps.log[: len(before)] == before
        assert len(set(rollout.steps.operations["t3"])) == 2, "a try of its own"

    def test_skip_leaves_one_out(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        rollout.steps.ends["t3"] = [BROKE]
        rollout.drive()
        verbs.skip(fleet, rollout.record, ["t3"])
        verbs.resume(fleet, rollout.record)
        assert rollout.drive() == "succeeded"
        assert rollout.rows["t3"].cause == "by an operator (before: failed, it broke)"
        assert rollout.steps.log.count("t3") == 1
        assert not rollout.record.wishes.skip

    def test_a_pause_begins_nothing_more_and_resume_goes_on(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        first, second = rollout.order[:2]
        rollout.when(first, lambda: verbs.pause(fleet, rollout.record, "jane: lunch"))
        assert rollout.drive() == "paused"
        assert (rollout.record.cause, rollout.states()) == ("paused: jane: lunch", f"{first} succeeded")
        with pytest.raises(UsageError, match="is paused: it can't be paused"):
            verbs.pause(fleet, rollout.record, "again")
        assert rollout.drive() == "paused", "as long as nobody says so"
        verbs.resume(fleet, rollout.record)
        assert rollout.drive() == "succeeded"
        assert rollout.steps.log[1] == second

    def test_abort_ends_it_for_good_and_frees_its_tenants(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        first = rollout.order[0]
        rollout.when(first, lambda: verbs.abort(fleet, rollout.record, "jane: enough"))
        assert rollout.drive() == "aborted"
        assert (rollout.record.cause, rollout.states()) == ("aborted: jane: enough", f"{first} succeeded")
        assert rollout.channel == "1.0.0"
        for verb in (verbs.resume, lambda h, r: verbs.abort(h, r, "x"), lambda h, r: verbs.retry(h, r, [])):
            with pytest.raises(RefusedError, match="is aborted and can't become"):
                verb(fleet, rollout.record)
        fleet.ledger.begin_rollout("another", rollout.record.plan, "joe")

    def test_a_paused_one_is_aborted_by_its_next_driver(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        rollout.when(rollout.order[0], lambda: verbs.pause(fleet, rollout.record, "x"))
        rollout.drive()
        verbs.abort(fleet, rollout.record, "jane")
        assert rollout.drive() == "aborted"
        assert len(rollout.steps.log) == 1

    @pytest.mark.parametrize(
        "verb",
        [lambda h, r: verbs.skip(h, r, ["t9"]), lambda h, r: verbs.retry(h, r, ["t9"])],
    )
    def test_a_tenant_that_is_not_in_it_is_said(self, fleet: Fleet, verb: object) -> None:
        rollout = fleet.began()
        with pytest.raises(UsageError, match="tenant t9 isn't in rollout"):
            verb(fleet, rollout.record)  # type: ignore[operator]

    def test_a_rollback_that_comes_while_it_is_decided_is_followed(
        self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the look at the wishes and the record of what was decided by them."""
        rollout = fleet.began(2)
        real = fleet.ledger.set_rollout

        def late(rollout_id: str, status: RolloutStatus, **more: object) -> bool:
            if status is RolloutStatus.SUCCEEDED:
                monkeypatch.undo()
                verbs.rollback(fleet, rollout.record)
            return real(rollout_id, status, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(fleet.ledger, "set_rollout", late)
        assert rollout.drive() == "rolled-back"
        assert rollout.states() == "t0 reverted, t1 reverted"


class TestRollback:
    def test_the_last_wave_comes_first(self, fleet: Fleet) -> None:
        rollout = fleet.began(max_concurrency=1)
        rollout.steps.ends["t4"] = [BROKE]
        rollout.drive()
        moved = [t for t in rollout.steps.log if t != "t4"]
        verbs.rollback(fleet, rollout.record)
        assert rollout.drive() == "rolled-back"
        assert [t for t in rollout.steps.log if t.startswith("-")] == [f"-{t}" for t in reversed(moved)]
        assert {str(r.state) for t, r in rollout.rows.items() if t in moved} == {"reverted"}
        assert rollout.rows["t4"].state is S.FAILED
        fleet.ledger.begin_rollout("another", rollout.record.plan, "joe")

    def test_also_of_one_that_went_through(self, fleet: Fleet) -> None:
        rollout = fleet.began(3)
        rollout.drive()
        verbs.rollback(fleet, rollout.record)
        assert fleet.ledger.lease(lease_of(rollout.id)) is None
        assert [r.id for r in stranded(fleet)] == [rollout.id]
        assert rollout.drive() == "rolled-back"
        assert {r.assigned_release for r in fleet.records()} == {"1.0.0"}

    def test_one_that_does_not_come_back_halts_and_is_tried_again(self, fleet: Fleet) -> None:
        rollout = fleet.began(3)
        rollout.drive()
        rollout.steps.ends["-t1"] = [(S.BROKEN, "it wasn't taken back: no")]
        verbs.rollback(fleet, rollout.record)
        assert rollout.drive() == "halted"
        assert "t1 broken: it wasn't taken back: no; t1 is not taken back" in rollout.record.cause
        assert rollout.states() == "t0 reverted, t1 broken, t2 reverted"
        verbs.retry(fleet, rollout.record, [])
        assert rollout.drive() == "rolled-back"
        assert rollout.steps.log.count("-t1") == 2

    def test_a_pause_of_it_goes_on_as_a_rollback(self, fleet: Fleet) -> None:
        rollout = fleet.began(3, max_concurrency=1)
        rollout.drive()
        verbs.rollback(fleet, rollout.record)
        rollout.when(rollout.order[-1], lambda: verbs.pause(fleet, rollout.record, "x"))
        assert rollout.drive() == "paused"
        verbs.resume(fleet, rollout.record)
        assert rollout.status() is RolloutStatus.ROLLING_BACK
        assert rollout.drive() == "rolled-back"

    def test_one_way_is_refused_and_nothing_is_wished(self, fleet: Fleet) -> None:
        rollout = fleet.began(2, replace(NEXT, undo="one-way"))
        rollout.drive()
        with pytest.raises(RefusedError, match=r"can't go back: 1\.1\.0 is one-way; nothing was changed"):
            verbs.rollback(fleet, rollout.record)
        assert rollout.status() is RolloutStatus.SUCCEEDED
        assert not rollout.record.wishes.rollback


def test_ids_prefixes_and_the_only_open_one_are_found(fleet: Fleet) -> None:
    with pytest.raises(UsageError, match="there is no rollout yet"):
        find(fleet, None)
    rollout = fleet.began(2)
    assert find(fleet, None).id == find(fleet, rollout.id[:8]).id == rollout.id
    with pytest.raises(UsageError, match=r"there is no rollout 9\.9\.9-abc"):
        find(fleet, "9.9.9-abc")
    assert stopped(rollout.record) is None
