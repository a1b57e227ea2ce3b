"""In which waves candidates are taken, and when each may be. Pure."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from provisioner.model.json import digest
from provisioner.model.rollout.candidate import Candidate, Reason
from provisioner.model.rollout.frozen import LeftOut, PlannedTenant, Wave, Why
from provisioner.model.rollout.strategy import Strategy, ring_of, share_of
from provisioner.model.rollout.verdict import age
from provisioner.model.rollout.windows import Bar, Slot, earliest
from provisioner.model.tenant import Freeze, Tenant

Make = Callable[[Candidate, datetime, str], PlannedTenant]
"""The step of a candidate that can't be before a time, with the reason in words."""


def scheduled(
    name: str,
    strategy: Strategy,
    freezes: Sequence[Freeze],
    candidates: Sequence[Candidate],
    now: datetime,
    *,
    why: Callable[[Candidate], Reason | None],
    make: Make,
) -> tuple[tuple[Wave, ...], tuple[LeftOut, ...]]:
    """Waves one after another: each begins when the one before is over and was watched. And who is left out: for what
    `why` says, else because there is no legal time then. `name`: of what is rolled out, by which the order among those
    of one ring is decided."""
    left_out: list[LeftOut] = []
    movable: list[Candidate] = []
    for candidate in candidates:
        found = why(candidate) or _never(strategy, freezes, candidate.tenant, now)
        if found is None:
            movable.append(candidate)
        else:
            left_out.append(LeftOut(candidate.tenant.id, *found))
    movable.sort(key=lambda c: _order(name, c.tenant))
    waves: list[Wave] = []
    at, since = now, "now"
    for number, title, batch in _batches(strategy.waves, movable):
        slots = [(c, _slot(strategy, freezes, c.tenant, at, since)) for c in batch]
        left_out += [LeftOut(c.tenant.id, _bar(slot), slot.why) for c, slot in slots if slot.at is None]
        tenants = tuple(make(c, slot.at, slot.why) for c, slot in slots if slot.at is not None)
        if not tenants:
            continue
        bake = strategy.bake(number)
        waves.append(Wave(len(waves) + 1, title, bake, tenants))
        at = max(t.earliest for t in tenants) + timedelta(minutes=bake)
        since = f"after wave {len(waves)}" + (f", which is watched for {age(timedelta(minutes=bake))}" if bake else "")
    return _unwatched_end(waves), tuple(sorted(left_out, key=lambda item: item.id))


def in_order(freezes: Sequence[Freeze]) -> tuple[Freeze, ...]:
    """As a plan keeps them: the same ones are the same plan."""
    return tuple(sorted(freezes, key=lambda f: (f.start, f.end, f.reason, f.name, f.rings)))


def _never(strategy: Strategy, freezes: Sequence[Freeze], tenant: Tenant, now: datetime) -> Reason | None:
    slot = _slot(strategy, freezes, tenant, now)
    return (_bar(slot), slot.why) if slot.at is None else None


def _slot(strategy: Strategy, freezes: Sequence[Freeze], tenant: Tenant, at: datetime, since: str = "now") -> Slot:
    """When a tenant may be changed, from `at` on."""
    limit = timedelta(days=strategy.max_wait_days)
    slot = earliest(at, tenant.window, tenant.time_zone, tenant.ring, freezes, limit)
    return Slot(slot.at, slot.bar, since) if slot.bar is Bar.NONE else slot


def _bar(slot: Slot) -> Why:
    """Why a tenant without a legal time is left out."""
    return Why.FROZEN if slot.bar is Bar.FROZEN else Why.WINDOW


def _order(name: str, tenant: Tenant) -> tuple[int, str]:
    return tenant.ring, digest([name, tenant.id])


def _batches(waves: Sequence[str], movable: Sequence[Candidate]) -> Iterator[tuple[int, str, list[Candidate]]]:
    """The strategy's waves that have tenants: number in the strategy, name, tenants."""
    left = list(movable)
    for number, name in enumerate(waves):
        ring, share = ring_of(name), share_of(name)
        if ring is not None:
            batch = [c for c in left if c.tenant.ring == ring]
        elif share is not None:
            batch = left[: max(1, len(movable) * share // 100)]
        else:
            batch = left
        if batch:
            taken = {c.tenant.id for c in batch}
            left = [c for c in left if c.tenant.id not in taken]
            yield number, name, batch


def _unwatched_end(waves: list[Wave]) -> tuple[Wave, ...]:
    """Nothing comes after the last wave that would be worth a wait."""
    return (*waves[:-1], *(Wave(w.number, w.name, 0, w.tenants) for w in waves[-1:]))
