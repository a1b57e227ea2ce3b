"""What comes next in a rollout: rules one by one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provisioner.model.errors import RefusedError
from provisioner.model.rollout.decide import decide
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.plan import plan
from provisioner.model.rollout.progress import Decision, Row, Wishes
from provisioner.model.rollout.states import RolloutStatus, StepState, check_step
from provisioner.model.tenant import Freeze, Window
from tests.unit.model.rollout.fleets import NOW, candidate, request

S = StepState
WEEKEND = Window(("sat", "sun"), "02:00", 4)
LOOSE: dict[str, Any] = {"strict": False, "ramp": False, "max_errors": 100, "bake_minutes": (0,)}


def planned(count: int = 6, fields: dict[str, Any] | None = None, **strategy: Any) -> RolloutPlan:
    """t0 and t1 in ring 0, the others in ring 1, in the order of their numbers."""
    who = [candidate(f"t{n}", ring=0 if n < 2 else 1, **(fields or {})) for n in range(count)]
    found = plan(request(**{"waves": ("ring 0", "rest"), **strategy}), who, NOW)
    waves = (replace(w, tenants=tuple(sorted(w.tenants, key=lambda t: t.id))) for w in found.waves)
    return replace(found, waves=tuple(waves))


def rows(text: str) -> list[Row]:
    """`t0 succeeded, t1 failed: why`."""
    found = []
    for part in filter(None, text.split(", ")):
        head, _, cause = part.partition(": ")
        tenant, state = head.split()
        found.append(Row(tenant, S(state), cause or None, NOW))
    return found


def asked(found: RolloutPlan, text: str = "", wishes: Wishes = Wishes(), now: datetime = NOW) -> Decision:  # noqa: B008
    return decide("r1", found, rows(text), wishes, now)


@pytest.mark.parametrize(
    ("strategy", "text", "begin"),
    [
        # The ramp: 1, 2, 4... as tenants succeed
        ({"strict": False}, "", "t0"),
        ({"strict": False}, "t0 running", ""),
        ({"strict": False, "waves": ("rest",)}, "t0 succeeded", "t1 t2"),
        ({"strict": False, "waves": ("rest",)}, "t0 succeeded, t1 running", "t2"),
        ({"strict": False, "waves": ("rest",)}, "t0 succeeded, t1 succeeded", "t2 t3"),
        ({"strict": False, "waves": ("rest",)}, "t0 succeeded, t1 succeeded, t2 succeeded", "t3 t4 t5 t6"),
        (
            {"strict": False, "waves": ("rest",), "max_concurrency": 3},
            "t0 succeeded, t1 succeeded, t2 succeeded",
            "t3 t4 t5",
        ),
        # It begins anew with each wave
        ({"strict": False, "bake_minutes": (0,)}, "t0 succeeded, t1 succeeded", "t2"),
        # Strict: as many as failures are left, plus one
        ({"ramp": False}, "", "t0"),
        ({"ramp": False, "waves": ("rest",), "max_errors": 2}, "", "t0 t1 t2"),
        ({"ramp": False, "waves": ("rest",), "max_errors": 2}, "t0 failed: x", "t1 t2"),
        ({"ramp": False, "waves": ("rest",), "max_errors": 2}, "t0 failed: x, t1 running", "t2"),
        ({"ramp": False, "waves": ("rest",), "max_errors": 2, "max_errors_total": 1}, "", "t0 t1"),
        ({"ramp": False, "waves": ("rest",), "max_errors": "25%"}, "", "t0 t1 t2"),
        ({"ramp": False, "strict": False, "waves": ("rest",)}, "", "t0 t1 t2 t3 t4 t5 t6 t7"),
        # In each region
        ({"ramp": False, "strict": False, "waves": ("rest",), "per_region": 2}, "t0 running", "t1"),
        # A quarantined one isn't charged, a skipped one neither
        ({"waves": ("rest",)}, "t0 quarantined: its disk is full, t1 skipped", "t2"),
        # One wave after the other
        ({"bake_minutes": (0,)}, "t0 succeeded, t1 running", ""),
        ({"bake_minutes": (0,)}, "t0 succeeded, t1 skipped", "t2"),
    ],
)
def test_who_begins(strategy: dict[str, Any], text: str, begin: str) -> None:
    found = asked(planned(8, **strategy), text)
    assert (found.begin, found.status) == (tuple(begin.split()), None)


@pytest.mark.parametrize(
    ("strategy", "text", "status", "cause"),
    [
        ({}, "t0 failed: it broke", "halted", "t0 failed: it broke (1 failed, none may, in wave 1 (ring 0))"),
        (
            {**LOOSE, "max_errors": 1},
            "t0 failed: one, t1 failed: another",
            "halted",
            "t0 failed: one (2 failed, 1 may, in wave 1 (ring 0))",
        ),
        (
            {**LOOSE, "max_errors_total": 1},
            "t0 succeeded, t1 failed: one, t2 failed: another",
            "halted",
            "t1 failed: one (2 failed, 1 may, in the whole rollout)",
        ),
        # One cause on two tenants, within the budget
        (
            LOOSE,
            "t0 failed: t0 said 503 after 12 s, t1 failed: t1 said 503 after 9 s",
            "halted",
            "t0 and t1 failed of the same cause: t0 said 503 after 12 s",
        ),
        (LOOSE, "t0 broken: both machines are gone", "halted", "t0 broken: both machines are gone; it isn't as before"),
        (LOOSE, "t0 inconclusive: no credentials", "paused", "it can't be told how t0 ended: no credentials"),
        (
            {**LOOSE, "waves": ("rest",)},
            "t0 quarantined: disk full, t1 quarantined: disk is full, t2 quarantined: No space left on device",
            "paused",
            "t0, t1, t2 are quarantined for one cause (its disk is full), which may not be their own",
        ),
        # A wave that has shown nothing
        (
            LOOSE,
            "t0 quarantined: disk full, t1 skipped",
            "paused",
            "nobody of wave 1 (ring 0) was moved, so nothing is known about 1.3.0: t0 quarantined: disk full",
        ),
        (
            LOOSE,
            "t0 skipped, t1 skipped, t2 skipped, t3 skipped, t4 skipped, t5 skipped",
            "paused",
            "nobody was moved to 1.3.0",
        ),
        (
            LOOSE,
            "t0 succeeded, t1 succeeded, t2 succeeded, t3 failed: x, t4 quarantined: disk full, t5 skipped",
            "succeeded",
            "3 on 1.3.0, 1 failed, 1 quarantined, 1 skipped",
        ),
    ],
)
def test_how_it_ends(strategy: dict[str, Any], text: str, status: str, cause: str) -> None:
    found = asked(planned(**strategy), text)
    assert (found.status, found.cause, found.begin) == (RolloutStatus(status), cause, ())
    assert found.hint


def test_the_next_commands_are_named() -> None:
    nobody = "when it is mended: provision rollout retry-failed t0 --rollout r1; or provision rollout abort r1"
    assert asked(planned(), "t0 failed: x").hint == nobody
    assert asked(planned(), "t0 failed: x, t1 succeeded").hint == f"provision rollout rollback r1; {nobody}"
    assert asked(planned(), "t0 inconclusive: x").hint == (
        "look at it (provision show t0); then provision rollout retry-failed t0 --rollout r1, or provision rollout "
        "skip t0 --rollout r1"
    )


@pytest.mark.parametrize(
    ("text", "wishes", "status"),
    [
        ("t0 failed: x, t1 running", Wishes(), RolloutStatus.HALTED),
        ("t0 inconclusive: x, t1 running", Wishes(), RolloutStatus.PAUSED),
        ("t0 succeeded, t1 running", Wishes(pause="by jane"), RolloutStatus.PAUSED),
        ("t0 succeeded, t1 running", Wishes(abort="by jane"), RolloutStatus.ABORTED),
    ],
)
def test_what_is_under_way_ends_first(text: str, wishes: Wishes, status: RolloutStatus) -> None:
    """And nothing new is begun meanwhile."""
    first = asked(planned(**LOOSE | {"max_errors": 0}), text, wishes)
    assert (first.begin, first.status, first.until) == ((), None, None)
    assert first.cause.startswith(f"will be {status}: ")
    assert first.cause.endswith("t1 is under way")
    then = asked(planned(**LOOSE | {"max_errors": 0}), text.replace("running", "succeeded"), wishes)
    assert then.status is status


def test_a_wave_is_watched_from_its_last_success_on() -> None:
    found = planned(bake_minutes=(60,))
    done = [Row("t0", S.SUCCEEDED, None, NOW), Row("t1", S.SUCCEEDED, None, NOW + timedelta(minutes=5))]
    watched = decide("r1", found, done, Wishes(), NOW + timedelta(minutes=30))
    assert (watched.begin, watched.until, watched.status) == ((), NOW + timedelta(minutes=65), None)
    assert watched.cause == "wave 1 (ring 0) is watched until Wed 2026-11-25 13:05 UTC"
    assert decide("r1", found, done, Wishes(), NOW + timedelta(minutes=65)).begin == ("t2",)


def test_after_the_last_wave_nothing_is_watched() -> None:
    done = ", ".join(f"t{n} succeeded" for n in range(6))
    assert asked(planned(bake_minutes=(60,)), done, now=NOW + timedelta(hours=2)).status is RolloutStatus.SUCCEEDED


def test_a_window_is_waited_for() -> None:
    found = planned(fields={"window": WEEKEND}, waves=("rest",))
    waits = asked(found)
    saturday = datetime(2026, 11, 28, 2, tzinfo=UTC)
    assert (waits.begin, waits.until, waits.status) == ((), saturday, None)
    assert waits.cause == ("wave 1 (rest): 6 may not be changed yet (t0: its window opens Sat 2026-11-28 02:00 UTC)")
    assert asked(found, now=saturday).begin == ("t0",)
    assert asked(found, now=saturday + timedelta(hours=4)).begin == ()


def test_a_step_that_found_that_it_may_not_be_yet_is_tried_later() -> None:
    found = planned(1)
    later = NOW + timedelta(hours=3)
    waits = decide("r1", found, [Row("t0", not_before=later)], Wishes(), NOW)
    assert (waits.begin, waits.until) == ((), later)
    assert waits.cause.endswith("(t0: not before Wed 2026-11-25 15:00 UTC)")
    assert decide("r1", found, [Row("t0", not_before=later)], Wishes(), later).begin == ("t0",)


def test_without_any_legal_time_it_pauses() -> None:
    found = replace(planned(1), freezes=(Freeze(NOW, NOW + timedelta(days=900), "war", "Jane"),))
    stuck = asked(found)
    assert stuck.status is RolloutStatus.PAUSED
    assert stuck.cause.startswith("t0 can't be moved: t0: no legal time within 400 days: frozen until")
    assert stuck.hint == "provision rollout skip t0 --rollout r1"


def test_skip_and_retry_are_granted_where_they_are_legal() -> None:
    found = planned(8, waves=("rest",), **LOOSE)
    text = "t0 succeeded, t1 running, t2 failed: x, t3 inconclusive: y, t4 quarantined: z, t5 skipped"
    everybody = frozenset(found.tenants)
    skipped = asked(found, text, Wishes(skip=everybody))
    assert [(m.tenant, m.state, m.cause) for m in skipped.moves] == [
        ("t2", S.SKIPPED, "by an operator (before: failed, x)"),
        ("t3", S.SKIPPED, "by an operator (before: inconclusive, y)"),
        ("t4", S.SKIPPED, "by an operator (before: quarantined, z)"),
        ("t6", S.SKIPPED, "by an operator"),
        ("t7", S.SKIPPED, "by an operator"),
    ]
    retried = asked(found, text, Wishes(retry=everybody))
    assert [(m.tenant, m.state) for m in retried.moves] == [(f"t{n}", S.WAITING) for n in range(2, 6)]
    assert retried.begin == ("t2", "t3", "t4", "t5", "t6", "t7")


def test_a_halted_rollout_goes_on_only_when_its_failure_was_looked_after() -> None:
    found, text = planned(), "t0 succeeded, t1 failed: x"
    assert asked(found, text).status is RolloutStatus.HALTED
    assert asked(found, text, Wishes(retry=frozenset({"t1"}))).begin == ("t1",)
    assert asked(found, text, Wishes(skip=frozenset({"t1"}))).until == NOW + timedelta(minutes=60)


def test_rollback_takes_the_last_wave_back_first_and_asks_no_window() -> None:
    found = planned(fields={"window": WEEKEND}, max_concurrency=2)
    back = Wishes(rollback=True)
    text = "t0 succeeded, t1 succeeded, t2 succeeded, t3 failed: x"
    assert asked(found, text, back).begin == ("t2", "t1")
    assert asked(found, "t0 succeeded, t1 succeeded, t2 reverting, t3 failed: x", back).begin == ("t1",)
    assert asked(found, "t0 succeeded, t2 running", back).begin == ()
    over = asked(found, "t0 reverted, t1 reverted, t2 reverted, t3 failed: x", back)
    assert (over.status, over.cause) == (RolloutStatus.ROLLED_BACK, "3 are as before")
    stuck = asked(found, "t0 reverted, t1 broken: no point, t2 inconclusive: y", back)
    assert (stuck.status, stuck.cause) == (
        RolloutStatus.HALTED,
        "t1 broken: no point; t1, t2 are not taken back",
    )
    again = asked(found, "t0 reverted, t1 broken: no point", replace(back, retry=frozenset({"t1"})))
    assert ([m.state for m in again.moves], again.begin) == ([S.SUCCEEDED], ("t1",))
    assert asked(found, text, replace(back, pause="by jane")).status is RolloutStatus.PAUSED


def test_nobody_to_move_is_done_at_once() -> None:
    assert asked(planned(0)).status is RolloutStatus.SUCCEEDED


class TestTakenBack:
    """One that was moved, became sick while it was watched, and is being taken back."""

    def test_it_is_charged_before_it_is_over(self) -> None:
        found = planned(**LOOSE | {"max_errors": 0})
        first = asked(found, "t0 reverting: it fell over, t1 succeeded")
        assert (first.begin, first.status) == ((), None)
        assert first.cause == (
            "will be halted: t0 reverting: it fell over (1 failed, none may, in wave 1 (ring 0)); t0 is under way"
        )
        then = asked(found, "t0 failed: it fell over, t1 succeeded")
        assert then.status is RolloutStatus.HALTED
        assert then.hint == (
            "provision rollout rollback r1; when it is mended: provision rollout retry-failed t0 --rollout r1; or "
            "provision rollout abort r1"
        )

    def test_within_the_budget_it_is_waited_for(self) -> None:
        found = planned(**LOOSE)
        waits = asked(found, "t0 reverting: it fell over, t1 succeeded")
        assert (waits.begin, waits.status, waits.until) == ((), None, None)
        assert waits.cause == "nothing is begun meanwhile: t0 reverting: it fell over"
        assert asked(found, "t0 failed: it fell over, t1 succeeded").begin == ("t2", "t3", "t4", "t5")

    def test_two_of_one_cause_halt_within_the_budget(self) -> None:
        found = planned(**LOOSE)
        text = "t0 reverting: t0 said 503, t1 reverting: t1 said 503"
        assert asked(found, text).cause == (
            "will be halted: t0 and t1 failed of the same cause: t0 said 503; t0, t1 are under way"
        )
        assert asked(found, text.replace("reverting", "failed")).status is RolloutStatus.HALTED

    def test_what_it_comes_to_counts_as_any(self) -> None:
        found = planned(**LOOSE)
        assert asked(found, "t0 broken: it fell over; no capacity, t1 succeeded").status is RolloutStatus.HALTED
        assert asked(found, "t0 inconclusive: no credentials, t1 succeeded").status is RolloutStatus.PAUSED

    def test_a_wave_whose_only_one_it_was_has_shown_nothing(self) -> None:
        found = asked(planned(**LOOSE), "t0 failed: it fell over, t1 skipped")
        assert found.status is RolloutStatus.PAUSED
        assert found.cause.startswith("nobody of wave 1 (ring 0) was moved")

    def test_wishes_wait_for_it(self) -> None:
        found, text = planned(**LOOSE), "t0 reverting: it fell over, t1 succeeded"
        assert asked(found, text, Wishes(pause="by jane")).cause == "will be paused: paused: by jane; t0 is under way"
        back = asked(found, text, Wishes(rollback=True))
        assert (back.begin, back.status) == (("t1",), None)
        over = asked(found, "t0 failed: it fell over, t1 reverted", Wishes(rollback=True))
        assert (over.status, over.cause) == (RolloutStatus.ROLLED_BACK, "1 are as before")

    @pytest.mark.parametrize("target", [S.REVERTED, S.FAILED, S.BROKEN, S.INCONCLUSIVE])
    def test_its_ends_are_legal(self, target: StepState) -> None:
        check_step("r1", "t0", S.SUCCEEDED, S.REVERTING)
        check_step("r1", "t0", S.REVERTING, target)
        with pytest.raises(RefusedError, match="is reverting and can't become waiting"):
            check_step("r1", "t0", S.REVERTING, S.WAITING)
