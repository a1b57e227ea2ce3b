"""A rollout whose registry is edited, whose driver dies, or whose steps can't be ended yet."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provisioner.model.change import Event
from provisioner.model.errors import LeaseHeldError, LeaseLostError, ProvisionError
from provisioner.model.rollout import decide as decide_module
from provisioner.model.rollout.progress import Decision
from provisioner.model.rollout.states import RolloutStatus
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.drive import drive
from provisioner.ops.rollout.find import lease_of, stranded
from provisioner.ops.rollout.step import Ended
from tests.unit.ops.rolling import NEXT, Fleet, Killed, S


class TestRegistry:
    def test_a_release_that_was_edited_meanwhile_pauses_it(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        first = rollout.order[0]
        rollout.when(first, lambda: fleet.file.releases.update({"1.1.0": replace(NEXT, schema_version=3)}))
        assert rollout.drive() == "paused"
        assert "release 1.1.0 is described otherwise" in rollout.record.cause
        assert rollout.states() == f"{first} succeeded"
        verbs.resume(fleet, rollout.record)
        assert rollout.drive() == "paused", "as long as it differs"
        fleet.file.releases["1.1.0"] = NEXT
        verbs.resume(fleet, rollout.record)
        assert rollout.drive() == "succeeded"

    def test_a_release_that_is_yanked_meanwhile_pauses_it(self, fleet: Fleet) -> None:
        """Else tenant after tenant would be left out, and the channel move in the end."""
        rollout = fleet.began()
        first = rollout.order[0]
        rollout.when(first, lambda: fleet.file.releases.update({"1.1.0": replace(NEXT, yanked="it eats notes")}))
        assert rollout.drive() == "paused"
        assert rollout.record.cause == "paused: release 1.1.0 is yanked: it eats notes"
        assert rollout.states() == f"{first} succeeded"

    def test_a_release_that_is_gone_pauses_it(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        rollout.when(rollout.order[0], lambda: fleet.file.releases.pop("1.1.0"))
        assert rollout.drive() == "paused"
        assert "is gone from the registry" in rollout.record.cause

    def test_a_release_that_is_yanked_at_the_end_moves_no_channel(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        rollout.when(rollout.order[-1], lambda: fleet.file.releases.update({"1.1.0": replace(NEXT, yanked="x")}))
        assert rollout.drive() == "paused"
        assert "channel stable can't move: release 1.1.0 is yanked" in rollout.record.cause
        assert rollout.channel == "1.0.0"

    def test_a_channel_that_moved_further_meanwhile_never_moves_back(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        rollout.when(rollout.order[-1], lambda: fleet.file.channels.update({"stable": "1.2.0"}))
        assert rollout.drive() == "succeeded"
        assert rollout.channel == "1.2.0"


class TestDeath:
    def test_another_one_goes_on_and_does_nobody_again(self, fleet: Fleet) -> None:
        rollout = fleet.began(strict=False, ramp=False, waves=("rest",), max_concurrency=1)
        first, second = rollout.order[:2]

        def told(event: Event) -> None:
            if (event.subject, event.message) == (second, "running"):
                raise Killed

        with pytest.raises(Killed):
            drive(fleet, rollout.id, told, steps=rollout.steps)
        assert rollout.states() == ", ".join(sorted([f"{first} succeeded", f"{second} running"]))
        assert rollout.steps.log == [first], "it was recorded, and not begun"
        recorded = rollout.rows[second].operation
        assert [r.id for r in stranded(fleet)] == [rollout.id]
        assert rollout.drive() == "succeeded"
        assert rollout.steps.log == rollout.order
        assert rollout.steps.operations[second] == [recorded], "under the id that is on the record"

    def test_what_is_taken_back_goes_on_too(self, fleet: Fleet) -> None:
        rollout = fleet.began(2)
        rollout.drive()
        verbs.rollback(fleet, rollout.record)

        def told(event: Event) -> None:
            if event.message == "reverting":
                raise Killed

        with pytest.raises(Killed):
            drive(fleet, rollout.id, told, steps=rollout.steps)
        assert "reverting" in rollout.states()
        assert rollout.drive() == "rolled-back"
        assert sorted(rollout.steps.log) == ["-t0", "-t1", "t0", "t1"]

    def test_a_wish_that_came_while_nobody_drove_waits_for_what_was_under_way(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        first = rollout.order[0]
        with pytest.raises(Killed):
            drive(fleet, rollout.id, _dies, steps=rollout.steps)
        verbs.pause(fleet, rollout.record, "jane")
        assert rollout.drive() == "paused"
        assert (rollout.states(), rollout.steps.log) == (f"{first} succeeded", [first])

    def test_two_do_not_drive_it(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        lease = rollout.somebody()
        with pytest.raises(LeaseHeldError, match=r"is being driven by joe on worker-1 \(pid 7\)"):
            rollout.drive()
        assert rollout.steps.log == []
        assert stranded(fleet) == []
        fleet.ledger.release_lease(lease)
        assert rollout.drive() == "succeeded"

    def test_who_lost_the_lease_records_nothing(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        first = rollout.order[0]

        def steal() -> None:
            with fleet.ledger._database.write() as connection:
                connection.exec_driver_sql("UPDATE leases SET token = token + 1")

        rollout.when(first, steal)
        with pytest.raises(LeaseLostError, match="isn't driven from here any more"):
            rollout.drive()
        assert rollout.states() == f"{first} running"

    def test_who_lost_the_lease_moves_no_channel(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
        """It slept after its last look, and another one has taken all back meanwhile."""
        rollout = fleet.began()
        real = decide_module.decide

        def decide(*args: Any) -> Decision:
            found = real(*args)
            if found.status is RolloutStatus.SUCCEEDED:
                with fleet.ledger._database.write() as connection:
                    connection.exec_driver_sql("UPDATE leases SET token = token + 1")
            return found

        monkeypatch.setattr("provisioner.ops.rollout.drive.decide", decide)
        with pytest.raises(LeaseLostError):
            rollout.drive()
        assert rollout.channel == "1.0.0"

    def test_an_interrupt_asks_the_operations_to_stop_and_keeps_what_has_ended(self, fleet: Fleet) -> None:
        rollout = fleet.began()
        first = rollout.order[0]

        def told(event: Event) -> None:
            if event.message == "succeeded":
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            drive(fleet, rollout.id, told, steps=rollout.steps)
        assert fleet.operations.closed
        assert rollout.states() == f"{first} succeeded"
        assert fleet.ledger.lease(lease_of(rollout.id)) is None
        assert rollout.status() is RolloutStatus.RUNNING


def _dies(event: Event) -> None:
    if event.message == "running":
        raise Killed


class TestTriedLater:
    def test_one_that_is_not_over_is_gone_on_with_under_its_id(self, fleet: Fleet) -> None:
        rollout = fleet.began(2)
        rollout.steps.ends["t0"] = [Ended("", None, "somebody else is at it")] * 2
        began = fleet.clock.at
        assert rollout.drive() == "succeeded"
        assert rollout.steps.log.count("t0") == 3
        assert len(set(rollout.steps.operations["t0"])) == 1
        assert fleet.clock.at - began > timedelta(seconds=30)
        assert "t0: isn't over, and goes on: somebody else is at it" in rollout.said

    def test_a_step_that_raises_is_one_of_those(self, fleet: Fleet) -> None:
        """Without that nobody would ever hear how it ended."""
        rollout = fleet.began(2)
        rollout.steps.ends = {"t0": [ProvisionError("the ledger is out of reach")], "t1": [KeyError("bug")]}
        assert rollout.drive() == "succeeded"
        assert "t0: isn't over, and goes on: ProvisionError: the ledger is out of reach" in rollout.said

    def test_one_that_was_not_begun_waits_for_its_time_and_lets_others_go_first(self, fleet: Fleet) -> None:
        rollout = fleet.began(3, waves=("rest",), max_concurrency=1)
        first = rollout.order[0]
        later = fleet.clock.at + timedelta(minutes=20)
        rollout.steps.ends[first] = [Ended("", S.WAITING, "somebody is at it", later)]
        assert rollout.drive() == "succeeded"
        assert rollout.steps.log == [first, *rollout.order[1:], first]
        assert fleet.clock.at > later
        assert len(set(rollout.steps.operations[first])) == 2
