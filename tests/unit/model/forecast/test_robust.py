"""The estimators: what they are for, on values that say so."""

import random

import pytest

from provisioner.model.forecast.robust import differs, lag_one, spread, student, theil_sen, wanders
from provisioner.model.forecast.trend import trend


def dependent(seed: int, kept: float, count: int) -> list[float]:
    draw = random.Random(seed)
    values, value = [], 0.0
    for _ in range(count):
        value = kept * value + draw.gauss(0, 1)
        values.append(value)
    return values


def test_a_third_of_wild_values_moves_nothing() -> None:
    points = [(float(x), 3.0 * x + (1000 if x % 7 == 0 else 0)) for x in range(60)]
    assert theil_sen([points], 1.0, 0.8).value == pytest.approx(3)
    assert spread([0.0, 1.0, 2.0, 1.0, 500.0]) == pytest.approx(1.4826)


def test_pieces_have_one_slope_and_levels_of_their_own() -> None:
    pieces = [[(float(x), 2.0 * x) for x in range(20)], [(float(x), 2.0 * x - 500) for x in range(20, 40)]]
    assert theil_sen(pieces, 1.0, 0.8).value == pytest.approx(2)


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_the_slope_s_interval_has_the_slope_where_noise_hangs_together_too(kept: float) -> None:
    """200 lines: 80 %, give or take three standard errors."""
    held = 0
    for seed in range(200):
        noise = dependent(seed, kept, 50)
        found = trend([(float(x), 0.1 * x + noise[x]) for x in range(50)], 1e9, 0.8)
        held += found.low <= 0.1 <= found.high
    assert 0.72 <= held / 200 <= 0.9


def test_a_walk_wanders_and_noise_does_not() -> None:
    assert sum(wanders(dependent(seed, 0.0, 60)) for seed in range(100)) <= 2
    walked = [dependent(seed, 1.0, 60) for seed in range(100)]
    left = [[v - w[0] - (w[-1] - w[0]) * i / 59 for i, v in enumerate(w)] for w in walked]
    assert sum(wanders(values) for values in left) >= 90
    assert lag_one([1.0] * 5) == 0.0


def test_weekdays_differ_or_do_not() -> None:
    draw = random.Random(1)
    same = [[draw.gauss(0, 1) for _ in range(8)] for _ in range(7)]
    assert not differs(same)
    assert differs([[v + (2 if day < 5 else 0) for v in group] for day, group in enumerate(same)])
    assert not differs([[1.0], [2.0]])


def test_few_values_widen_an_interval() -> None:
    """Student's 90th percentile for 5 and 30 degrees: 1.476 and 1.310."""
    assert student(0.8, 5) == pytest.approx(1.476, abs=0.06)
    assert student(0.8, 30) == pytest.approx(1.310, abs=0.005)
