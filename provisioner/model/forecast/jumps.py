"""Where the level went up or down at once, which isn't growth: a cleanup, a restore, an import. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from provisioner.model.forecast.robust import spread
from provisioner.model.forecast.series import Point

WINDOW = 3  # blocks before and after, by which a jump is seen
_SLOPE = 8  # blocks over which the growth on one side is measured
_JUMP = 6.0  # sigmas


@dataclass(frozen=True, slots=True)
class Jump:
    """Between the blocks `index` - 1 and `index` the level went by `by`."""

    index: int
    by: float


def jumps(points: Sequence[Point], floor: float) -> list[Jump]:
    """Where the medians on both sides differ by more than `floor`, and more than the growth on either side explains,
    beyond what such differences are elsewhere."""
    sizes = _sizes(points)
    if not sizes:
        return []
    return _split(points, 0, max(floor, _JUMP * spread(list(sizes.values()))))


def _split(points: Sequence[Point], start: int, limit: float) -> list[Jump]:
    """The largest one first, then those on both sides of it: what is measured across a jump is none itself."""
    sizes = _sizes(points)
    index = max(sizes, key=lambda i: abs(sizes[i]), default=0)
    if not sizes or abs(sizes[index]) <= limit:
        return []
    before, after = _split(points[:index], start, limit), _split(points[index:], start + index, limit)
    return [*before, Jump(start + index, sizes[index]), *after]


def _sizes(points: Sequence[Point]) -> dict[int, float]:
    if len(points) <= 3 * WINDOW:
        return {}
    steady = median(_slope(a, b) for a, b in pairwise(points))
    return {i: _size(points, i, steady) for i in range(WINDOW, len(points) - WINDOW + 1)}


def middle(points: Sequence[Point]) -> Point:
    """The medians of time and value."""
    return median(x for x, _ in points), median(y for _, y in points)


def _size(points: Sequence[Point], index: int, steady: float) -> float:
    before, after = middle(points[index - WINDOW : index]), middle(points[index : index + WINDOW])
    across, rise = after[0] - before[0], after[1] - before[1]
    # Near an end there is little to measure growth by: what there is, and what it mostly is.
    back, ahead = min(_SLOPE, index - WINDOW), min(_SLOPE, len(points) - index - WINDOW)
    slopes = []
    if back >= WINDOW:
        slopes.append(_slope(middle(points[index - WINDOW - back : index - back]), before))
    else:
        slopes += [steady, _slope(points[index - WINDOW], points[index - 1])]
    if ahead >= WINDOW:
        slopes.append(_slope(after, middle(points[index + ahead : index + ahead + WINDOW])))
    else:
        # What goes up may go on to; what goes down at the end was cleaned up.
        slopes.append(max(steady, _slope(points[index], points[index + WINDOW - 1])))
    return rise - max(min(slopes) * across, min(max(slopes) * across, rise))


def _slope(a: Point, b: Point) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])
