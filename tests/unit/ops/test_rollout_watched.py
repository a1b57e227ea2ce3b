"""Tenants that were moved are watched while their wave is: what becomes of one that is no longer well."""

from dataclasses import replace

import pytest

from provisioner.model.lifecycle import Lifecycle
from provisioner.ops.rollout import verbs
from tests.unit.ops.rolling import NEXT, Fleet, S


class TestSick:
    """Those that were moved are watched as long as their wave is."""

    def test_what_loses_nothing_is_taken_back_and_the_rollout_halts(self, fleet: Fleet) -> None:
        rollout = fleet.began(bake_minutes=(5,))
        last = rollout.order[1]
        rollout.when(last, lambda: fleet.prober.ill.update(t0="it fell over"))
        sick = "it was well after the switch, and is no more: "
        assert rollout.drive() == "halted"
        assert rollout.states() == "t0 failed, t1 succeeded"
        assert rollout.rows["t0"].cause == f"{sick}unhealthy (it fell over)"
        assert f"t0 failed: {sick}unhealthy" in rollout.record.cause
        assert "provision rollout rollback" in str(rollout.record.hint)
        assert rollout.steps.log == [*rollout.order[:2], "-t0"]
        record = fleet.ledger.tenant("t0")
        assert record is not None
        assert record.assigned_release == "1.0.0"

    def test_within_the_budget_it_is_taken_back_before_anybody_else_is_moved(self, fleet: Fleet) -> None:
        rollout = fleet.began(bake_minutes=(5,), max_errors=1)
        rollout.when("t0", lambda: fleet.prober.ill.update(t0="it fell over"))
        assert rollout.drive() == "succeeded"
        assert rollout.record.cause == "5 on 1.1.0, 1 failed"
        assert rollout.steps.log[2] == "-t0"

    def test_what_would_lose_something_is_left_and_told(self, fleet: Fleet) -> None:
        rollout = fleet.began(2, replace(NEXT, undo="needs-restore"), bake_minutes=(5,), waves=("1%", "rest"))
        first = rollout.order[0]
        rollout.when(first, lambda: fleet.prober.ill.update({first: "it fell over"}))
        assert rollout.drive() == "halted"
        assert rollout.states() == f"{first} broken"
        assert rollout.record.cause.startswith(f"{first} broken: it was well after the switch, and is no more")
        assert rollout.steps.log == [first]
        moved = rollout.rows[first].operation
        assert moved == rollout.steps.operations[first][0]

    def test_one_that_can_not_be_taken_back_says_both_causes(self, fleet: Fleet) -> None:
        rollout = fleet.began(2, bake_minutes=(5,), waves=("1%", "rest"))
        first = rollout.order[0]
        rollout.when(first, lambda: fleet.prober.ill.update({first: "it fell over"}))
        rollout.steps.ends[f"-{first}"] = [(S.BROKEN, "it wasn't taken back: no capacity")]
        assert rollout.drive() == "halted"
        cause = rollout.rows[first].cause
        assert cause is not None
        assert "unhealthy (it fell over); it wasn't taken back: no capacity" in cause

    def test_two_wrong_answers_are_an_accident(self, fleet: Fleet) -> None:
        rollout = fleet.began(2, bake_minutes=(2,), waves=("1%", "rest"))
        first = rollout.order[0]
        answers = iter("bbgbbgggggggggg")
        real = fleet.prober.probe

        def probe(url: str, *, timeout: float) -> object:
            if url == first and next(answers, "g") == "b":
                fleet.prober.ill = {first: "x"}
            found = real(url)
            fleet.prober.ill = {}
            return found

        fleet.prober.probe = probe
        assert rollout.drive() == "succeeded"

    def test_only_so_many_are_taken_back_at_once(self, fleet: Fleet) -> None:
        rollout = fleet.began(8, strict=False, ramp=False, waves=("50%", "rest"), bake_minutes=(5,), max_concurrency=2)
        four = rollout.order[:4]
        most: list[int] = []

        def seen(task: object) -> None:
            most.append(sum(r.state is S.REVERTING for r in rollout.record.rows))
            if len(rollout.steps.log) == 4:
                fleet.prober.ill.update(dict.fromkeys(four, "down"))

        rollout.steps.seen = seen
        assert rollout.drive() == "halted"
        assert max(most) <= 2
        assert {t.strip("-") for t in rollout.steps.log} == set(four), "nobody new is moved"
        assert "failed of the same cause" in rollout.record.cause

    @pytest.mark.parametrize("what", ["moved further", "suspended"])
    def test_whom_somebody_changes_meanwhile_is_left_alone(self, fleet: Fleet, what: str) -> None:
        rollout = fleet.began(2, bake_minutes=(3,), waves=("1%", "rest"))
        first, second = rollout.order

        def act(url: str, *, timeout: float) -> object:
            fleet.prober.probe = real
            if what == "moved further":
                fleet.ledger.assign_release(first, "1.1.1")
            else:
                fleet.ledger.set_lifecycle(first, Lifecycle.SUSPENDED)
                fleet.prober.ill[first] = "down"
            return real(url)

        real = fleet.prober.probe
        fleet.prober.probe = act
        assert rollout.drive() == "succeeded"
        assert rollout.steps.log == [first, second]

    def test_nobody_is_watched_while_it_is_rolled_back(self, fleet: Fleet) -> None:
        rollout = fleet.began(2)
        rollout.drive()
        fleet.prober.ill = {"t0": "x", "t1": "x"}
        fleet.prober.asked.clear()
        verbs.rollback(fleet, rollout.record)
        assert rollout.drive() == "rolled-back"
        assert fleet.prober.asked == []


class TestInTheDark:
    """Several that can't be reached at once: that is hardly the release."""

    def test_nobody_is_taken_back_and_it_pauses(self, fleet: Fleet) -> None:
        rollout = fleet.began(bake_minutes=(5,))
        rollout.when(rollout.order[1], lambda: fleet.prober.away.update(rollout.order))
        assert rollout.drive() == "paused"
        assert rollout.states() == "t0 succeeded, t1 succeeded"
        assert "2 of 2 tenants that were moved can't be reached" in rollout.record.cause

    def test_one_look_is_none(self, fleet: Fleet) -> None:
        rollout = fleet.began(bake_minutes=(5,))
        asked = fleet.prober.asked

        def dark() -> None:
            fleet.prober.away = Until(asked, 4)

        rollout.when(rollout.order[1], dark)
        assert rollout.drive() == "succeeded"

    def test_one_alone_is_ill(self, fleet: Fleet) -> None:
        rollout = fleet.began(bake_minutes=(5,))
        rollout.when(rollout.order[1], lambda: fleet.prober.away.add("t0"))
        assert rollout.drive() == "halted"
        assert rollout.states() == "t0 failed, t1 succeeded"


class Until(set[str]):
    """Everybody, until so many more were asked."""

    def __init__(self, asked: list[str], more: int) -> None:
        self._asked, self._end = asked, len(asked) + more

    def __contains__(self, _: object) -> bool:
        return len(self._asked) <= self._end
