"""When a rollout moves its channel and puts it back, whatever dies, and whatever an operator wants meanwhile."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from provisioner.model.errors import LeaseLostError, RefusedError, RegistryError
from provisioner.model.rollout.states import RolloutStatus
from provisioner.model.tenant import Hold
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.propose import Words, check, propose
from tests.unit.ops.fakes import tenant
from tests.unit.ops.rolling import Fleet, Killed, Rollout, S

HOLD = Hold(date(2027, 1, 1), "audit", "Jane")


def before(fleet: Fleet, act: Callable[[], object], *, after: bool = False) -> None:
    """Do something once, just before the channel moves, or just after it has."""
    real = fleet.file.move_channel

    def move(channel: str, release: str) -> None:
        fleet.file.move_channel = real  # type: ignore[method-assign]
        if after:
            real(channel, release)
        act()
        if not after:
            real(channel, release)

    fleet.file.move_channel = move  # type: ignore[method-assign]


def killed() -> None:
    raise Killed


def moves(fleet: Fleet) -> list[tuple[str, str]]:
    """Each move of a channel from here on, with the rollout's cause on the record at that moment."""
    seen: list[tuple[str, str]] = []
    real = fleet.file.move_channel

    def move(channel: str, release: str) -> None:
        seen.append((release, fleet.ledger.rollouts()[0].cause))
        real(channel, release)

    fleet.file.move_channel = move  # type: ignore[method-assign]
    return seen


def test_that_it_ends_is_on_the_record_before_the_channel_moves(fleet: Fleet) -> None:
    rollout, seen = fleet.began(), moves(fleet)
    assert rollout.drive() == "succeeded"
    assert seen == [("1.1.0", "all is done: channel stable moves from 1.0.0 to 1.1.0")]


@pytest.mark.parametrize("after", [True, False])
def test_who_is_killed_there_is_followed_by_one_that_does_it_again(fleet: Fleet, *, after: bool) -> None:
    rollout = fleet.began()
    before(fleet, killed, after=after)
    with pytest.raises(Killed):
        rollout.drive()
    assert rollout.status() is RolloutStatus.RUNNING
    assert rollout.drive() == "succeeded"
    assert rollout.channel == "1.1.0"


def test_an_abort_in_the_last_moment_moves_no_channel(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was decided that all is done, and that isn't on the record yet."""
    rollout = fleet.began()
    real = fleet.ledger.set_rollout

    def record(*args: Any, **more: Any) -> bool:
        if str(more.get("cause", "")).startswith("all is done"):
            verbs.abort(fleet, rollout.record, "jane")
        return real(*args, **more)

    monkeypatch.setattr(fleet.ledger, "set_rollout", record)
    assert rollout.drive() == "aborted"
    assert rollout.channel == "1.0.0"


@pytest.mark.parametrize("die", [True, False])
def test_an_abort_while_it_moves_puts_it_back(fleet: Fleet, *, die: bool) -> None:
    rollout = fleet.began()

    def abort() -> None:
        verbs.abort(fleet, rollout.record, "jane")
        if die:
            raise Killed

    before(fleet, abort, after=True)
    if die:
        with pytest.raises(Killed):
            rollout.drive()
        assert rollout.channel == "1.1.0"
    assert rollout.drive() == "aborted"
    assert rollout.channel == "1.0.0"
    assert rollout.record.cause == "aborted: jane; channel stable is back at 1.0.0"


def test_a_lost_lease_moves_nothing(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    rollout, seen = fleet.began(), moves(fleet)
    real = fleet.ledger.set_rollout

    def record(*args: Any, **more: Any) -> bool:
        if str(more.get("cause", "")).startswith("all is done"):
            with fleet.ledger._database.write() as connection:
                connection.exec_driver_sql("UPDATE leases SET token = token + 1")
        return real(*args, **more)

    monkeypatch.setattr(fleet.ledger, "set_rollout", record)
    with pytest.raises(LeaseLostError):
        rollout.drive()
    assert (seen, rollout.channel) == ([], "1.0.0")


class TestBack:
    def back(self, fleet: Fleet) -> Rollout:
        rollout = fleet.began()
        assert rollout.drive() == "succeeded"
        assert rollout.record.plan.channel_from == "1.0.0"
        verbs.rollback(fleet, rollout.record)
        return rollout

    def test_a_rollback_puts_it_back(self, fleet: Fleet) -> None:
        rollout = self.back(fleet)
        seen = moves(fleet)
        assert rollout.drive() == "rolled-back"
        assert seen == [("1.0.0", "all is done: channel stable goes back from 1.1.0 to 1.0.0")]
        assert (rollout.channel, rollout.record.cause) == ("1.0.0", "6 are as before; channel stable is back at 1.0.0")

    def test_one_that_was_moved_further_stays(self, fleet: Fleet) -> None:
        rollout = self.back(fleet)
        fleet.file.channels["stable"] = "1.2.0"
        assert rollout.drive() == "rolled-back"
        assert (rollout.channel, rollout.record.cause) == ("1.2.0", "6 are as before; channel stable stays at 1.2.0")

    def test_one_that_this_rollout_never_moved_stays(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        rollout.when(rollout.order[2], lambda: verbs.pause(fleet, rollout.record, "x"))
        assert rollout.drive() == "paused"
        fleet.file.channels["stable"] = "1.1.0"
        verbs.rollback(fleet, rollout.record)
        assert rollout.drive() == "rolled-back"
        assert (rollout.channel, rollout.record.cause) == ("1.1.0", "3 are as before")

    def test_one_that_is_ended_on_the_way_puts_it_back_too(self, fleet: Fleet) -> None:
        rollout = self.back(fleet)
        rollout.when(rollout.order[-1], lambda: verbs.abort(fleet, rollout.record, "jane"))
        assert rollout.drive() == "aborted"
        assert rollout.channel == "1.0.0"

    @pytest.mark.parametrize("after", [True, False])
    def test_killed_there_it_is_done_again(self, fleet: Fleet, *, after: bool) -> None:
        rollout = self.back(fleet)
        before(fleet, killed, after=after)
        with pytest.raises(Killed):
            rollout.drive()
        assert rollout.drive() == "rolled-back"
        assert rollout.channel == "1.0.0"

    def test_a_registry_that_is_being_edited_is_waited_for_by_the_next_one(self, fleet: Fleet) -> None:
        rollout = self.back(fleet)

        def broken() -> None:
            raise RegistryError("line 3")

        before(fleet, broken)
        with pytest.raises(RegistryError):
            rollout.drive()
        assert rollout.drive() == "rolled-back"
        assert rollout.channel == "1.0.0"


class TestStays:
    def test_one_that_is_held_keeps_it_where_nobody_else_is_to_be_moved(self, fleet: Fleet) -> None:
        fleet.began(3, on="1.1.0")
        fleet.file.entries["t2"] = tenant("t2", ring=1, channel="stable", hold=HOLD)
        fleet.ledger.assign_release("t2", "1.0.0")
        plan = propose(fleet, fleet.file, fleet.file.tenants(), Words("1.1.0"))
        with pytest.raises(RefusedError, match="and channel stable stays where it is: 1 of its 3 followers"):
            check(plan)

    def test_what_was_left_out_at_its_turn_counts(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        for name, trouble in zip(rollout.order[1:2] + rollout.order[3:], "abcdefgh", strict=False):
            rollout.steps.ends[name] = [(S.QUARANTINED, f"its own trouble of kind {trouble}")]
        assert rollout.drive() == "succeeded"
        assert rollout.channel == "1.0.0"
        assert "channel stable stays where it is: only 2 of its 6 followers are on 1.1.0" in rollout.record.cause
        verbs.rollback(fleet, rollout.record)
        fleet.file.channels["stable"] = "1.1.0"
        assert rollout.drive() == "rolled-back"
        assert rollout.channel == "1.1.0", "it was moved by hand"

    def test_a_last_wave_that_has_shown_nothing_pauses(self, fleet: Fleet) -> None:
        rollout = fleet.began(waves=("ring 0", "50%", "rest"))
        last = [t.id for t in rollout.record.plan.waves[-1].tenants]
        for name in last:
            rollout.steps.ends[name] = [(S.QUARANTINED, f"its own trouble {name}")]
        assert rollout.drive() == "paused"
        assert rollout.channel == "1.0.0"
        verbs.retry(fleet, rollout.record, [])
        assert rollout.drive() == "succeeded"
        assert rollout.channel == "1.1.0"
