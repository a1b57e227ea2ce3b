"""A tenant that a rollout might change, and what is in its way whatever the rollout brings."""

from dataclasses import dataclass
from datetime import UTC, datetime

from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.frozen import Why
from provisioner.model.tenant import Tenant

Reason = tuple[Why, str]
"""Why a tenant is left out, and the same in words."""

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


def not_here(candidate: Candidate, target: str, *, mend: bool) -> Reason | None:
    """It lives elsewhere, has no instance, or is in no state to be changed. `mend`: one that is stuck may be."""
    tenant, record = candidate.tenant, candidate.record
    if tenant.target.name != target:
        return Why.OTHER_TARGET, f"is on target {tenant.target.name}: run it with --target {tenant.target.name}"
    if record is None or not candidate.current:
        return Why.ABSENT, f"has no instance yet: provision new-tenant {tenant.id}"
    why = _AWAY.get(record.lifecycle)
    if why is None or (why is Why.FAILED and candidate.stuck and mend):
        return None
    cause = f" ({record.cause})" if record.cause else ""
    if why is Why.SUSPENDED:
        return why, f"is suspended: provision resume {tenant.id}"
    return why, f"is {record.lifecycle}{cause}: provision show {tenant.id}"


def held(tenant: Tenant, now: datetime) -> Reason | None:
    """Its customer declines."""
    if tenant.hold is None or tenant.hold.until < now.astimezone(UTC).date():
        return None
    return Why.HELD, f"is held until {tenant.hold.until} by {tenant.hold.name}: {tenant.hold.reason}"


def sick(candidate: Candidate, *, mend: bool) -> Reason | None:
    """It isn't well, and that isn't what shall be mended."""
    if candidate.sick is None or mend:
        return None
    return Why.SICK, f"{candidate.sick}: provision show {candidate.tenant.id}"
