"""`provision patch scan`: what is missing on each machine, on the record as the tenant's fact `patch`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import LeaseHeldError, ProvisionError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.judge import judge
from provisioner.model.patch.policy import PatchException, PatchPolicy
from provisioner.model.patch.scan import FACT, Scan, fact
from provisioner.model.ports import Cloud, Progress
from provisioner.model.tenant import Tenant
from provisioner.ops.desired import check_ledger
from provisioner.ops.house import House
from provisioner.ops.many import each
from provisioner.ops.patch import minors

SCAN_DEADLINE = 900.0


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a look at one tenant found, or why it couldn't be looked at."""

    tenant: str
    found: JsonDict | None
    error: ProvisionError | None = None


def scan(house: House, tenants: Sequence[Tenant], progress: Progress, *, at_once: int = 8) -> list[Scanned]:
    """Scan all of them. One that can't be scanned is an answer, not an end."""

    def one(tenant: Tenant) -> Scanned:
        try:
            return Scanned(tenant.id, scan_one(house, tenant, progress))
        except ProvisionError as error:
            return Scanned(tenant.id, None, error)

    return each(house, tenants, one, at_once=at_once)


def scan_one(house: House, tenant: Tenant, progress: Progress) -> JsonDict:
    """Scan one tenant's machine, which isn't changed by that. Raises UsageError for a tenant that isn't active,
    LeaseHeldError where it is being changed."""
    check_ledger(house, tenant)
    machine = _machine(tenant, house.ledger.tenant(tenant.id))
    lease = house.ledger.lease(tenant.id)
    if lease is not None:
        raise LeaseHeldError(
            f"tenant {tenant.id} is being changed ({lease.reason}): it isn't scanned meanwhile",
            hint=f"the same command again when it is over: provision operations show {lease.operation_id}",
        )
    house.ready(tenant.target)
    cloud = house.cloud(tenant.target, tenant.region)
    progress(Event(EventKind.MESSAGE, tenant.id, "scan", message=f"looks for missing patches on {machine}"))
    found = cloud.patch(machine, "Scan", comment=f"provision scan {tenant.id}", timeout=SCAN_DEADLINE)
    minor = minors.look(house, cloud, tenant.id, tenant.sizing)
    return observe(house, cloud, tenant.id, machine, found, tenant.patch, tenant.patch_exceptions, database=minor)


def observe(
    house: House,
    cloud: Cloud,
    tenant_id: str,
    machine: str,
    found: Scan,
    policy: PatchPolicy,
    exceptions: Sequence[PatchException],
    **more: Any,
) -> JsonDict:
    """Record a scan, and how the tenant stands by it. `more` goes into the fact as it is."""
    known = house.ledger.fact(tenant_id, FACT)
    image = next((m.image_id for m in cloud.machines(tenant_id) if m.id == machine), None)
    value = {**fact(found, known.value if known else None, machine, image), **more}
    standing = judge(value, machine, policy, exceptions, house.clock.now())
    value["deadline_missed"] = len(standing.missed)
    value["next_deadline"] = standing.next_due.isoformat() if standing.next_due else None
    house.ledger.observe(tenant_id, FACT, value)
    return value


def policy_of(payload: Mapping[str, Any]) -> tuple[PatchPolicy, list[PatchException]]:
    """What an operation's payload was frozen with."""
    return PatchPolicy.of(payload["policy"]), list(map(PatchException.of, payload["exceptions"]))


def _machine(tenant: Tenant, record: TenantRecord | None) -> str:
    if record is None or record.lifecycle is not Lifecycle.ACTIVE or "machine" not in record.facts:
        state = str(record.lifecycle) if record else "not made yet"
        raise UsageError(f"tenant {tenant.id} can't be scanned: it is {state}", hint=f"provision show {tenant.id}")
    return str(record.facts["machine"].value["id"])
