"""From samples to blocks of equal length without their season. Pure.

The season is taken out as in the classical decomposition, with medians in place of means (Cleveland et al. 1990 on
why): each value against the median of the whole period around it, and of these differences the median for each hour or
weekday.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot, isfinite
from statistics import median

from provisioner.model.forecast.robust import differs, median_error, quantile, spread

HOUR, DAY = 3600.0, 86400.0
_HOURS, _WEEKDAYS = 24, 7
_SHORT, _MIDDLE, _LONG = 3 * DAY, 9 * DAY, 28 * DAY
_BLOCKS = 48  # of a series that is too short for seasons
_ROOM = 1.2  # of a block for one measurement, which may come a little late
PEAK = 0.95
_SEEN = 0.6  # of half a period, on both sides

Point = tuple[float, float]
"""Time (seconds since 1970 or numbers of a grain) and value."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A season: what each phase of the period adds, and the standard error of that. Empty: none shows."""

    phases: tuple[float, ...] = ()
    error: float = 0.0

    def adds(self, index: int) -> float:
        """At that number of an hour or day since 1970."""
        return self.phases[index % len(self.phases)] if self.phases else 0.0


_NONE = Profile()


@dataclass(frozen=True, slots=True)
class Blocks:
    """Values of equal stretches of time, without the season. `points`: mean time in numbers of `grain` seconds, value.
    `possible`: how many there would be without gaps. `hours`, `weekdays`: the seasons."""

    grain: float
    points: tuple[Point, ...]
    possible: int
    hours: Profile
    weekdays: Profile

    def season(self, at: float) -> float:
        """What the seasons add at that time (seconds since 1970)."""
        return self.hours.adds(int(at // HOUR)) + self.weekdays.adds(int(at // DAY))

    @property
    def season_error(self) -> float:
        """Standard error of that."""
        return hypot(self.hours.error, self.weekdays.error)


def clean(samples: Sequence[Point], since: float, until: float) -> list[Point]:
    """By time, one for each moment, without what isn't a number, is negative, or lies outside."""
    found = {at: value for at, value in samples if isfinite(value) and value >= 0 and since <= at <= until}
    return sorted(found.items())


def after_gap(points: Sequence[Point]) -> Sequence[Point]:
    """What follows the last gap that is longer than a third of the whole: what was before belongs to another time."""
    limit = (points[-1][0] - points[0][0]) / 3
    gaps = (i for i in range(len(points) - 1, 0, -1) if points[i][0] - points[i - 1][0] > limit)
    return points[next(gaps, 0) :]


def blocks(points: Sequence[Point], *, peaks: bool) -> Blocks:
    """The finer, the shorter the series. `peaks`: a block's highest values count, not its middle."""
    span = points[-1][0] - points[0][0]
    if span < _SHORT:
        usual = median(b - a for (a, _), (b, _) in pairwise(points))
        return _cut(points, max(span / _BLOCKS, _ROOM * usual), _NONE, peaks=peaks)
    grain = 2 * HOUR if span < _MIDDLE else 6 * HOUR if span < _LONG else DAY
    if peaks:
        return _weekly(_cut(points, grain, _NONE, peaks=True), span)
    hourly = [(index, value) for index, (_, value) in _grouped(points, HOUR, 0.5).items()]
    hours = _profile(hourly, _HOURS)
    level = [(at, value - hours.adds(int(at // HOUR))) for at, value in points]
    return _weekly(_cut(level, grain, hours, peaks=False), span)


def _weekly(found: Blocks, span: float) -> Blocks:
    if span < _LONG:
        return found
    days = _profile([(int(at), value) for at, value in found.points], _WEEKDAYS)
    points = tuple((at, value - days.adds(int(at))) for at, value in found.points)
    return Blocks(found.grain, points, found.possible, found.hours, days)


def _cut(points: Sequence[Point], grain: float, hours: Profile, *, peaks: bool) -> Blocks:
    made = _grouped(points, grain, PEAK if peaks else 0.5)
    possible = int(points[-1][0] // grain) - int(points[0][0] // grain) + 1
    return Blocks(grain, tuple(made.values()), possible, hours, _NONE)


def _grouped(points: Sequence[Point], grain: float, share: float) -> dict[int, Point]:
    groups: dict[int, list[Point]] = defaultdict(list)
    for at, value in points:
        groups[int(at // grain)].append((at, value))
    return {
        index: (sum(at for at, _ in group) / len(group) / grain, quantile([v for _, v in group], share))
        for index, group in groups.items()
    }


def _profile(values: Sequence[tuple[int, float]], period: int) -> Profile:
    known = dict(values)
    half = period // 2
    phases: list[list[float]] = [[] for _ in range(period)]
    for index, value in values:
        before = [known[i] for i in range(index - half, index) if i in known]
        after = [known[i] for i in range(index + 1, index - half + period) if i in known]
        # At the series' end and at a gap's edge one side is missing, and the middle lies elsewhere.
        if min(len(before), len(after)) >= _SEEN * half:
            phases[index % period].append(value - median([*before, value, *after]))
    if not all(phases) or not differs(phases):
        return _NONE
    middles = tuple(median(found) for found in phases)
    left = [value - middle for found, middle in zip(phases, middles, strict=True) for value in found]
    return Profile(middles, median_error(spread(left), min(len(found) for found in phases)))
