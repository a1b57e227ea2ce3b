"""Growth that began a short while ago, which the long look takes for an outlier. Pure.

A log that runs wild fills a disk in hours. What stands out from the trend for the last samples, and still rises, is
followed on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import hypot
from statistics import median

from provisioner.model.forecast.robust import Slope, spread, theil_sen
from provisioner.model.forecast.series import Blocks, Point
from provisioner.model.forecast.trend import Trend

_LAST = 6  # samples
_OUT = 4.0  # sigmas by which their median stands out
_BACK = 3.0  # sigmas: here it began
_NEAR = 10  # blocks
_SURE = 0.95
_FEW = 4
_DEPENDENT = 2.0  # measurements within hours hang together
_YOUNG = 4.0  # and what has just begun may change
_LONGEST = 400  # samples, which is what the pairs of them cost


@dataclass(frozen=True, slots=True)
class Rise:
    """`slope` a second since `since`; the last measurement was `level` (without season) at `at`."""

    since: float
    at: float
    level: float
    slope: Slope


def rise(points: Sequence[Point], found: Blocks, fitted: Trend, floor: float, confidence: float) -> Rise | None:
    """None where the last samples are where the trend is, or stand above it but don't rise faster. `floor`: a sample's
    standard deviation is taken for that at least."""
    # What the trend takes for a jump up may have been the beginning.
    jumped = sum(j.by for j in fitted.jumps if j.by > 0 and j.index >= len(found.points) - _NEAR)
    plain = [(at, value - found.season(at)) for at, value in points[-_LONGEST:]]
    over = [value - fitted.middle(at / found.grain) + jumped for at, value in plain]
    if len(over) < _FEW:
        return None
    scale = hypot(max(floor, spread([b - a for a, b in pairwise(over)])), fitted.walk)
    if median(over[-_LAST:]) < _OUT * scale:
        return None
    began = next((i for i in range(len(over) - 1, -1, -1) if over[i] < _BACK * scale), 0)
    since = plain[began:]
    if len(since) < _FEW:
        return None
    usual = (fitted.middle(plain[-1][0] / found.grain + 1) - fitted.middle(plain[-1][0] / found.grain)) / found.grain
    whole = theil_sen([since], _YOUNG, confidence)
    half = theil_sen([since[len(since) // 2 - 1 :]], _YOUNG, confidence)
    # A step up that has ended rises in its first half only.
    if theil_sen([since], _DEPENDENT, _SURE).low <= 2 * max(usual, 0.0) or half.value < whole.value / 4:
        return None
    return Rise(since[0][0], plain[-1][0], plain[-1][1], whole)
