"""Who is off the main line, why, and since when. Pure.

The main line is the release that the default channel is at. The first reason that holds counts: what the registry says
(a pin, a hold, another channel), then what the newest rollout that could have moved the tenant says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from provisioner.model.fleet.standing import behind
from provisioner.model.ledger import TenantRecord
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import OVER, StepState
from provisioner.model.tenant import Release, Tenant
from provisioner.model.versions import version_key


class Cause(StrEnum):
    """Why a tenant is off the main line."""

    PIN = "pin"
    HOLD = "hold"
    CHANNEL = "channel"
    TURN = "its turn comes"
    FAILED = "failed"
    SKIPPED = "skipped"
    LEFT_OUT = "left out"
    NO_ROLLOUT = "no rollout"


@dataclass(frozen=True, slots=True)
class Skew:
    """One tenant. `behind`: releases (negative: ahead); `steps`: upgrades that lead to the main line, one after the
    other (None: no way); `since`: when the main line left it behind, or it left the main line."""

    tenant: str
    on: str
    main: str
    behind: int
    steps: int | None
    cause: Cause
    detail: str
    since: datetime | None
    next: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """What the fleet is compared with: the default channel, where it is, and what there is. `rollouts`: upgrades,
    newest first, with their rows."""

    channel: str
    main: str
    releases: Mapping[str, Release]
    rollouts: Sequence[RolloutRecord]


def skew(tenant: Tenant, record: TenantRecord, line: Line, assigned_at: datetime | None, now: datetime) -> Skew | None:
    """Where a tenant is off; None where it is on the main line, or has no release yet. `assigned_at`: when it came to
    its release."""
    on = record.assigned_release
    if on is None or on == line.main:
        return None
    offered = [v for v, release in line.releases.items() if release.yanked is None]
    ahead = version_key(on) > version_key(line.main)
    cause, detail, hint = _cause(tenant, record, line, on, now)
    return Skew(
        tenant.id,
        on,
        line.main,
        behind(on, line.main, offered) or 0,
        None if ahead else steps(on, line.main, line.releases),
        cause,
        detail,
        assigned_at if ahead else _left_behind(on, line),
        hint,
    )


def steps(on: str, to: str, releases: Mapping[str, Release]) -> int | None:
    """How many upgrades it takes, by `min_from`; None where no chain of them is there."""
    if on == to:
        return 0
    release = releases.get(to)
    if release is None:
        return None
    if release.min_from is None or version_key(on) >= version_key(release.min_from):
        return 1
    before = steps(on, release.min_from, releases)
    return None if before is None else before + 1


def _left_behind(on: str, line: Line) -> datetime | None:
    """When the first rollout to a newer release began."""
    newer = [r.started_at for r in line.rollouts if version_key(r.plan.release) > version_key(on)]
    return min(newer, default=None)


def _cause(tenant: Tenant, record: TenantRecord, line: Line, on: str, now: datetime) -> tuple[Cause, str, str | None]:
    today = now.astimezone(UTC).date()
    if tenant.pin is not None and tenant.desired_release != line.main:
        until = f" until {tenant.pin.expires}" if tenant.pin.expires else ""
        reason = f": {tenant.pin.reason}" if tenant.pin.reason else ""
        return Cause.PIN, f"pinned to {tenant.desired_release}{until}{reason}", f"take tenants/{tenant.id}/release out"
    if tenant.hold is not None and tenant.hold.until >= today:
        detail = f"held until {tenant.hold.until} by {tenant.hold.name}: {tenant.hold.reason}"
        return Cause.HOLD, detail, None
    if tenant.pin is None and tenant.channel != line.channel and tenant.desired_release == on:
        return Cause.CHANNEL, f"follows channel {tenant.channel}, which is at {on}", None
    return _rolled(tenant, line, on) or (
        Cause.NO_ROLLOUT,
        "no rollout to it has reached this tenant" + (f" (it is {record.lifecycle})" if record.cause else ""),
        f"provision rollout start {line.main} --tenant {tenant.id}",
    )


def _rolled(tenant: Tenant, line: Line, on: str) -> tuple[Cause, str, str | None] | None:
    """What the newest rollout says that knew the tenant and goes to a newer release."""
    for record in line.rollouts:
        if version_key(record.plan.release) <= version_key(on):
            continue
        found = next((row for row in record.rows if row.tenant == tenant.id), None)
        where = f"rollout {record.id} to {record.plan.release}"
        status = f"provision rollout status {record.id}"
        if found is not None and found.state in (StepState.WAITING, StepState.RUNNING) and record.status not in OVER:
            planned = record.plan.tenants[tenant.id]
            return Cause.TURN, f"{found.state} in {where}: {found.cause or planned.reason}", status
        if found is not None and found.state is StepState.SKIPPED:
            return Cause.SKIPPED, f"{where}: {found.cause or 'an operator left it out'}", _retry(record, tenant)
        if found is not None:
            return Cause.FAILED, f"{found.state} in {where}: {found.cause or record.cause}", _retry(record, tenant)
        left = next((item for item in record.plan.left_out if item.id == tenant.id), None)
        if left is not None:
            return Cause.LEFT_OUT, f"{where}: {left.why}: {left.detail}", f"provision rollout plan {line.main}"
    return None


def _retry(record: RolloutRecord, tenant: Tenant) -> str:
    if record.status in OVER:
        return f"provision rollout start {record.plan.release} --tenant {tenant.id}"
    return f"provision rollout retry-failed {tenant.id} --rollout {record.id}"
