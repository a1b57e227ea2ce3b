"""What comes next: rules one by one, then whole rollouts of any kind driven to their end."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.rollout.decide import decide
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.plan import plan
from provisioner.model.rollout.progress import Decision, Row, Wishes
from provisioner.model.rollout.states import FAILURES, FLIGHT, STEP, RolloutStatus, StepState
from provisioner.model.rollout.windows import legal
from provisioner.model.tenant import Freeze, Window
from tests.unit.model.rollout.fleets import NOW, candidate, fleet, request

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
    nobody = "provision rollout retry-failed r1 t0 when it is mended, or provision rollout abort r1"
    assert asked(planned(), "t0 failed: x").hint == nobody
    assert asked(planned(), "t0 failed: x, t1 succeeded").hint == f"provision rollout rollback r1, {nobody}"
    assert asked(planned(), "t0 inconclusive: x").hint == (
        "look at it (provision show t0); then provision rollout retry-failed r1 t0, or provision rollout skip r1 t0"
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
    assert stuck.hint == "provision rollout skip r1 t0"


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


OUTCOMES = st.sampled_from((*[S.SUCCEEDED] * 8, S.FAILED, S.QUARANTINED, S.INCONCLUSIVE, S.BROKEN, S.WAITING))
CAUSES = st.sampled_from(("the column is gone", "it lies", "it never answers", "too slow"))
STRATEGIES = st.fixed_dictionaries(
    {
        "waves": st.sampled_from((("ring 0", "1%", "10%", "50%", "rest"), ("20%", "rest"), ("rest",))),
        "bake_minutes": st.sampled_from(((60, 720), (0,))),
        "max_concurrency": st.integers(1, 5),
        "ramp": st.booleans(),
        "strict": st.booleans(),
        "per_region": st.sampled_from((None, 1, 2)),
        "max_errors": st.sampled_from((0, 1, 2, "10%", "50%")),
        "max_errors_total": st.sampled_from((None, 1, 3, "20%")),
    }
)
WHO = st.lists(
    st.fixed_dictionaries(
        {
            "ring": st.integers(0, 3),
            "region": st.sampled_from(("eu-west-1", "us-east-1")),
            "window": st.sampled_from((None, WEEKEND, Window(("mon", "thu"), "23:00", 3))),
            "time_zone": st.sampled_from(("UTC", "America/New_York")),
        }
    ),
    min_size=1,
    max_size=15,
)
FREEZE = Freeze(NOW + timedelta(days=2), NOW + timedelta(days=5), "peak", "Jane", (2,))


class Driver:
    """Drives a rollout as ops would, on a clock of its own, and looks at each decision."""

    def __init__(self, found: RolloutPlan, data: st.DataObject) -> None:
        self.plan, self.data, self.now = found, data, NOW
        self.rows = {t: Row(t) for t in found.tenants}
        self.moved: list[str] = []

    def run(self, wishes: Wishes) -> Decision:
        for _ in range(30 * len(self.rows) + 30):
            decision = decide("r1", self.plan, self.rows.values(), wishes, self.now)
            self.check(decision)
            for tenant in decision.begin:
                self.set(tenant, S.RUNNING)
            if decision.status is not None:
                return decision
            flight = [t for t, row in self.rows.items() if row.state is S.RUNNING]
            assert flight or decision.until is not None, "nothing would ever ask again"
            if flight and (decision.until is None or self.data.draw(st.booleans())):
                self.now += timedelta(minutes=self.data.draw(st.integers(1, 30)))
                self.end(self.data.draw(st.sampled_from(flight)))
            else:
                assert decision.until is None or decision.until > self.now
                self.now = decision.until or self.now
        raise AssertionError("it never ends")

    def end(self, tenant: str) -> None:
        state = self.data.draw(OUTCOMES)
        cause = None if state in {S.SUCCEEDED, S.WAITING} else self.data.draw(CAUSES)
        self.set(tenant, state, cause, self.now + timedelta(minutes=10) if state is S.WAITING else None)
        if state is S.SUCCEEDED:
            self.moved.append(tenant)

    def set(self, tenant: str, state: StepState, cause: str | None = None, later: datetime | None = None) -> None:
        assert state in STEP[self.rows[tenant].state]
        self.rows[tenant] = Row(tenant, state, cause, self.now, later)

    def check(self, decision: Decision) -> None:
        strategy, tenants = self.plan.strategy, self.plan.tenants
        flight = [t for t, row in self.rows.items() if row.state in FLIGHT]
        failed = [t for t, row in self.rows.items() if row.state in FAILURES]
        begun = [*flight, *decision.begin]
        if decision.status is not None:
            assert not flight, "it only stops when nothing is under way"
            assert not decision.begin
            assert decision.cause
            assert decision.hint
        if not decision.begin:
            return
        assert len(set(begun)) == len(begun) <= strategy.max_concurrency
        for tenant in decision.begin:
            t, row = tenants[tenant], self.rows[tenant]
            assert row.state is S.WAITING
            assert tenant not in self.moved
            assert legal(self.now, t.window, t.time_zone, t.ring, self.plan.freezes)
            assert row.not_before is None or row.not_before <= self.now
            for before in self.plan.waves[: self.plan.wave_of(tenant).number - 1]:
                states = {self.rows[b.id].state for b in before.tenants}
                assert not states & {S.WAITING, S.RUNNING}
                ends = [self.rows[b.id].ended_at for b in before.tenants if self.rows[b.id].state is S.SUCCEEDED]
                assert ends, "it has shown something"
                assert all(e and e + timedelta(minutes=before.bake_minutes) <= self.now for e in ends)
        if strategy.per_region is not None:
            for region in ("eu-west-1", "us-east-1"):
                assert sum(tenants[t].region == region for t in begun) <= strategy.per_region
        assert len(failed) <= strategy.total_budget(len(tenants))
        for wave in self.plan.waves:
            assert sum(t.id in failed for t in wave.tenants) <= strategy.wave_budget(len(wave.tenants))
        causes = [self.rows[t].cause for t in failed]
        assert len(set(causes)) == len(causes), "one cause on two tenants begins nothing"
        assert not {row.state for row in self.rows.values()} & {S.INCONCLUSIVE, S.BROKEN}
        if strategy.strict:
            assert len(begun) + len(failed) <= strategy.total_budget(len(tenants)) + 1


@given(WHO, STRATEGIES, st.data())
def test_any_rollout_comes_to_an_end_and_keeps_its_rules(who: Any, strategy: Any, data: st.DataObject) -> None:
    candidates = [candidate(f"t{n:02}", **fields) for n, fields in enumerate(who)]
    driver = Driver(plan(request(**strategy, freezes=(FREEZE,)), candidates, NOW), data)
    end = driver.run(Wishes())
    if end.status is RolloutStatus.SUCCEEDED:
        over = {S.SUCCEEDED, S.FAILED, S.QUARANTINED, S.SKIPPED}
        assert {row.state for row in driver.rows.values()} <= over
        assert driver.moved or not driver.rows
    else:
        assert end.status in {RolloutStatus.HALTED, RolloutStatus.PAUSED}
        assert {row.state for row in driver.rows.values()} & {*FAILURES, S.INCONCLUSIVE, S.QUARANTINED}


@given(WHO, STRATEGIES, st.data())
def test_with_strictness_there_is_at_most_one_failure_too_many(who: Any, strategy: Any, data: st.DataObject) -> None:
    candidates = [candidate(f"t{n:02}", **fields) for n, fields in enumerate(who)]
    driver = Driver(plan(request(**{**strategy, "strict": True}, freezes=(FREEZE,)), candidates, NOW), data)
    driver.run(Wishes())
    failed = [t for t, row in driver.rows.items() if row.state in FAILURES]
    assert len(failed) <= driver.plan.strategy.total_budget(len(driver.rows)) + 1


WISHES = {"pause": Wishes(pause="by jane"), "abort": Wishes(abort="by jane")}


@given(WHO, STRATEGIES, st.data(), st.sampled_from(sorted(WISHES)), st.integers(0, 8))
def test_pause_and_abort_begin_nothing_whenever_they_come(
    who: Any, strategy: Any, data: st.DataObject, wish: str, steps: int
) -> None:
    candidates = [candidate(f"t{n:02}", **fields) for n, fields in enumerate(who)]
    driver = Driver(plan(request(**strategy), candidates, NOW), data)
    for tenant in list(driver.rows)[:steps]:
        driver.set(tenant, S.RUNNING)
    while True:
        decision = decide("r1", driver.plan, driver.rows.values(), WISHES[wish], driver.now)
        assert decision.begin == ()
        flight = [t for t, row in driver.rows.items() if row.state is S.RUNNING]
        if decision.status is not None:
            assert not flight
            assert decision.status is {"pause": RolloutStatus.PAUSED, "abort": RolloutStatus.ABORTED}[wish]
            return
        driver.end(flight[0])


def test_a_thousand_tenants_are_planned_and_asked_about_in_no_time() -> None:
    began = time.process_time()
    found = plan(request(), fleet(1000, window=WEEKEND, time_zone="Europe/Berlin"), NOW)
    for _ in range(20):
        decide("r1", found, [], Wishes(), NOW)
    assert time.process_time() - began < 2
