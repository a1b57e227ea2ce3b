"""`provision drift`: what somebody changed by hand, tenant by tenant and across the fleet. Changes nothing in the
cloud, the registry or the state; what was found is on the record, so that the next `apply` acts on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from provisioner.model.change import Step
from provisioner.model.drift.judge import Finding, Group, findings, groups
from provisioner.model.errors import ProvisionError, RefusedError
from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.tenant import Tenant
from provisioner.ops.cut_off import upgrading
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import unfinished
from provisioner.ops.plan import Intention, plan

Standing = Literal["clean", "drift", "unfinished", "skipped", "failed"]
MENDABLE: tuple[Standing, ...] = ("drift", "unfinished")
_LOOKED_AT = (Lifecycle.ACTIVE, Lifecycle.UPDATING, Lifecycle.FAILED)


@dataclass(frozen=True, slots=True)
class TenantDrift:
    """What was found of one tenant, the worst first, and why it was skipped or failed. Unfinished: an `apply` was cut
    off, and the cloud is as it should be by now; to mend it is to go on with the rest. `planned`: steps of its plan
    that aren't drift, for the registry (or a newer program) wants them. `refused`: why to mend it is refused."""

    tenant: str
    standing: Standing
    findings: tuple[Finding, ...] = ()
    planned: tuple[Step, ...] = ()
    reason: str | None = None
    refused: str | None = None
    error: ProvisionError | None = None
    intention: Intention | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """A look at several tenants, in the order in which they were named, and the same findings grouped."""

    tenants: list[TenantDrift]
    groups: tuple[Group, ...]


def look(house: House, registry: RegistryView, tenants: Sequence[Tenant], *, parallel: int = 8) -> Drift:
    """Read the cloud of each and compare. A tenant that can't be looked at is an answer, not an end."""
    records = {r.id: r for r in house.records()}
    skipped = {t.id: why for t in tenants if (why := _why_not(house, records.get(t.id))) is not None}
    asked = [t for t in tenants if t.id not in skipped]
    looked = {i.tenant: i for i in plan(house, registry, asked, refresh=True, parallel=parallel)}
    found = [
        TenantDrift(t.id, "skipped", reason=skipped[t.id]) if t.id in skipped else _found(looked[t.id], records[t.id])
        for t in tenants
    ]
    return Drift(found, groups({t.tenant: t.findings for t in found}))


def mendable(found: Drift) -> list[Intention]:
    """What `apply` is given to mend it: the tenants with drift, and those that an `apply` left unfinished. Those that
    couldn't be looked at go along, failed."""
    wanted = (*MENDABLE, "failed")
    return [t.intention for t in found.tenants if t.standing in wanted and t.intention is not None]


def _why_not(house: House, record: TenantRecord | None) -> str | None:
    """Why a tenant isn't looked at; None where it is."""
    if record is None or record.lifecycle is Lifecycle.RETIRED:
        return "it was never made"
    lease = house.ledger.lease(record.id)
    if lease is not None:
        return f"operation {lease.operation_id} is changing it ({lease.reason})"
    waiting = upgrading(house, record.id) or (
        None if record.lifecycle is Lifecycle.ACTIVE else unfinished(house, record.id)
    )
    if waiting is not None and waiting.kind != "apply":
        return f"{waiting.kind} {waiting.id} is unfinished"
    return None if record.lifecycle in _LOOKED_AT else f"it is {record.lifecycle}"


def _found(intention: Intention, record: TenantRecord) -> TenantDrift:
    about = {"reason": intention.reason, "error": intention.error, "intention": intention}
    refused = intention.error.message if isinstance(intention.error, RefusedError) else None
    if intention.drift is None:
        if intention.error is None:
            return TenantDrift(intention.tenant, "skipped", reason="it was changed while it was looked at")
        return TenantDrift(intention.tenant, "failed", **about)  # type: ignore[arg-type]
    resting: Standing = "clean" if record.lifecycle is Lifecycle.ACTIVE else "unfinished"
    return TenantDrift(
        intention.tenant,
        "drift" if intention.drift else resting,
        findings(intention.drift),
        intention.planned,
        reason=intention.reason,
        refused=refused,
        error=None if refused else intention.error,
        intention=intention,
    )
