"""Who would be moved to a release, in which waves and when; and who would not, and why. A pure function.

Within a wave, and from one share of the fleet to the next, tenants come by ring. Among those of one ring a hash of
release and id decides: always the same for one release, and not always the same customers first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from provisioner.model.errors import RefusedError
from provisioner.model.json import digest
from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.channel import most
from provisioner.model.rollout.frozen import LeftOut, PlannedTenant, RolloutPlan, Wave, Why
from provisioner.model.rollout.strategy import Strategy, ring_of, share_of
from provisioner.model.rollout.verdict import age, before, combined
from provisioner.model.rollout.windows import Bar, Slot, earliest
from provisioner.model.tenant import CloudKind, Freeze, Release, Tenant
from provisioner.model.versions import version_key


@dataclass(frozen=True, slots=True)
class Candidate:
    """A selected tenant: as it should be, as the ledger has it, why it is sick (None: it is well), when its newest
    recovery point was taken, and whether it is `stuck` on a release that an upgrade brought."""

    tenant: Tenant
    record: TenantRecord | None
    sick: str | None = None
    newest_point: datetime | None = None
    stuck: bool = False

    @property
    def current(self) -> str:
        """The release that it is assigned; empty for one that has no instance."""
        return (self.record and self.record.assigned_release) or ""


@dataclass(frozen=True, slots=True)
class Request:
    """What is wanted: this release, on this target. `channel`: followers of other channels aren't moved; `stays`:
    why it isn't moved when all is done, None where it is; `channel_from`: where it is now. `releases`: all of the
    registry's. `mend`: who is ill, or stuck, is moved all the same."""

    release: Release
    releases: Mapping[str, Release]
    target: str
    channel: str
    strategy: Strategy
    freezes: tuple[Freeze, ...]
    stays: str | None = None
    channel_from: str | None = None
    mend: bool = False


def plan(request: Request, candidates: Sequence[Candidate], now: datetime) -> RolloutPlan:
    """The plan; the same for the same input, whatever its order. Raises RefusedError for a yanked release."""
    release = request.release
    if release.yanked is not None:
        raise RefusedError(
            f"release {release.version} is yanked: {release.yanked}; nothing was changed",
            hint="choose another release",
        )
    left_out, movable = [], []
    for candidate in candidates:
        found = _left_out(request, candidate, now)
        if found is None:
            movable.append(candidate)
        else:
            left_out.append(found)
    movable.sort(key=lambda c: _order(release.version, c.tenant))
    waves, late = _scheduled(request, _batches(request.strategy.waves, movable), now)
    left_out += late
    there, behind = _followers(request, candidates, left_out)
    stays = request.stays or _stays(request, sum(len(wave.tenants) for wave in waves), there, behind)
    return RolloutPlan(
        release=release.version,
        release_digest=release_digest(release),
        schema_version=release.schema_version,
        target=request.target,
        channel=None if stays else request.channel,
        channel_from=None if stays else request.channel_from,
        stays=stays,
        of_channel=request.channel,
        there=there,
        behind=behind,
        strategy=request.strategy,
        freezes=tuple(sorted(request.freezes, key=lambda f: (f.start, f.end, f.reason, f.name, f.rings))),
        made_at=now,
        waves=tuple(waves),
        left_out=tuple(sorted(left_out, key=lambda item: item.id)),
    )


def _followers(request: Request, candidates: Sequence[Candidate], left_out: Sequence[LeftOut]) -> tuple[int, int]:
    """How many of the channel's followers here are well on the release already, and how many are left out for another
    reason. Those that are pinned, or have no instance, don't count."""
    reasons = {item.id: item.why for item in left_out}
    there = behind = 0
    for candidate in candidates:
        tenant, why = candidate.tenant, reasons.get(candidate.tenant.id)
        here = tenant.target.name == request.target and tenant.channel == request.channel and tenant.pin is None
        if not here or why in {None, Why.ABSENT, Why.RETIRED}:
            continue
        reached = version_key(candidate.current) >= version_key(request.release.version)
        well = candidate.sick is None and why in {Why.THERE, Why.NEWER, Why.SUSPENDED}
        there, behind = (there + 1, behind) if reached and well else (there, behind + 1)
    return there, behind


def _stays(request: Request, moved: int, there: int, behind: int) -> str | None:
    """Why the channel stays, if all goes well."""
    version, followers = request.release.version, moved + there + behind
    if behind and not moved:
        return (
            f"{behind} of its {followers} followers can't be moved to {version} now; a rollout moves it when all are "
            f"there, or: set channels/{request.channel}"
        )
    if most(moved + there, followers):
        return None
    return (
        f"only {moved + there} of its {followers} followers are on {version} or would be moved; a later rollout moves "
        "it when more are there"
    )


def release_digest(release: Release) -> str:
    """Of what may not change about a release while it is rolled out."""
    return digest({**asdict(release), "images": dict(release.images), "yanked": None})


def _left_out(request: Request, candidate: Candidate, now: datetime) -> LeftOut | None:
    """Why a tenant isn't moved; the first reason counts. Its turn in time is looked at last."""
    tenant = candidate.tenant
    found = (
        _not_here(request, candidate)
        or _no_step(request, candidate)
        or _not_wanted(request, tenant, now)
        or _sick(request, candidate)
    )
    if found:
        return LeftOut(tenant.id, *found)
    slot = _slot(request, tenant, now)
    if slot.at is None:
        return LeftOut(tenant.id, _bar(slot), slot.why)
    return None


_AWAY = {
    Lifecycle.REQUESTED: Why.ABSENT,
    Lifecycle.PROVISIONING: Why.ABSENT,
    Lifecycle.UPDATING: Why.BUSY,
    Lifecycle.RESTORING: Why.BUSY,
    Lifecycle.SUSPENDED: Why.SUSPENDED,
    Lifecycle.OFFBOARDING: Why.RETIRED,
    Lifecycle.RETIRED: Why.RETIRED,
    Lifecycle.FAILED: Why.FAILED,
}


def _sick(request: Request, candidate: Candidate) -> tuple[Why, str] | None:
    if candidate.sick is None or request.mend:
        return None
    return Why.SICK, f"{candidate.sick}: provision show {candidate.tenant.id}"


def _mends(request: Request, candidate: Candidate) -> bool:
    return request.mend and (candidate.sick is not None or candidate.stuck)


def _not_here(request: Request, candidate: Candidate) -> tuple[Why, str] | None:
    tenant, record = candidate.tenant, candidate.record
    if tenant.target.name != request.target:
        return Why.OTHER_TARGET, f"is on target {tenant.target.name}: run it with --target {tenant.target.name}"
    if record is None or not candidate.current:
        return Why.ABSENT, f"has no instance yet: provision new-tenant {tenant.id}"
    why = _AWAY.get(record.lifecycle)
    if why is None or (why is Why.FAILED and candidate.stuck and request.mend):
        return None
    cause = f" ({record.cause})" if record.cause else ""
    if why is Why.SUSPENDED:
        return why, f"is suspended: provision resume {tenant.id}"
    return why, f"is {record.lifecycle}{cause}: provision show {tenant.id}"


def _no_step(request: Request, candidate: Candidate) -> tuple[Why, str] | None:
    """Why there is no way from its release to the wanted one."""
    tenant, release = candidate.tenant, request.release
    current = candidate.current
    if current == release.version:
        return Why.THERE, f"is on {current}"
    if version_key(current) > version_key(release.version):
        return Why.NEWER, f"is on {current}, which is newer; a rollout only goes forward"
    if release.min_from is not None and version_key(current) < version_key(release.min_from):
        return Why.TOO_OLD, f"is on {current}: provision rollout start {release.min_from} first"
    place = "sandbox" if tenant.target.cloud is CloudKind.SANDBOX else tenant.region
    if place not in release.images:
        return Why.NO_IMAGE, f"there is none for {place}: add releases/{release.version}/images/{place}"
    return None


def _not_wanted(request: Request, tenant: Tenant, now: datetime) -> tuple[Why, str] | None:
    """What the registry has against it."""
    wanted = request.release.version
    if tenant.pin is not None and tenant.desired_release != wanted:
        until = _until(tenant, now)
        reason = f": {tenant.pin.reason}" if tenant.pin.reason else ""
        return Why.PINNED, f"is pinned to {tenant.desired_release}{until}{reason}"
    if tenant.hold is not None and tenant.hold.until >= now.astimezone(UTC).date():
        return Why.HELD, f"is held until {tenant.hold.until} by {tenant.hold.name}: {tenant.hold.reason}"
    if tenant.pin is None and tenant.channel != request.channel and tenant.desired_release != wanted:
        return Why.OTHER_CHANNEL, f"follows channel {tenant.channel}, which is at {tenant.desired_release}"
    return None


def _until(tenant: Tenant, now: datetime) -> str:
    expires = tenant.pin.expires if tenant.pin else None
    if expires is None:
        return ""
    over = expires < now.astimezone(UTC).date()
    return f" (expired {expires}, and holds until it is taken out)" if over else f" until {expires}"


def _order(version: str, tenant: Tenant) -> tuple[int, str]:
    return tenant.ring, digest([version, tenant.id])


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


def _scheduled(
    request: Request, batches: Iterator[tuple[int, str, list[Candidate]]], now: datetime
) -> tuple[list[Wave], list[LeftOut]]:
    """Waves one after another: each begins when the one before is over and was watched. Who has no legal time then is
    left out."""
    waves: list[Wave] = []
    late: list[LeftOut] = []
    at, since = now, "now"
    for number, name, batch in batches:
        slots = [(c, _slot(request, c.tenant, at, since)) for c in batch]
        late += [LeftOut(c.tenant.id, _bar(slot), slot.why) for c, slot in slots if slot.at is None]
        tenants = tuple(_planned(request, c, slot.at, slot.why, now) for c, slot in slots if slot.at is not None)
        if not tenants:
            continue
        bake = request.strategy.bake(number)
        waves.append(Wave(len(waves) + 1, name, bake, tenants))
        at = max(t.earliest for t in tenants) + timedelta(minutes=bake)
        since = f"after wave {len(waves)}" + (f", which is watched for {age(timedelta(minutes=bake))}" if bake else "")
    return _unwatched_end(waves), late


def _unwatched_end(waves: list[Wave]) -> list[Wave]:
    """Nothing comes after the last wave that would be worth a wait."""
    return [*waves[:-1], *(Wave(w.number, w.name, 0, w.tenants) for w in waves[-1:])]


def _planned(request: Request, candidate: Candidate, at: datetime, why: str, now: datetime) -> PlannedTenant:
    tenant, current, goal = candidate.tenant, candidate.current, request.release
    migration, undo = combined(request.releases, current, goal)
    return PlannedTenant(
        id=tenant.id,
        ring=tenant.ring,
        region=tenant.region,
        from_release=current,
        migration=migration,
        undo=undo,
        earliest=at,
        reason=why,
        verdict=before(current, goal.version, migration, undo, candidate.newest_point, now),
        window=tenant.window,
        time_zone=tenant.time_zone,
        mends=_mends(request, candidate),
    )


def _slot(request: Request, tenant: Tenant, at: datetime, since: str = "now") -> Slot:
    limit = timedelta(days=request.strategy.max_wait_days)
    slot = earliest(at, tenant.window, tenant.time_zone, tenant.ring, request.freezes, limit)
    return Slot(slot.at, slot.bar, since) if slot.bar is Bar.NONE else slot


def _bar(slot: Slot) -> Why:
    return Why.FROZEN if slot.bar is Bar.FROZEN else Why.WINDOW
