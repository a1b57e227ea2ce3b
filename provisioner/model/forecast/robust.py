"""Estimators that a few wild values don't move. Pure.

Sources: Theil 1950, Sen 1968 (slope as the median of all pairs, its interval by Kendall's S); Gilbert 1987,
*Statistical Methods for Environmental Pollution Monitoring*, 16.5 (the recipe); Kruskal and Wallis 1952; Dickey and
Fuller 1979, critical values of n(rho-1) with a trend in Fuller 1976, table 8.5.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import NormalDist, median

_MAD = 1.4826  # of a normal distribution: sigma / median absolute deviation
_MEDIAN_SPREAD = 1.2533  # of a normal distribution: a median is spread that much wider than a mean
_CHOSEN = (5.08 / 3.41) ** 2
_UNIT_ROOT = ((25, 17.9), (50, 19.8), (100, 20.7), (250, 21.3))


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope with the ends of its interval."""

    value: float
    low: float
    high: float


def spread(values: Sequence[float]) -> float:
    """Standard deviation by the median absolute deviation."""
    middle = median(values)
    return _MAD * median(abs(v - middle) for v in values)


def quantile(values: Sequence[float], share: float) -> float:
    """Linear between the two nearest."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def median_error(sigma: float, count: float) -> float:
    """Standard error of a median of `count` values that are independent of each other."""
    return _MEDIAN_SPREAD * sigma / sqrt(max(count, 1.0))


def normal(confidence: float) -> float:
    """Half the width of the middle `confidence` of a standard normal distribution."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def student(confidence: float, degrees: float) -> float:
    """The same of Student's distribution, as near as is needed (Cornish and Fisher's first term)."""
    z = normal(confidence)
    return z + (z**3 + z) / (4 * degrees)


def theil_sen(parts: Sequence[Sequence[tuple[float, float]]], inflation: float, confidence: float) -> Slope:
    """One slope for several pieces of a line, each at a level of its own: only pairs within a piece count. `inflation`:
    how much more the values' sum varies than that of independent ones; it widens the interval as a smaller number of
    values would (Hamed and Rao 1998). There must be a pair."""
    slopes: list[float] = []
    variance = 0.0
    for part in parts:
        count = len(part)
        variance += count * (count - 1) * (2 * count + 5) / 18
        for i, (x, y) in enumerate(part):
            slopes.extend((later[1] - y) / (later[0] - x) for later in part[i + 1 :])
    slopes.sort()
    reach = normal(confidence) * sqrt(variance * inflation)
    last = len(slopes) - 1
    low = slopes[max(0, min(last, int((len(slopes) - reach) / 2)))]
    high = slopes[max(0, min(last, int((len(slopes) + reach) / 2 + 1)))]
    return Slope(median(slopes), low, high)


def lag_one(residuals: Sequence[float]) -> float:
    """How much of a residual is left in the next one, by values cut at three sigmas."""
    sigma = spread(residuals)
    if not sigma:
        return 0.0
    middle = median(residuals)
    cut = [max(-3 * sigma, min(3 * sigma, r - middle)) for r in residuals]
    whole = sum(c * c for c in cut)
    return sum(a * b for a, b in pairwise(cut)) / whole if whole else 0.0


def wanders(residuals: Sequence[float], *, chosen: bool = False) -> bool:
    """Whether residuals of a line may be those of a random walk: Dickey and Fuller's test at 5 % doesn't say no.
    `chosen`: where the line bends was chosen to fit, which makes residuals of a walk look tamer (Zivot and Andrews
    1992); the limit is as much further out as theirs, squared since theirs is of a t-value."""
    count = len(residuals)
    limit = next((limit for size, limit in _UNIT_ROOT if count <= size), 21.8)
    return count * (1 - lag_one(residuals)) < limit * (_CHOSEN if chosen else 1.0)


def differs(groups: Sequence[Sequence[float]]) -> bool:
    """Whether the groups' values lie at different heights: Kruskal and Wallis's test at 1 %."""
    filled = [g for g in groups if g]
    pooled = sorted((value, index) for index, group in enumerate(filled) for value in group)
    total, degrees = len(pooled), len(filled) - 1
    if degrees < 1 or total < 2 * len(filled):
        return False
    ranks = [0.0] * len(filled)
    for rank, (_, index) in enumerate(pooled, 1):
        ranks[index] += rank
    sums = sum(r * r / len(g) for r, g in zip(ranks, filled, strict=True))
    statistic = 12 / (total * (total + 1)) * sums - 3 * (total + 1)
    # Wilson and Hilferty's approximation of chi-squared.
    part = 2 / (9 * degrees)
    return statistic > degrees * (1 - part + NormalDist().inv_cdf(0.99) * sqrt(part)) ** 3
