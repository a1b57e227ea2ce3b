"""The bake time: those that were moved are asked again and again whether they are still well."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from provisioner.model.cloud import Health
from provisioner.model.ledger import TenantRecord
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
_SEVERAL = 2


@dataclass(frozen=True, slots=True)
class Right:
    """What a tenant with whom all went well must answer."""

    tenant: str
    release: str
    schema: int | None


class Watch:
    """Remembers who was wrong how often, until it is right; another process begins to count anew."""

    def __init__(self, house: House, plan: RolloutPlan) -> None:
        self._house = house
        self._plan = plan
        self._misses: dict[str, int] = {}
        self._next = 0.0
        self._dark = 0
        self.blind: str | None = None
        """Why nothing can be told of them: several that can't be reached at once are hardly all down."""

    def look(self, rows: Iterable[Row]) -> list[tuple[str, str]]:
        """Tenants that are no longer well, with the cause; empty where it isn't time to look yet."""
        clock = self._house.clock
        if clock.monotonic() < self._next:
            return []
        moved = set(self._watched(rows, clock.now()))
        if not moved:
            self._misses = {}
            return []  # who looks all the time must not read the whole fleet for it
        self._next = clock.monotonic() + EVERY
        # One that somebody suspends, restores, retires or moves further meanwhile isn't sick.
        active = [
            r
            for r in self._house.records()
            if r.id in moved and r.lifecycle is Lifecycle.ACTIVE and r.assigned_release == self._plan.goal(r.id)
        ]
        urls = {r.id: str(r.facts["url"].value["url"]) for r in active if "url" in r.facts}
        right = {r.id: self._right(r) for r in active}
        watched = list(urls)
        self._misses = {t: n for t, n in self._misses.items() if t in urls}
        if not watched:
            return []
        with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(watched))) as pool:
            found = list(pool.map(lambda tenant: self._house.prober.probe(urls[tenant], timeout=_TIMEOUT), watched))
        if self._in_the_dark(found):
            return []
        wrong = (mismatch(seen, right[tenant]) for tenant, seen in zip(watched, found, strict=True))
        return [pair for pair in map(self._count, watched, wrong) if pair is not None]

    def _in_the_dark(self, found: Sequence[Health]) -> bool:
        """Whether it may be this machine's own network; for how long is counted, as for one tenant."""
        away = sum(health.status == "unreachable" for health in found)
        if away < _SEVERAL or 2 * away < len(found):
            self._dark, self.blind = 0, None
            return False
        self._dark += 1
        words = f"{away} of {len(found)} tenants that were moved can't be reached: is it this machine's own network?"
        self.blind = words if self._dark >= MISSES else None
        return True

    def _watched(self, rows: Iterable[Row], now: datetime) -> Iterator[str]:
        for row in rows:
            if row.state is not StepState.SUCCEEDED or row.ended_at is None:
                continue
            bake = timedelta(minutes=self._plan.wave_of(row.tenant).bake_minutes)
            if now < row.ended_at + bake + timedelta(seconds=EVERY):
                yield row.tenant

    def _right(self, record: TenantRecord) -> Right:
        """Patches leave the schema as it is."""
        schema: Any = self._plan.schema_version
        if schema is None and "schema" in record.facts:
            schema = record.facts["schema"].value["version"]
        return Right(record.id, self._plan.goal(record.id), schema)

    def _count(self, tenant: str, wrong: str | None) -> tuple[str, str] | None:
        if wrong is None:
            self._misses.pop(tenant, None)
            return None
        self._misses[tenant] = self._misses.get(tenant, 0) + 1
        if self._misses[tenant] < MISSES:
            return None
        return tenant, f"it was well after the switch, and is no more: {wrong}"
