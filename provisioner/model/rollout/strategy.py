"""How a rollout goes through the fleet: in which waves, how many at once, and how much may go wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

WAVES = ("ring 0", "1%", "10%", "50%", "rest")
BAKE_MINUTES = (60, 720, 240, 120)
_HASTE_MINUTES = 10


@dataclass(frozen=True, slots=True)
class Gate:
    """When a release may serve: `good` of `samples` answers of the product's own `/healthz` are right, spread over
    `seconds`. `warm_up`: seconds until the first answer has to be there. `settle`: seconds of the same look through the
    tenant's own address, after the switch."""

    samples: int = 10
    good: int = 9
    seconds: int = 90
    warm_up: int = 120
    settle: int = 10


@dataclass(frozen=True, slots=True)
class Strategy:
    """The rules of a rollout.

    `waves`: in order, each `ring N` (all of that ring), `N%` (that share of all tenants of the plan, rounded down, but
    at least one), or `rest`. `bake_minutes`: how long each wave is watched before the next one begins; the last number
    holds for all waves after it, and nothing is watched after the last wave.

    `max_concurrency`: tenants at once; with `ramp` each wave begins with 1, then 2, 4, 8... as tenants succeed.
    `per_region`: at most so many at once in one region. `max_errors`: failures that a wave may have, a number or a
    share of its tenants as `5%`, rounded down; `max_errors_total`: the same of the whole rollout (None: as
    `max_errors`, of all tenants of the plan). Nothing more is begun when there are *more* failures than that; what is
    under way ends.
    `strict`: never more at once than failures are left, plus one, so that there can't be more than one failure too
    many. With `max_errors` 0 that is one tenant at a time.

    `rehearse`: whose upgrade must have been rehearsed. `max_wait_days`: a tenant that may not be changed within so many
    days isn't waited for. `hasty`: why an operator shortened the bake times, None where nobody did."""

    name: str = "built-in"
    waves: tuple[str, ...] = WAVES
    bake_minutes: tuple[int, ...] = BAKE_MINUTES
    max_concurrency: int = 10
    ramp: bool = True
    per_region: int | None = None
    max_errors: int | str = 0
    max_errors_total: int | str | None = None
    strict: bool = True
    rehearse: Literal["none", "first-wave", "all"] = "none"
    max_wait_days: int = 14
    gate: Gate = field(default_factory=Gate)
    hasty: str | None = None

    def bake(self, number: int) -> int:
        """Minutes after the wave of this index, from 0."""
        return self.bake_minutes[min(number, len(self.bake_minutes) - 1)]

    def wave_budget(self, tenants: int) -> int:
        """Failures that a wave of so many tenants may have."""
        return _budget(self.max_errors, tenants)

    def total_budget(self, tenants: int) -> int:
        """Failures that a rollout of so many tenants may have."""
        return _budget(self.max_errors if self.max_errors_total is None else self.max_errors_total, tenants)

    def fast(self, reason: str) -> "Strategy":
        """The same with bake times of ten minutes at most."""
        short = tuple(min(minutes, _HASTE_MINUTES) for minutes in self.bake_minutes)
        return replace(self, bake_minutes=short, hasty=reason)


def ring_of(wave: str) -> int | None:
    """2 of `ring 2`; None for other waves."""
    return int(wave[5:]) if wave.startswith("ring ") else None


def share_of(wave: str | int) -> int | None:
    """10 of `10%`; None for anything else."""
    return int(wave[:-1]) if isinstance(wave, str) and wave.endswith("%") else None


def complete(waves: Sequence[str]) -> bool:
    """Whether the waves have a place for every tenant, whatever its ring."""
    return "rest" in waves or {ring_of(w) for w in waves} >= {0, 1, 2, 3}


def _budget(most: int | str, tenants: int) -> int:
    share = share_of(most)
    return int(most) if share is None else tenants * share // 100
