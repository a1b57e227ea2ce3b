"""Series whose answer is known: when trend and season, without noise, reach the capacity."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from provisioner.model.forecast.forecast import Sample

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
_SEARCHED = 24 * 400


@dataclass(frozen=True)
class Known:
    """A series with its answer."""

    samples: list[Sample]
    capacity: float
    when: datetime


def known(kind: str, seed: int) -> Known:
    """`kind`: words of daily, weekly, noise, dependent, outliers, gaps, shift, bend; always linear growth, hourly."""
    draw = random.Random(f"{kind} {seed}")
    words = set(kind.split("+"))
    days = draw.choice([45, 60, 90])
    growth = draw.uniform(0.3, 3)
    hours = days * 24
    truth = _truth(words, draw, days, growth)
    noise = growth * draw.uniform(0.3, 2) if words & {"noise", "dependent"} else 0.0
    kept = 0.6 if "dependent" in words else 0.0
    missing = _missing(draw, hours) if "gaps" in words else set()
    samples, error = [], 0.0
    for hour in range(hours + 1):
        error = kept * error + draw.gauss(0, math.sqrt(1 - kept * kept))
        value = truth(hour) + noise * error
        if "outliers" in words and draw.random() < 0.02:
            value += draw.choice([-1, 1]) * draw.uniform(20, 60) * growth
        if hour not in missing:
            samples.append(Sample(NOW + timedelta(hours=hour - hours), value))
    left = draw.uniform(15, min(120, 2 * days)) / (2 if "bend" in words else 1)
    highest = max(truth(hour) for hour in range(hours - 24 * 8, hours + 1))
    capacity = max(truth(hours) + growth * left, highest + 3 * growth)
    when = next(hour for hour in range(hours, hours + 10 * _SEARCHED) if truth(hour) >= capacity)
    return Known(samples, capacity, NOW + timedelta(hours=when - hours))


def _truth(words: set[str], draw: random.Random, days: int, growth: float) -> Callable[[int], float]:
    daily = growth * draw.uniform(1, 4) if "daily" in words else 0.0
    weekly = growth * draw.uniform(1, 5) if "weekly" in words else 0.0
    shift = growth * draw.uniform(8, 20) * draw.choice([-1, 1]) if "shift" in words else 0.0
    shifted = days * draw.uniform(0.3, 0.9)
    # Growth that slows down to a half.
    bent = days * draw.uniform(0.3, 0.6) if "bend" in words else math.inf
    phase = draw.uniform(0, 24)

    def truth(hour: int) -> float:
        day = hour / 24
        line = 220 * growth + growth * (day if day < bent else bent + (day - bent) / 2)
        workday = (NOW + timedelta(hours=hour - days * 24)).weekday() < 5
        season = daily * math.sin((hour + phase) / 24 * 2 * math.pi) + weekly * workday
        return line + season + (shift if day > shifted else 0.0)

    return truth


def _missing(draw: random.Random, hours: int) -> set[int]:
    gone = {hour for hour in range(hours) if draw.random() < 0.15}
    for _ in range(5):
        start = draw.randrange(hours - 60)
        gone |= set(range(start, start + draw.randrange(5, 50)))
    return gone


def walk(seed: int) -> Known:
    """Growth that wanders: the answer is when this very path arrives."""
    draw = random.Random(seed)
    hours = draw.choice([45, 60, 90]) * 24
    growth = draw.uniform(0.3, 3)
    step = draw.uniform(0.5, 2) * growth / math.sqrt(24)
    path = [200 * growth]
    while len(path) < hours + _SEARCHED:
        path.append(path[-1] + growth / 24 + draw.gauss(0, step))
    capacity = max(path[:hours]) + growth * draw.uniform(12, hours / 20)
    when = next(hour for hour in range(hours, len(path)) if path[hour] >= capacity)
    samples = [Sample(NOW + timedelta(hours=hour - hours + 1), path[hour]) for hour in range(hours)]
    return Known(samples, capacity, NOW + timedelta(hours=when - hours + 1))
