"""The bake time: those that were moved are asked again and again whether they are still well."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.progress import Row
from provisioner.model.rollout.states import StepState
from provisioner.ops.converge import mismatch
from provisioner.ops.house import House

EVERY = 15.0
"""Seconds between two looks."""
MISSES = 3
"""So many wrong answers one after the other are no accident."""
_TIMEOUT = 3.0
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Right:
    """What a tenant that was moved must answer."""

    tenant: str
    release: str
    schema: int


class Watch:
    """Remembers who was wrong how often, until it is right; another process begins to count anew."""

    def __init__(self, house: House, plan: RolloutPlan) -> None:
        self._house = house
        self._plan = plan
        self._misses: dict[str, int] = {}
        self._next = 0.0

    def look(self, rows: Iterable[Row]) -> list[tuple[str, str]]:
        """Tenants that are no longer well, with the cause; empty where it isn't time to look yet."""
        clock = self._house.clock
        if clock.monotonic() < self._next:
            return []
        moved = set(self._watched(rows, clock.now()))
        # One that somebody suspends, restores, retires or moves further meanwhile isn't sick.
        active = [
            r
            for r in self._house.records()
            if r.id in moved and r.lifecycle is Lifecycle.ACTIVE and r.assigned_release == self._plan.release
        ]
        urls = {r.id: r.facts["url"].value.get("url") for r in active if "url" in r.facts}
        watched = list(urls)
        self._misses = {t: n for t, n in self._misses.items() if t in urls}
        if not watched:
            return []
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(watched))) as pool:
            found = list(pool.map(lambda tenant: self._wrong(tenant, str(urls[tenant])), watched))
        self._next = clock.monotonic() + EVERY
        return [pair for pair in map(self._count, watched, found) if pair is not None]

    def _watched(self, rows: Iterable[Row], now: datetime) -> Iterator[str]:
        for row in rows:
            if row.state is not StepState.SUCCEEDED or row.ended_at is None:
                continue
            bake = timedelta(minutes=self._plan.wave_of(row.tenant).bake_minutes)
            if now < row.ended_at + bake + timedelta(seconds=EVERY):
                yield row.tenant

    def _wrong(self, tenant: str, url: str) -> str | None:
        seen = self._house.prober.probe(url, timeout=_TIMEOUT)
        return mismatch(seen, Right(tenant, self._plan.release, self._plan.schema_version))

    def _count(self, tenant: str, wrong: str | None) -> tuple[str, str] | None:
        if wrong is None:
            self._misses.pop(tenant, None)
            return None
        self._misses[tenant] = self._misses.get(tenant, 0) + 1
        if self._misses[tenant] < MISSES:
            return None
        return tenant, f"it was well after the switch, and is no more: {wrong}"
