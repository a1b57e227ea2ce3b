"""A line through blocks: robust, with jumps told from growth, and honest about what wanders. Pure.

- *A line with noise*: Theil and Sen's slope within pieces between jumps, the level of the last piece.
- *A bend* (growth that began, ended or changed): the line after it, where two lines explain what one doesn't.
- *A curve* (growth by so much percent): a line through the logarithms.
- *A walk*: growth that wanders, or comes in jumps. Drift of a random walk from the last level, whose spread grows with
  the square root of time (Hyndman and Athanasopoulos, *Forecasting: Principles and Practice*, 5.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log, sqrt
from statistics import median
from typing import Literal

from provisioner.model.forecast.jumps import WINDOW, Jump, jumps, middle
from provisioner.model.forecast.robust import Slope, lag_one, median_error, normal, spread, student, theil_sen, wanders
from provisioner.model.forecast.series import Point

_MANY = 3  # jumps: no longer events, but how it grows and shrinks
_PIECE = 5  # blocks at least on both sides of a bend
_LONG = 14  # blocks at least of what bends
_STRIDE = 5  # blocks, over which the steps of a walk are measured
_SURE = 0.98
_SHARP = 0.03
_BEND = 0.5  # of the squares that one line leaves, two may leave at most


@dataclass(frozen=True, slots=True)
class Trend:
    """`level` at `center`, `slope` a block (with its interval's ends), `level_error` the half width of the level's
    interval; `walk`: half the width of the interval of one step of a walk, 0 where it is none; `sigma`: standard
    deviation of the blocks around it. Of a curve all of these are of logarithms."""

    kind: Literal["line", "bend", "curve", "walk"]
    center: float
    level: float
    slope: float
    low: float
    high: float
    level_error: float
    walk: float
    sigma: float
    jumps: tuple[Jump, ...] = ()

    def middle(self, at: float) -> float:
        """The expected value, without season."""
        return self._value(self.level + self.slope * (at - self.center))

    def upper(self, at: float) -> float:
        """Above it in half of the cases that the interval leaves out."""
        return self._value(self.level + self.slope * (at - self.center) + self._reach(at, self.high - self.slope))

    def lower(self, at: float) -> float:
        """Below it in the other half."""
        return self._value(self.level + self.slope * (at - self.center) - self._reach(at, self.slope - self.low))

    def _value(self, line: float) -> float:
        # Nothing that is asked about is a thousand times as large as what is known.
        return exp(min(line, self.level + 7)) if self.kind == "curve" else line

    def _reach(self, at: float, slope_error: float) -> float:
        ahead = at - self.center
        return sqrt((slope_error * ahead) ** 2 + self.level_error**2 + self.walk**2 * max(ahead, 0.0))


def trend(points: Sequence[Point], floor: float, confidence: float) -> Trend:
    """Of at least a dozen points. Jumps that are smaller than `floor` are none."""
    found = jumps(points, floor)
    ups = sum(1 for j in found if j.by > 0)
    if len(found) >= _MANY or ups > 1:
        return _walk(points, confidence)
    pieces = _pieces(points, found)
    line = _line(pieces, confidence)
    if line is not None and not _explained(pieces, found, line.slope, floor):
        found, pieces = [], [points]
        line = _line(pieces, confidence)
    if line is not None:
        return replace(line, jumps=tuple(found))
    since = pieces[-1]
    return _bent(since, confidence) or _curve(since, confidence) or _walk(points, confidence)


def _pieces(points: Sequence[Point], found: Sequence[Jump]) -> list[Sequence[Point]]:
    return [points[a:b] for a, b in pairwise([0, *(j.index for j in found), len(points)])]


def _explained(pieces: Sequence[Sequence[Point]], found: Sequence[Jump], slope: float, floor: float) -> bool:
    """Whether the pieces lie as far from each other as they jumped. Where growth began shortly before a small jump,
    what grew would be taken for a part of it."""
    levels = [median(y - slope * x for x, y in piece) for piece in pieces]
    steps = [b - a for a, b in pairwise(levels)]
    return all(abs(s - j.by) <= max(floor, abs(j.by) / 2) for s, j in zip(steps, found, strict=True))


def _line(pieces: Sequence[Sequence[Point]], confidence: float) -> Trend | None:
    """None where it isn't one line with noise: what it leaves may be a walk."""
    rough = theil_sen(pieces, 1.0, confidence)
    left = [r for piece in pieces for r in _residuals(piece, rough.value)]
    if spread(left) and wanders(left):
        return None
    lag = max(0.0, min(0.9, lag_one(left) + 1 / len(left)))
    inflation = (1 + lag) / (1 - lag)
    slope = theil_sen(pieces, inflation, confidence)
    last = pieces[-1]
    center = sum(x for x, _ in last) / len(last)
    sigma = spread(left) * sqrt(len(left) / (len(left) - len(pieces) - 1))
    error = normal(confidence) * median_error(sigma, len(last) / inflation)
    level = median(y - slope.value * (x - center) for x, y in last)
    if len(pieces) > 1 and len(last) > WINDOW:
        slope = _widened(slope, theil_sen([last], inflation, _SURE))
    return Trend("line", center, level, slope.value, slope.low, slope.high, error, 0.0, sigma)


def _widened(slope: Slope, last: Slope) -> Slope:
    """After a jump, growth may have changed with it: where that shows, but not for long enough to count on, the
    interval has both."""
    if last.high < slope.value:
        return replace(slope, low=min(slope.low, last.value))
    if last.low > slope.value:
        return replace(slope, high=max(slope.high, last.value))
    return slope


def _residuals(piece: Sequence[Point], slope: float) -> list[float]:
    left = [y - slope * x for x, y in piece]
    level = median(left)
    return [r - level for r in left]


def _bent(points: Sequence[Point], confidence: float) -> Trend | None:
    """The line after the one place where two lines leave least, unless one line leaves little more, or what they leave
    wanders too."""
    if len(points) < _LONG:
        return None
    places = range(_PIECE, len(points) - _PIECE + 1)
    sums = {place: _squares(points[:place]) + _squares(points[place:]) for place in places}
    best = min(sums, key=lambda place: sums[place])
    if sums[best] > _BEND * _squares(points):
        return None
    before, after = points[:best], points[best:]
    both = [r for piece in (before, after) for r in _residuals(piece, theil_sen([piece], 1.0, confidence).value)]
    # A walk may look like two lines, but never so much.
    if sums[best] > _SHARP * _squares(points) and wanders(both, chosen=True):
        return None
    lag = max(0.0, min(0.9, lag_one(both) + 1 / len(both)))
    inflation = (1 + lag) / (1 - lag)
    slope = theil_sen([after], inflation, confidence)
    center, _ = middle(after)
    sigma = spread(both) * sqrt(len(both) / (len(both) - 4))
    error = normal(confidence) * median_error(sigma, len(after) / inflation)
    level = median(y - slope.value * (x - center) for x, y in after)
    return Trend("bend", center, level, slope.value, slope.low, slope.high, error, 0.0, sigma)


def _squares(points: Sequence[Point]) -> float:
    """What the line of least squares leaves."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    xx = sum((x - mean_x) ** 2 for x, _ in points)
    xy = sum((x - mean_x) * (y - mean_y) for x, y in points)
    yy = sum((y - mean_y) ** 2 for _, y in points)
    return max(0.0, yy - xy * xy / xx) if xx else yy


def _curve(points: Sequence[Point], confidence: float) -> Trend | None:
    if len(points) < _LONG or min(y for _, y in points) <= 0:
        return None
    found = _line([[(x, log(y)) for x, y in points]], confidence)
    return replace(found, kind="curve") if found is not None and found.slope > 0 else None


def _walk(points: Sequence[Point], confidence: float) -> Trend:
    """The drift is what it went from the first level to the last one, jumps included; the steps are counted as they
    are, so that rare large ones count."""
    first, last = middle(points[:WINDOW]), middle(points[-WINDOW:])
    length = last[0] - first[0]
    drift = (last[1] - first[1]) / length
    # Over several blocks: noise would count as steps. A block's median is smoother than the walk itself: of `stride`
    # blocks' steps a third of one is missing.
    stride = max(1, min(_STRIDE, len(points) // 6))
    pairs = zip(points, points[stride:], strict=False)
    steps = [((b[1] - a[1]) - drift * (b[0] - a[0])) / sqrt(b[0] - a[0]) for a, b in pairs]
    step = sqrt(sum(s * s for s in steps) / (len(steps) - 1) * stride / (stride - 1 / 3))
    reach = student(confidence, len(points) / stride) * step
    error = reach / sqrt(length)
    return Trend("walk", last[0], last[1], drift, drift - error, drift + error, 0.0, reach, step)
