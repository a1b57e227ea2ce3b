"""When does something run out, between which dates, or why can't it be told? Pure.

What is forecast is when the expected use (trend and season, without noise) first reaches the capacity. The interval is
for that moment: it ends before it, and begins after it, each in half of the cases that `confidence` leaves out.

Nothing is ever "fine": the best answer is "not before", up to a time that is no further ahead than three times what was
looked back on. What is missing makes it "unknown".
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from math import hypot
from statistics import median

from provisioner.model.forecast.recent import rise
from provisioner.model.forecast.robust import normal, quantile
from provisioner.model.forecast.series import DAY, HOUR, PEAK, Blocks, Point, after_gap, blocks, clean
from provisioner.model.forecast.trend import Trend, trend

_FEW = 12
_FILLED = 0.5
_SEEN = 10  # times as far ahead as is known back, that it runs out is said
_SURE = 3  # times as far, that it doesn't
_SMALL_NOISE = 0.0005  # of the capacity
_RHYTHM = timedelta(days=3)
_SMALL_JUMP = 0.01  # of the capacity


@dataclass(frozen=True, slots=True)
class Sample:
    """What was in use at that time."""

    at: datetime
    used: float


@dataclass(frozen=True, slots=True)
class Rules:
    """`horizon`: how far ahead is asked; `back`: how far back is looked; `fresh`: how old the last sample may be;
    `confidence`: of the interval; `peaks`: what comes and goes (connections, CPU) runs out by its peaks."""

    horizon: timedelta = timedelta(days=365)
    back: timedelta = timedelta(days=90)
    fresh: timedelta = timedelta(hours=3)
    confidence: float = 0.8
    peaks: bool = False


class Verdict(StrEnum):
    """What is known of the moment."""

    RUNS_OUT = "runs-out"
    NOT_BEFORE = "not-before"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Forecast:
    """`used`: of the last sample, or the last day's peak. `at`: when it runs out (now, where it has); `earliest` and
    `latest`: the interval, `latest` None where it may be after `until`. With NOT_BEFORE `at` isn't known, and `until`
    says until when it doesn't; `earliest` is the same where it may run out then. `a_day`: growth. `why`: of UNKNOWN.
    `notes`: what else is to know."""

    verdict: Verdict
    used: float | None = None
    capacity: float | None = None
    at: datetime | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    until: datetime | None = None
    a_day: float | None = None
    why: str | None = None
    notes: tuple[str, ...] = ()


def forecast(samples: Sequence[Sample], capacity: float | None, now: datetime, rules: Rules = Rules()) -> Forecast:
    """The answer for one series. `capacity` None: it isn't known."""
    end = now.timestamp()
    points = clean([(s.at.timestamp(), s.used) for s in samples], end - rules.back.total_seconds(), end + 300)
    used = _used(points, peaks=rules.peaks)
    room = capacity if capacity is not None and capacity > 0 else None
    why = _missing(points, room, end, rules)
    if why or room is None or used is None:
        return Forecast(Verdict.UNKNOWN, used, room, why=why)
    if used >= room:
        return Forecast(Verdict.RUNS_OUT, used, room, now, now, now, now, notes=("it has run out",))
    recent = after_gap(points)
    found = blocks(recent, peaks=rules.peaks) if len(recent) >= _FEW else None
    if found is None or len(found.points) < _FEW:
        gap = " since the last gap" if len(recent) < len(points) else ""
        return Forecast(Verdict.UNKNOWN, used, room, why=f"only {len(recent)} measurements{gap}")
    if len(found.points) < _FILLED * found.possible:
        share = round(100 * len(found.points) / found.possible)
        return Forecast(Verdict.UNKNOWN, used, room, why=f"gaps: measured in {share} % of the time only")
    return _ahead(found, recent, used, room, now, rules)


def _used(points: Sequence[Point], *, peaks: bool) -> float | None:
    if not points:
        return None
    last, value = points[-1]
    return quantile([v for at, v in points if at > last - DAY], PEAK) if peaks else value


def _missing(points: Sequence[Point], capacity: float | None, end: float, rules: Rules) -> str | None:
    if not points:
        return "nothing was measured"
    age = end - points[-1][0]
    if age > rules.fresh.total_seconds():
        return f"the last measurement is {_ago(age)} old"
    return "its capacity isn't known" if capacity is None else None


def _ago(seconds: float) -> str:
    return f"{seconds / DAY:.0f} days" if seconds >= 2 * DAY else f"{seconds / HOUR:.0f} hours"


def _ahead(
    found: Blocks, points: Sequence[Point], used: float, capacity: float, now: datetime, rules: Rules
) -> Forecast:
    fitted = trend(found.points, _SMALL_JUMP * capacity, rules.confidence)
    season = normal(rules.confidence) * found.season_error
    fitted = replace(fitted, level_error=hypot(fitted.level_error, season if fitted.kind != "curve" else 0.0))
    span = points[-1][0] - points[0][0]
    start, horizon = now.timestamp(), rules.horizon.total_seconds()
    end = start + min(horizon, _SEEN * span)
    step = min(HOUR, found.grain)

    def reaches(curve: Callable[[float], float]) -> float | None:
        """When it first does, on the way from one step to the next: a whole step would be late by as much."""
        at, before = start, capacity
        while at <= end:
            value = curve(at / found.grain) + found.season(at)
            if value >= capacity:
                rest = (value - capacity) / (value - before) if before < capacity else 0.0
                return at - step * rest
            at, before = at + step, value
        return None

    # A reading was so at some time of its period, and changed at any time until the next one: nobody knows better when.
    blur = 2 * median(b - a for (a, _), (b, _) in pairwise(points))
    at, earliest = reaches(fitted.middle), reaches(fitted.upper)
    earliest = None if earliest is None else max(start, earliest - blur)
    latest = None if at is None else reaches(fitted.lower)
    latest = None if latest is None else latest + blur
    if found.hours.phases:
        # The hour of a peak is known less well than its day.
        earliest = None if earliest is None else max(start, earliest // DAY * DAY)
        latest = None if latest is None else (latest // DAY + 1) * DAY
    sure = end if at is not None else min(start + min(horizon, _SURE * span), earliest or end)
    answer = Forecast(
        Verdict.NOT_BEFORE if at is None else Verdict.RUNS_OUT,
        used,
        capacity,
        _moment(at),
        _moment(earliest),
        _moment(latest),
        _moment(sure),
        (fitted.middle(start / found.grain + 1) - fitted.middle(start / found.grain)) * DAY / found.grain,
        notes=_notes(fitted, found, span),
    )
    return answer if rules.peaks else _hurried(answer, found, points, fitted, now, rules)


def _hurried(
    answer: Forecast, found: Blocks, points: Sequence[Point], fitted: Trend, now: datetime, rules: Rules
) -> Forecast:
    """If it has begun to grow faster, and goes on so, it runs out sooner; if it stops, as was said before."""
    capacity = answer.capacity or 0.0
    risen = rise(points, found, fitted, _SMALL_NOISE * capacity, rules.confidence)
    if risen is None:
        return answer
    soon = max(now.timestamp(), risen.at + (capacity - risen.level) / risen.slope.value)
    sooner = max(now.timestamp(), risen.at + (capacity - risen.level) / risen.slope.high)
    if answer.at is not None and answer.at.timestamp() <= soon:
        return answer
    since = datetime.fromtimestamp(risen.since, UTC)
    return replace(
        answer,
        verdict=Verdict.RUNS_OUT,
        at=_moment(soon),
        earliest=_moment(min(sooner, answer.earliest.timestamp()) if answer.earliest else sooner),
        a_day=risen.slope.value * DAY,
        notes=(*answer.notes, f"it has grown faster since {since:%Y-%m-%d %H:%M}; it may stop"),
    )


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _notes(fitted: Trend, found: Blocks, span: float) -> tuple[str, ...]:
    notes = []
    if span < _RHYTHM.total_seconds():
        notes.append("measured for less than 3 days: a daily rhythm can't be told from growth")
    if fitted.kind == "walk":
        notes.append("it doesn't grow steadily")
    if fitted.kind == "curve":
        notes.append("it grows faster and faster")
    if fitted.kind == "bend":
        notes.append("its growth has changed; only what came after counts")
    for jump in fitted.jumps:
        day = datetime.fromtimestamp(found.points[jump.index][0] * found.grain, UTC).date()
        notes.append(f"a jump {'up' if jump.by > 0 else 'down'} on {day} doesn't count as growth")
    return tuple(notes)
