"""One tenant of a rollout over fakes, by a real upgrade: what its end means, and what is gone on with."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.ledger.holder import current_holder
from provisioner.model.errors import (
    AuthenticationError,
    CancelledError,
    EngineError,
    LeaseHeldError,
    LeaseLostError,
    RegistryError,
)
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.tenant import Window
from provisioner.ops.rehearse import rehearse_one
from provisioner.ops.rollout.step import Ended, Task
from tests.unit.ops.moving import RELEASES, House, moved_in, well
from tests.unit.ops.people import backed_up, quiet
from tests.unit.ops.rolling import Killed, S
from tests.unit.ops.stepping import AFTER, BEFORE, again, back, fails_of, forward, kinds, planned, raises, state


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    yield house
    house.ledger.close()


class TestForward:
    def test_it_is_moved(self, house: House) -> None:
        task = planned(house)
        assert forward(house, task) == Ended("acme", S.SUCCEEDED, operation=task.operation)
        assert state(house) == AFTER
        operation = house.ledger.operation(task.operation)
        assert operation is not None
        assert (operation.payload["rollout"], operation.payload["when"]) == ("r1", task.plan.when("acme"))

    @pytest.mark.parametrize(
        ("words", "state_", "cause"),
        [
            ("it is broken", S.FAILED, "it is broken"),
            ("ERROR: could not extend file: No space left on device", S.QUARANTINED, "No space left on device"),
        ],
    )
    def test_one_that_was_undone_is_charged_unless_the_cause_is_its_own(
        self, house: House, words: str, state_: str, cause: str
    ) -> None:
        task = planned(house)
        house.fake_cloud.failing, house.fake_cloud.words = "migrate", words
        ended = forward(house, task)
        assert (ended.state, ended.operation) == (state_, task.operation)
        assert cause in str(ended.cause)
        assert state(house) == BEFORE

    def test_the_cloud_s_own_trouble_is_waited_for_three_times(self, house: House) -> None:
        first = task = planned(house)
        house.fake_cloud.failing, house.fake_cloud.words = "migrate", "RequestLimitExceeded: slow down"
        for minutes in (5, 10):
            ended = forward(house, task)
            assert (ended.state, "RequestLimitExceeded" in str(ended.cause)) == (S.WAITING, True)
            assert ended.not_before is not None
            assert (ended.not_before - house.clock.now()).total_seconds() == pytest.approx(60 * minutes, abs=1)
            assert state(house) == BEFORE
            task = again(house, first)
        assert forward(house, task).state is S.FAILED, "it may be the release's after all"

    @pytest.mark.parametrize(("held", "state_"), [(True, S.WAITING), (False, S.INCONCLUSIVE)])
    def test_what_is_changed_otherwise_is_waited_for_while_somebody_is_at_it(
        self, house: House, *, held: bool, state_: str
    ) -> None:
        task = planned(house)
        house.ledger.set_lifecycle("acme", Lifecycle.UPDATING)
        if held:
            house.ledger.acquire_lease("acme", "op-000001", "apply", current_holder(), timedelta(seconds=60))
        ended = forward(house, task)
        assert (ended.state, "it is updating" in str(ended.cause)) == (state_, True)

    def test_one_that_was_sick_before_is_left_alone(self, house: House) -> None:
        task = planned(house)
        house.prober.ill, house.prober.asked = "1.0.0", ["1.0.0"]
        ended = forward(house, task)
        assert ended.state is S.QUARANTINED
        assert "it was sick before the upgrade" in str(ended.cause)
        assert house.fake_engine.seen == []

    @pytest.mark.parametrize("version", ["1.2.0", "1.3.0"])
    def test_one_that_can_not_go_back_by_itself_is_broken(self, house: House, version: str) -> None:
        task = planned(house, version)
        house.prober.ill = version
        ended = forward(house, task)
        assert ended.state is S.BROKEN
        assert ("would lose" in str(ended.cause)) is (version == "1.2.0")
        assert state(house) == ("failed", version)

    @pytest.mark.parametrize("same", [True, False])
    def test_one_that_is_well_by_now_is_found_so_by_the_next_try(self, house: House, *, same: bool) -> None:
        """Not by what was recorded of it."""
        task = planned(house, "1.3.0")
        house.prober.ill = "1.3.0"
        assert forward(house, task).state is S.BROKEN
        task = task if same else again(house, task)
        assert forward(house, task).state is S.BROKEN, "it is ill still"
        house.prober.ill = None
        assert forward(house, task).state is S.SUCCEEDED
        assert state(house) == ("active", "1.3.0")

    def test_an_offline_migration_that_fails_is_taken_back_with_the_database(self, house: House) -> None:
        task = planned(house, "1.2.0")
        house.fake_cloud.failing = "migrate"
        real = house.operations.run

        def run(kind: str, *rest: Any) -> Any:
            house.fake_cloud.failing = None if kind == "restore" else house.fake_cloud.failing
            return real(kind, *rest)

        house.operations.run = run
        ended = forward(house, task)
        assert ended.state is S.FAILED
        assert "it is broken" in str(ended.cause)
        assert "; nobody was served for " in str(ended.cause)
        assert (state(house), kinds(house)) == (BEFORE, [("upgrade", "undone"), ("restore", "succeeded")])
        assert house.fake_engine.database.startswith("acme-"), "the restored one serves"

    def test_outside_its_window_nothing_is_begun_and_it_waits(self, house: House) -> None:
        sunday = Window(("sun",), "12:00", 1)  # as it is now
        house.file.entries["acme"] = replace(house.file.entries["acme"], window=sunday)
        task = planned(house)
        house.clock.at += timedelta(hours=2)
        ended = forward(house, task)
        assert ended.state is S.WAITING
        assert "it may not be changed now: its window opens Sun 2026-11-29 12:00 UTC" in str(ended.cause)
        assert (house.fake_engine.seen, state(house)) == ([], BEFORE)
        house.clock.at += timedelta(days=7, hours=-2)
        assert forward(house, again(house, task)).state is S.SUCCEEDED

    def test_what_can_not_be_told_is_gone_on_with_under_its_own_id(self, house: House) -> None:
        task = planned(house)
        house.fake_engine.broken, house.fake_engine.error = "b+a", AuthenticationError("the session has expired")
        ended = forward(house, task)
        assert (ended.state, ended.cause) == (S.INCONCLUSIVE, "the session has expired")
        house.fake_engine.broken = None
        assert forward(house, again(house, task)) == Ended("acme", S.SUCCEEDED, operation=task.operation)
        assert (state(house), kinds(house)) == (AFTER, [("upgrade", "succeeded")])

    def test_a_fault_of_ours_is_not_the_tenant_s(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        task = planned(house)
        monkeypatch.setattr(house, "image", raises(KeyError("bug")))
        assert forward(house, task) == Ended("acme", S.INCONCLUSIVE, "KeyError: 'bug'", operation=task.operation)


class TestGoingOn:
    """After a process that is gone."""

    @pytest.mark.parametrize("shape", ["a+b", "b+a", "b"])
    def test_after_a_kill_it_goes_on(self, house: House, shape: str) -> None:
        task = planned(house)
        house.fake_engine.broken, house.fake_engine.error = shape, Killed()  # type: ignore[assignment]
        with pytest.raises(Killed):
            forward(house, task)
        house.fake_engine.broken = None
        assert forward(house, task).state is S.SUCCEEDED
        assert kinds(house) == [("upgrade", "succeeded")]

    def test_an_end_that_was_not_recorded_is_found(self, house: House) -> None:
        task = planned(house)
        forward(house, task)
        seen = list(house.fake_engine.seen)
        assert forward(house, task) == Ended("acme", S.SUCCEEDED, operation=task.operation)
        assert house.fake_engine.seen == seen, "it is done once"

    def test_also_of_one_that_went_on_under_another_id(self, house: House) -> None:
        """Its row has the new id, which no operation ever had."""
        task = planned(house)
        house.fake_engine.broken, house.fake_engine.error = "b+a", AuthenticationError("expired")
        forward(house, task)
        house.fake_engine.broken = None
        second = again(house, task)
        forward(house, second)
        assert forward(house, second).state is S.SUCCEEDED
        assert kinds(house) == [("upgrade", "succeeded")]

    def test_a_failure_that_was_not_recorded_is_found(self, house: House) -> None:
        task = planned(house)
        house.fake_engine.broken = "b+a"
        first = forward(house, task)
        assert first.state is S.FAILED
        assert forward(house, task) == first

    def test_an_upgrade_to_something_else_that_was_cut_off_is_left_to_an_operator(self, house: House) -> None:
        task = planned(house)
        house.fake_engine.broken, house.fake_engine.error = "b+a", AuthenticationError("expired")
        forward(house, task)
        other = replace(task, plan=replace(task.plan, release="1.3.0"))
        ended = forward(house, again(house, other))
        assert ended.state is S.INCONCLUSIVE, "it isn't as before, so it isn't left out quietly"
        assert "an upgrade of acme to 1.1.0 was cut off" in str(ended.cause)

    def test_a_restore_that_failed_is_gone_on_with_and_is_the_end(self, house: House) -> None:
        task = planned(house, "1.2.0")
        house.fake_cloud.failing = "migrate"
        real = house.operations.run
        house.operations.run = fails_of("restore", real)
        ended = forward(house, task)
        assert (ended.state, ended.cause) == (S.BROKEN, "no capacity")
        house.operations.run = real
        house.fake_cloud.failing = None
        ended = forward(house, again(house, task))
        assert (ended.state, ended.operation) == (S.FAILED, task.operation)
        assert (state(house), kinds(house)) == (BEFORE, [("upgrade", "undone"), ("restore", "succeeded")])
        assert forward(house, again(house, task)).state is S.SUCCEEDED, "the next try is a new one"

    def test_a_restore_that_was_begun_is_gone_on_with_too(self, house: House) -> None:
        task = planned(house, "1.2.0")
        house.fake_cloud.failing = "migrate"
        real = house.operations.run

        def run(kind: str, *rest: Any) -> Any:
            house.fake_cloud.failing = "verify" if kind == "restore" else house.fake_cloud.failing
            return real(kind, *rest)

        house.operations.run = run
        assert forward(house, task).state is S.BROKEN
        assert kinds(house) == [("upgrade", "undone"), ("restore", "failed")]
        house.operations.run, house.fake_cloud.failing = real, None
        ended = forward(house, again(house, task))
        assert (ended.state, ended.operation) == (S.FAILED, task.operation)
        assert kinds(house) == [("upgrade", "undone"), ("restore", "succeeded")]

    def test_one_whose_restore_has_to_wait_stays_under_way(self, house: House) -> None:
        """Its turn doesn't come again: it isn't as before."""
        task = planned(house, "1.2.0")
        house.fake_cloud.failing = "migrate"
        house.operations.run = fails_of("restore", house.operations.run, LeaseHeldError("a backup is at it"))
        assert forward(house, task) == Ended("acme", None, "a backup is at it")


class TestNotBegun:
    @pytest.mark.parametrize("error", [LeaseHeldError("joe is at it"), RegistryError("line 3 is wrong")])
    def test_who_is_at_it_is_waited_for(self, house: House, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        task = planned(house)
        monkeypatch.setattr(house.operations if isinstance(error, LeaseHeldError) else house.file, *_at(error))
        ended = forward(house, task)
        assert (ended.state, ended.cause) == (S.WAITING, str(error.args[0]))
        assert ended.not_before is not None
        assert ended.not_before - house.clock.now() > timedelta(seconds=50)
        assert kinds(house) == []

    @pytest.mark.parametrize("error", [LeaseHeldError("x"), LeaseLostError("x"), CancelledError("x")])
    def test_what_was_begun_and_is_not_over_stays_under_way(
        self, house: House, monkeypatch: pytest.MonkeyPatch, error: Exception
    ) -> None:
        task = planned(house)
        house.fake_engine.broken, house.fake_engine.error = "b+a", AuthenticationError("expired")
        forward(house, task)
        monkeypatch.setattr(house.operations, "run", raises(error))
        assert forward(house, task) == Ended("acme", None, "x")
        assert back(house, task) == Ended("acme", None, "x"), "no step that is taken back can wait for its turn again"

    def test_a_registry_that_is_edited_does_not_end_the_way_back(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = planned(house)
        forward(house, task)
        monkeypatch.setattr(house.file, "load", raises(RegistryError("line 3 is wrong")))
        assert back(house, task) == Ended("acme", None, "line 3 is wrong")

    @pytest.mark.parametrize(
        ("change", "words"),
        [({"yanked": "it eats notes"}, "is yanked: it eats notes"), ({"schema_version": 9}, "is described otherwise")],
    )
    def test_a_release_that_changed_is_not_the_tenant_s_fault(
        self, house: House, change: dict[str, Any], words: str
    ) -> None:
        task = planned(house)
        house.file.releases["1.1.0"] = replace(RELEASES["1.1.0"], **change)
        ended = forward(house, task)
        assert ended.state is S.WAITING
        assert words in str(ended.cause)

    @pytest.mark.parametrize(("gone", "words"), [(True, "there is no tenant acme"), (False, "it is suspended")])
    def test_what_happened_to_the_tenant_meanwhile_leaves_it_out(self, house: House, gone: bool, words: str) -> None:
        task = planned(house)
        if gone:
            del house.file.entries["acme"]
        else:
            house.ledger.set_lifecycle("acme", Lifecycle.SUSPENDED)
        ended = forward(house, task)
        assert ended.state is S.QUARANTINED
        assert words in str(ended.cause)

    @pytest.mark.parametrize("by_hand", ["1.3.0", "0.9.0"])
    def test_whom_somebody_moved_elsewhere_is_left_out(self, house: House, by_hand: str) -> None:
        """Else one that went further would be taken back, by a plan that knows nothing of it."""
        task = planned(house)
        house.ledger.assign_release("acme", by_hand)
        ended = forward(house, task)
        assert ended.state is S.QUARANTINED
        assert ended.cause == f"it is on {by_hand}, and was on 1.0.0 when the rollout was planned"
        assert house.fake_engine.seen == []

    def test_who_is_there_already_is_not_moved_again(self, house: House) -> None:
        task = planned(house)
        forward(house, task)
        house.fake_engine.seen.clear()
        assert forward(house, again(house, task)).state is S.SUCCEEDED
        assert house.fake_engine.seen == []


class TestRehearsal:
    def rehearsing(self, house: House, rule: str = "all") -> Task:
        backed_up(house)
        house.fake_cloud.answers["probe"] = well("1.1.0", 2)
        return planned(house, rehearse=rule)

    @pytest.mark.parametrize("rule", ["all", "first-wave"])
    def test_it_comes_first_and_once(self, house: House, rule: str) -> None:
        task = self.rehearsing(house, rule)
        assert forward(house, task).state is S.SUCCEEDED
        assert [k for k, _ in kinds(house)] == ["backup", "rehearse", "upgrade"]
        assert house.fake_engine.seen == ["quarantine", "a+b", "b+a", "b"]

    def test_one_that_passed_before_is_enough(self, house: House) -> None:
        task = self.rehearsing(house)
        rehearse_one(house, house.file, house.file.tenant("acme"), "1.1.0", quiet)
        assert forward(house, task).state is S.SUCCEEDED
        assert [k for k, _ in kinds(house)] == ["backup", "rehearse", "upgrade"]

    def test_without_one_being_wanted_there_is_none(self, house: House) -> None:
        assert forward(house, self.rehearsing(house, "none")).state is S.SUCCEEDED
        assert "quarantine" not in house.fake_engine.seen

    @pytest.mark.parametrize(
        ("words", "state_"), [("it is broken", S.FAILED), ("No space left on device", S.QUARANTINED)]
    )
    def test_one_that_failed_leaves_the_tenant_untouched(self, house: House, words: str, state_: str) -> None:
        task = self.rehearsing(house)
        house.fake_cloud.failing, house.fake_cloud.words = "migrate", words
        ended = forward(house, task)
        assert ended.state is state_
        assert "its rehearsal failed: migrate: " in str(ended.cause)
        assert words in str(ended.cause)
        assert (house.fake_engine.seen, state(house)) == (["quarantine"], BEFORE)

    def test_one_that_could_not_tell_pauses(self, house: House) -> None:
        task = self.rehearsing(house)
        house.fake_engine.broken, house.fake_engine.error = "quarantine", EngineError("no capacity")
        ended = forward(house, task)
        assert ended.state is S.INCONCLUSIVE
        assert "its rehearsal couldn't tell: restore: no capacity" in str(ended.cause)

    def test_without_a_recovery_point_it_is_left_out(self, house: House) -> None:
        ended = forward(house, planned(house, rehearse="all"))
        assert ended.state is S.QUARANTINED
        assert "recovery point" in str(ended.cause)
        assert state(house) == BEFORE

    def test_one_that_was_killed_goes_on(self, house: House) -> None:
        task = self.rehearsing(house)
        house.fake_engine.broken, house.fake_engine.error = "quarantine", Killed()  # type: ignore[assignment]
        with pytest.raises(Killed):
            forward(house, task)
        house.fake_engine.broken = None
        assert forward(house, task).state is S.SUCCEEDED
        assert [k for k, _ in kinds(house)] == ["backup", "rehearse", "upgrade"]


def _at(error: Exception) -> tuple[str, Any]:
    return ("run" if isinstance(error, LeaseHeldError) else "load"), raises(error)
