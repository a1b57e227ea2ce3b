"""Who would be patched, in which waves and when; and who would not, and why: a rollout's plan. A pure function."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from provisioner.model.patch.scan import FACT, OS, behind
from provisioner.model.rollout.candidate import Candidate, Reason, held, not_here, sick
from provisioner.model.rollout.frozen import PlannedTenant, RolloutPlan, Why
from provisioner.model.rollout.schedule import in_order, scheduled
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.rollout.verdict import age
from provisioner.model.rollout.windows import shown
from provisioner.model.tenant import Freeze, Release

_FRESH = 2
"""So many times `scan_hours` a scan counts."""


@dataclass(frozen=True, slots=True)
class PatchRequest:
    """Patches under a `name` for people, on this target. `mend`: who is ill is patched, too; `now`: no window and no
    freeze is waited for. `os_releases`: by ring, of those that get their patches with another machine; `releases`:
    all of the registry's."""

    name: str
    target: str
    strategy: Strategy
    freezes: tuple[Freeze, ...]
    releases: Mapping[str, Release] = field(default_factory=dict)
    os_releases: Mapping[int, str] = field(default_factory=dict)
    mend: bool = False
    now: bool = False


def plan_patches(request: PatchRequest, candidates: Sequence[Candidate], now: datetime) -> RolloutPlan:
    """The plan; the same for the same input, whatever its order. Pins don't count: a release stays as it is."""
    if request.now:
        request = replace(request, freezes=())
        candidates = [replace(c, tenant=replace(c.tenant, window=None)) for c in candidates]
    waves, left_out = scheduled(
        request.name,
        request.strategy,
        request.freezes,
        candidates,
        now,
        why=lambda candidate: _left_out(request, candidate, now),
        make=lambda candidate, at, reason: _planned(request, candidate, at, reason, now),
    )
    return RolloutPlan(
        release=request.name,
        release_digest=None,
        schema_version=None,
        target=request.target,
        channel=None,
        channel_from=None,
        of_channel=None,
        stays=None,
        there=0,
        behind=0,
        strategy=request.strategy,
        freezes=in_order(request.freezes),
        made_at=now,
        waves=waves,
        left_out=left_out,
        work="patch",
        now=request.now,
    )


def _left_out(request: PatchRequest, candidate: Candidate, now: datetime) -> Reason | None:
    """Why a tenant isn't patched, whatever the time is; the first reason counts."""
    return (
        not_here(candidate, request.target, mend=False)
        or _nothing_to_do(request, candidate, now)
        or held(candidate.tenant, now)
        or sick(candidate, mend=request.mend)
    )


def _nothing_to_do(request: PatchRequest, candidate: Candidate, now: datetime) -> Reason | None:
    in_place = candidate.tenant.patch.way == "in-place"
    return _nothing_missing(candidate, now) if in_place else _no_image(request, candidate)


def _nothing_missing(candidate: Candidate, now: datetime) -> Reason | None:
    """By its last scan. One of another machine or of long ago says nothing: who has none is looked at in its turn."""
    facts = candidate.record.facts if candidate.record else {}
    known, serving = facts.get(FACT), facts.get("machine")
    if known is None or serving is None or known.value["machine"] != serving.value.get("id"):
        return None
    at = datetime.fromisoformat(str(known.value["scanned_at"]))
    old = now - at > timedelta(hours=_FRESH * candidate.tenant.patch.scan_hours)
    return (
        None
        if known.value["open"] or behind(known.value) or old
        else (Why.THERE, f"nothing was missing when it was scanned, {shown(at)}")
    )


def _no_image(request: PatchRequest, candidate: Candidate) -> Reason | None:
    """Why its machine isn't replaced."""
    tenant, current = candidate.tenant, candidate.current
    wanted = request.os_releases.get(tenant.ring)
    if wanted is None:
        return Why.NO_IMAGE, f"no OS release is set for its ring: os_releases/ring_{tenant.ring}"
    known = candidate.record.facts.get(OS) if candidate.record else None
    if known is not None and (known.value["release"], known.value["os_release"]) == (current, wanted):
        return Why.THERE, f"is on {wanted}"
    place = tenant.target.place(tenant.region)
    release = request.releases.get(current)
    if release is None or place not in release.images_on(wanted):
        return Why.NO_IMAGE, f"there is none of {current} on it: add releases/{current}/rebuilds/{wanted}/{place}"
    return None


def _planned(request: PatchRequest, candidate: Candidate, at: datetime, why: str, now: datetime) -> PlannedTenant:
    tenant, newest = candidate.tenant, candidate.newest_point
    point = "it has no recovery point yet" if newest is None else f"its newest one is {age(now - newest)} old"
    replaced = tenant.patch.way == "replace"
    stays = f"one-way: patches stay, only a restore brings the machine of before back (a point is taken; {point})"
    return PlannedTenant(
        id=tenant.id,
        ring=tenant.ring,
        region=tenant.region,
        from_release=candidate.current,
        migration="none",
        undo="code-only" if replaced else "one-way",
        earliest=at,
        reason=why,
        verdict="code-only: undone by itself, a machine as before serves again, nothing is lost" if replaced else stays,
        window=tenant.window,
        time_zone=tenant.time_zone,
        mends=request.mend and candidate.sick is not None,
        os_release=request.os_releases.get(tenant.ring) if replaced else None,
    )
