"""What must not fool a forecast: missing data, cleanups, rhythms, ends and beginnings of growth."""

import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.model.forecast.forecast import Forecast, Rules, Sample, Verdict, forecast
from tests.unit.model.forecast.synthetic import NOW

CAPACITY = 1000.0
DAY = timedelta(days=1)
Curve = Callable[[float], float]
"""Day since the first measurement -> what was in use."""


def measured(
    curve: Curve, *, days: float = 60, every: timedelta = timedelta(hours=1), noise: float = 0.0
) -> list[Sample]:
    draw = random.Random(7)
    count = int(days * DAY / every)
    times = [days - every / DAY * (count - i) for i in range(count + 1)]
    values = [(t, curve(t) + draw.gauss(0, noise)) for t in times]
    return [Sample(NOW + (t - days) * DAY, value) for t, value in values if not math.isnan(value)]


def ask(samples: list[Sample], capacity: float | None = CAPACITY, rules: Rules | None = None) -> Forecast:
    return forecast(samples, capacity, NOW, rules or Rules())


def days_ahead(at: datetime | None) -> float:
    return math.inf if at is None else (at - NOW) / DAY


def test_nothing_measured_is_unknown() -> None:
    assert ask([]).verdict is Verdict.UNKNOWN
    assert ask([]).why == "nothing was measured"


def test_an_old_measurement_is_unknown() -> None:
    old = [s for s in measured(lambda d: 300 + d) if s.at < NOW - 3 * DAY]
    assert ask(old).why == "the last measurement is 3 days old"


def test_an_unknown_capacity_is_unknown_but_says_what_is_used() -> None:
    found = ask(measured(lambda d: 300 + d), None)
    assert (found.verdict, found.why) == (Verdict.UNKNOWN, "its capacity isn't known")
    assert found.used == pytest.approx(360)


def test_a_few_measurements_are_unknown() -> None:
    assert ask(measured(lambda d: 300 + d)[-11:]).why == "only 11 measurements"


def test_what_is_mostly_missing_is_unknown() -> None:
    seldom = measured(lambda d: 300 + d if int(d) % 5 == 0 else math.nan)
    assert (ask(seldom).why or "").startswith("gaps: measured in 4")


def test_only_what_follows_a_long_gap_counts() -> None:
    found = ask(measured(lambda d: math.nan if 20 < d < 45 else (900 if d < 20 else 300 + 5 * (d - 45)), noise=2))
    assert days_ahead(found.at) == pytest.approx((1000 - 375) / 5, rel=0.05)
    short = ask(measured(lambda d: math.nan if 20 < d < 59.8 else 300))
    assert (short.verdict, short.why) == (Verdict.UNKNOWN, "only 5 measurements since the last gap")


def test_what_is_full_has_run_out() -> None:
    found = ask(measured(lambda d: 400 + 10 * d))
    assert (found.verdict, found.at, found.latest) == (Verdict.RUNS_OUT, NOW, NOW)
    assert ask([Sample(NOW, 1000)]).verdict is Verdict.RUNS_OUT


@pytest.mark.parametrize(
    "curve", [lambda d: 500.0, lambda d: 900 - 5 * d, lambda d: 500 + 80 * math.sin(d * 2 * math.pi)]
)
@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_what_does_not_grow_is_sure_for_three_times_as_long_as_it_was_seen(curve: Curve, noise: float) -> None:
    found = ask(measured(curve, noise=noise))
    assert (found.verdict, found.at, found.earliest) == (Verdict.NOT_BEFORE, None, None)
    assert days_ahead(found.until) == pytest.approx(180, abs=0.1)


def test_growth_that_ended_is_not_followed() -> None:
    assert ask(measured(lambda d: 400 + 10 * min(d, 40), noise=3)).verdict is Verdict.NOT_BEFORE


def test_growth_that_seems_to_end_widens_the_interval() -> None:
    found = ask(measured(lambda d: 400 + 8 * min(d, 55), noise=3))
    assert (found.verdict, found.latest) == (Verdict.RUNS_OUT, None)


@pytest.mark.parametrize("since", [50, 59])
def test_a_cleanup_does_not_end_growth(since: int) -> None:
    found = ask(measured(lambda d: 400 + 8 * d - (200 if d > since else 0), noise=3))
    assert days_ahead(found.at) == pytest.approx(40, rel=0.05)
    assert any("a jump down" in note for note in found.notes)


def test_a_larger_disk_is_no_shrinking() -> None:
    """RDS says what is free: with the new capacity, what was used before it looks larger than it was."""
    found = ask(measured(lambda d: 300 + 5 * d + (300 if d < 35 else 0), noise=2))
    assert days_ahead(found.at) == pytest.approx(80, rel=0.05)


def test_a_single_import_is_no_growth() -> None:
    found = ask(measured(lambda d: 200 + 4 * d + (200 if d > 50 else 0), noise=3))
    assert days_ahead(found.at) == pytest.approx(90, rel=0.05)


def test_imports_again_and_again_are_growth() -> None:
    found = ask(measured(lambda d: 300 + 60 * (d // 10), noise=3))
    assert found.verdict is Verdict.RUNS_OUT
    assert found.earliest is not None
    assert days_ahead(found.earliest) < 70 < days_ahead(found.latest)


def test_rotated_logs_do_not_fill_a_disk() -> None:
    assert ask(measured(lambda d: 300 + 20 * (d % 5), noise=3)).verdict is Verdict.NOT_BEFORE


def test_a_large_sawtooth_may_run_out_before_its_cleanup() -> None:
    found = ask(measured(lambda d: 300 + 42 * (d % 14), noise=3))
    assert found.verdict is Verdict.NOT_BEFORE
    assert days_ahead(found.until) == days_ahead(found.earliest) < 30


def test_growth_by_percent_is_not_a_line() -> None:
    found = ask(measured(lambda d: 100 * 1.03**d, noise=2))
    assert days_ahead(found.at) == pytest.approx(math.log(10) / math.log(1.03) - 60, rel=0.1)


@pytest.mark.parametrize(("hours", "rate"), [(6, 60.0), (72, 2.5), (240, 0.8)])
def test_what_has_begun_to_run_wild_is_seen_at_once(hours: int, rate: float) -> None:
    found = ask(measured(lambda d: 400 + max(0.0, (d - 60) * 24 + hours) * rate, noise=3))
    left = (600 - hours * rate) / rate / 24
    assert days_ahead(found.at) == pytest.approx(left, rel=0.15)
    assert days_ahead(found.earliest) <= left <= days_ahead(found.latest)


def test_a_step_that_has_ended_does_not_run_wild() -> None:
    found = ask(measured(lambda d: 400 + 60 * min(1.0, max(0.0, (d - 59.5) * 8)), noise=1))
    assert found.verdict is Verdict.NOT_BEFORE


@pytest.mark.parametrize(("minutes", "every"), [(2, 5), (10, 5), (60, 60)])
def test_a_disk_that_fills_while_one_watches(minutes: int, every: int) -> None:
    """Steady rate; three quarters of the way are left."""
    days = minutes / 1440
    samples = measured(lambda d: 200 + 200 * d / days, days=days, every=timedelta(seconds=every), noise=2)
    found = ask(samples)
    assert found.at is not None
    assert (found.at - NOW).total_seconds() == pytest.approx(minutes * 60 * 3, rel=0.05)
    assert "less than 3 days" in found.notes[0]


@pytest.mark.parametrize("quiet", [30, 75, 600])
def test_a_disk_that_begins_to_fill_while_one_watches(quiet: int) -> None:
    """By steps of the disk's blocks, measured every 2 seconds, for three quarters of a minute."""
    days = (quiet + 45) / 86400
    rising = measured(
        lambda d: 5 + 2.5 * max(0, int(d * 86400 - quiet)), days=days, every=timedelta(seconds=2), noise=0.01
    )
    found = ask(rising)
    left = (CAPACITY - 5 - 2.5 * 45) / 2.5
    assert found.at is not None
    assert found.earliest is not None
    assert (found.at - NOW).total_seconds() == pytest.approx(left, rel=0.1)
    assert (
        found.latest is None or found.earliest - timedelta(seconds=5) <= NOW + timedelta(seconds=left) <= found.latest
    )


def test_a_few_measurements_without_a_gap_have_none() -> None:
    found = ask(measured(lambda d: 300, days=14 * 2 / 86400, every=timedelta(seconds=2)))
    assert (found.verdict, found.why) == (Verdict.NOT_BEFORE, None)


def test_peaks_count_where_use_comes_and_goes() -> None:
    samples = measured(lambda d: 20 + d + 30 * max(0.0, math.sin(d * 2 * math.pi)), noise=0.5)
    found = ask(samples, 150, Rules(peaks=True))
    assert found.used == pytest.approx(20 + 60 + 30, abs=8)
    assert days_ahead(found.at) == pytest.approx(40, rel=0.1)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 100), st.one_of(st.floats(0, 2000), st.just(math.nan), st.just(math.inf), st.just(500.0))
        ),
        max_size=60,
    ),
    st.one_of(st.none(), st.floats(-1, 2000)),
    st.booleans(),
)
def test_whatever_was_measured_there_is_an_answer(
    values: list[tuple[float, float]], capacity: float | None, peaks: bool
) -> None:
    found = ask([Sample(NOW - days * DAY, value) for days, value in values], capacity, Rules(peaks=peaks))
    assert (found.verdict is Verdict.UNKNOWN) == (found.why is not None)
    assert (found.verdict is Verdict.RUNS_OUT) == (found.at is not None)
    if found.verdict is not Verdict.UNKNOWN:
        assert capacity is not None
        assert found.until is not None
    if found.at is not None:
        assert found.earliest is not None
        assert NOW <= found.earliest <= found.at
        assert found.latest is None or found.at <= found.latest


@pytest.mark.parametrize("ago", [1, 2, 3, 4, 5, 6, 7, 8, 10, 14])
@pytest.mark.parametrize("noise", [0.5, 6.0])
def test_growth_that_began_some_days_ago_is_never_called_fine(ago: int, noise: float) -> None:
    rate = 60.0 if ago < 3 else 35.0
    left = (600 - ago * rate) / rate
    found = ask(measured(lambda d: 400 + max(0.0, d - 60 + ago) * rate, noise=noise))
    assert found.verdict is Verdict.RUNS_OUT
    assert days_ahead(found.earliest) <= 1.25 * left + 0.5
    assert days_ahead(found.at) == pytest.approx(left, rel=0.3)


@pytest.mark.parametrize("kept", [0.0, 0.6, 0.95])
def test_noise_is_no_growth(kept: float) -> None:
    for seed in range(8):
        draw, error, samples = random.Random(seed), 0.0, []
        for hour in range(-1440, 1):
            error = kept * error + draw.gauss(0, 5) * math.sqrt(1 - kept**2)
            samples.append(Sample(NOW + timedelta(hours=hour), 500 + 10 * math.sin(hour / 24 * 2 * math.pi) + error))
        found = ask(samples)
        assert found.verdict is Verdict.NOT_BEFORE
        assert days_ahead(found.until) > 90


def test_an_import_with_growth_behind_it_is_not_all_import() -> None:
    found = ask(measured(lambda d: 400 + (150 + 20 * (d - 57) if d > 57 else 0), noise=3))
    assert found.verdict is Verdict.RUNS_OUT
    assert days_ahead(found.at) == pytest.approx((450 - 60) / 20, rel=0.2)


@pytest.mark.parametrize("capacity", [1000.0, 1001.3, 1002.6, 1123.4])
def test_a_short_series_is_told_to_the_second(capacity: float) -> None:
    """Of a line without noise the answer is the line's, not that of the next step of a search."""
    began, rate = NOW - timedelta(seconds=170), 0.8
    samples = [Sample(began + timedelta(seconds=n), rate * n) for n in range(171)]
    found = forecast(samples, capacity, NOW, Rules(horizon=timedelta(days=1)))
    assert found.at is not None
    assert found.earliest is not None
    assert abs((found.at - (began + timedelta(seconds=capacity / rate))).total_seconds()) < 1
    assert found.earliest <= found.at


@pytest.mark.parametrize("seed", range(8))
def test_what_grows_in_steps_is_in_the_interval(seed: int) -> None:
    """Steps of a second, read each second: there is no noise, and yet nobody knows when within its second a reading
    was so."""
    chance = random.Random(seed)
    began, step, capacity = NOW - timedelta(seconds=150 + chance.random()), 16 / 1024, 20.0
    phase, samples = chance.random(), []
    for n in range(-20, 150):
        read = n + phase
        stamp = began + timedelta(seconds=read)
        samples.append(Sample(stamp.replace(microsecond=500_000), 0.004 + step * max(0, int(read))))
    found = forecast(samples, capacity, NOW)
    assert found.earliest is not None
    assert found.latest is not None
    assert found.earliest <= began + timedelta(seconds=(capacity - 0.004) / step) <= found.latest
    assert found.latest - found.earliest < timedelta(seconds=60)
