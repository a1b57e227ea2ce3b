"""Who would be moved to a release, in which waves and when; and who would not, and why. A pure function.

Within a wave, and from one share of the fleet to the next, tenants come by ring. Among those of one ring a hash of
release and id decides: always the same for one release, and not always the same customers first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from provisioner.model.errors import RefusedError
from provisioner.model.json import digest
from provisioner.model.rollout.candidate import Candidate, Reason, held, not_here, sick
from provisioner.model.rollout.channel import most
from provisioner.model.rollout.frozen import LeftOut, PlannedTenant, RolloutPlan, Why
from provisioner.model.rollout.schedule import in_order, scheduled
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.rollout.verdict import before, combined
from provisioner.model.tenant import Freeze, Release, Tenant
from provisioner.model.versions import version_key


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
    waves, left_out = scheduled(
        release.version,
        request.strategy,
        request.freezes,
        candidates,
        now,
        why=lambda candidate: _left_out(request, candidate, now),
        make=lambda candidate, at, reason: _planned(request, candidate, at, reason, now),
    )
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
        freezes=in_order(request.freezes),
        made_at=now,
        waves=waves,
        left_out=left_out,
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
    return digest(
        {**asdict(release), "images": dict(release.images), "rebuilds": None, "patch_hooks": None, "yanked": None}
    )


def _left_out(request: Request, candidate: Candidate, now: datetime) -> Reason | None:
    """Why a tenant isn't moved, whatever the time is; the first reason counts."""
    return (
        not_here(candidate, request.target, mend=request.mend)
        or _no_step(request, candidate)
        or _not_wanted(request, candidate.tenant, now)
        or sick(candidate, mend=request.mend)
    )


def _mends(request: Request, candidate: Candidate) -> bool:
    return request.mend and (candidate.sick is not None or candidate.stuck)


def _no_step(request: Request, candidate: Candidate) -> Reason | None:
    """Why there is no way from its release to the wanted one."""
    tenant, release = candidate.tenant, request.release
    current = candidate.current
    if current == release.version:
        return Why.THERE, f"is on {current}"
    if version_key(current) > version_key(release.version):
        return Why.NEWER, f"is on {current}, which is newer; a rollout only goes forward"
    if release.min_from is not None and version_key(current) < version_key(release.min_from):
        return Why.TOO_OLD, f"is on {current}: provision rollout start {release.min_from} first"
    place = tenant.target.place(tenant.region)
    if place not in release.images:
        return Why.NO_IMAGE, f"there is none for {place}: add releases/{release.version}/images/{place}"
    return None


def _not_wanted(request: Request, tenant: Tenant, now: datetime) -> Reason | None:
    """What the registry has against it."""
    wanted = request.release.version
    if tenant.pin is not None and tenant.desired_release != wanted:
        until = _until(tenant, now)
        reason = f": {tenant.pin.reason}" if tenant.pin.reason else ""
        return Why.PINNED, f"is pinned to {tenant.desired_release}{until}{reason}"
    if (declined := held(tenant, now)) is not None:
        return declined
    if tenant.pin is None and tenant.channel != request.channel and tenant.desired_release != wanted:
        return Why.OTHER_CHANNEL, f"follows channel {tenant.channel}, which is at {tenant.desired_release}"
    return None


def _until(tenant: Tenant, now: datetime) -> str:
    expires = tenant.pin.expires if tenant.pin else None
    if expires is None:
        return ""
    over = expires < now.astimezone(UTC).date()
    return f" (expired {expires}, and holds until it is taken out)" if over else f" until {expires}"


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
