"""Rollouts of any kind, driven to their end."""

import time
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.rollout.decide import decide
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.plan import plan
from provisioner.model.rollout.progress import Decision, Row, Wishes
from provisioner.model.rollout.states import FAILURES, FLIGHT, STEP, RolloutStatus, StepState
from provisioner.model.rollout.windows import legal
from provisioner.model.tenant import Freeze, Window
from tests.unit.model.rollout.fleets import CHEAP, NOW, candidate, fleet, request

S = StepState
WEEKEND = Window(("sat", "sun"), "02:00", 4)

OUTCOMES = st.sampled_from((*[S.SUCCEEDED] * 8, S.FAILED, S.QUARANTINED, S.INCONCLUSIVE, S.BROKEN, S.WAITING))
TAKEN_BACK = st.sampled_from((S.FAILED, S.FAILED, S.BROKEN, S.INCONCLUSIVE))
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
    """Drives a rollout as ops would, on a clock of its own, and looks at each decision. `sick`: tenants that were moved
    fall ill now and then, and are taken back."""

    def __init__(self, found: RolloutPlan, data: st.DataObject, *, sick: bool = False) -> None:
        self.plan, self.data, self.now, self.sick = found, data, NOW, sick
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
            self.fall_ill()
            flight = [t for t, row in self.rows.items() if row.state in FLIGHT]
            assert flight or decision.until is not None, "nothing would ever ask again"
            if flight and (decision.until is None or self.data.draw(st.booleans())):
                self.now += timedelta(minutes=self.data.draw(st.integers(1, 30)))
                self.end(self.data.draw(st.sampled_from(flight)))
            else:
                assert decision.until is None or decision.until > self.now
                self.now = decision.until or self.now
        raise AssertionError("it never ends")

    def fall_ill(self) -> None:
        well = [t for t, row in self.rows.items() if row.state is S.SUCCEEDED]
        if self.sick and well and self.data.draw(st.integers(0, 9)) == 0:
            self.set(self.data.draw(st.sampled_from(well)), S.REVERTING, self.data.draw(CAUSES))

    def end(self, tenant: str) -> None:
        row = self.rows[tenant]
        if row.state is S.REVERTING:
            self.set(tenant, self.data.draw(TAKEN_BACK), row.cause)
            return
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
        assert not [row for row in self.rows.values() if row.state is S.REVERTING]
        assert len(set(begun)) == len(begun) <= strategy.max_concurrency
        for tenant in decision.begin:
            t, row = tenants[tenant], self.rows[tenant]
            assert row.state is S.WAITING
            assert tenant not in self.moved
            assert legal(self.now, t.window, t.time_zone, t.ring, self.plan.freezes)
            assert row.not_before is None or row.not_before <= self.now
            for before in self.plan.waves[: self.plan.wave_of(tenant).number - 1]:
                ids, states = {b.id for b in before.tenants}, {self.rows[b.id].state for b in before.tenants}
                assert not states & {S.WAITING, S.RUNNING}
                ends = [self.rows[b.id].ended_at for b in before.tenants if self.rows[b.id].state is S.SUCCEEDED]
                shown = ends if before.number == self.plan.wave_of(tenant).number - 1 else ids & set(self.moved)
                assert shown, "it has shown something, though it may have fallen ill since"
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


@CHEAP
@given(WHO, STRATEGIES, st.data())
def test_any_rollout_comes_to_an_end_and_keeps_its_rules(who: Any, strategy: Any, data: st.DataObject) -> None:
    candidates = [candidate(f"t{n:02}", **fields) for n, fields in enumerate(who)]
    driver = Driver(plan(request(**strategy, freezes=(FREEZE,)), candidates, NOW), data, sick=True)
    end = driver.run(Wishes())
    if end.status is RolloutStatus.SUCCEEDED:
        over = {S.SUCCEEDED, S.FAILED, S.QUARANTINED, S.SKIPPED}
        assert {row.state for row in driver.rows.values()} <= over
        assert driver.moved or not driver.rows
    else:
        assert end.status in {RolloutStatus.HALTED, RolloutStatus.PAUSED}
        assert {row.state for row in driver.rows.values()} & {*FAILURES, S.INCONCLUSIVE, S.QUARANTINED}


@CHEAP
@given(WHO, STRATEGIES, st.data())
def test_with_strictness_there_is_at_most_one_failure_too_many(who: Any, strategy: Any, data: st.DataObject) -> None:
    candidates = [candidate(f"t{n:02}", **fields) for n, fields in enumerate(who)]
    driver = Driver(plan(request(**{**strategy, "strict": True}, freezes=(FREEZE,)), candidates, NOW), data)
    driver.run(Wishes())
    failed = [t for t, row in driver.rows.items() if row.state in FAILURES]
    assert len(failed) <= driver.plan.strategy.total_budget(len(driver.rows)) + 1


WISHES = {"pause": Wishes(pause="by jane"), "abort": Wishes(abort="by jane")}


@CHEAP
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
