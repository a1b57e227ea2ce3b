"""`provision resize`: more disk, storage, or another class for one tenant, by its override in the registry.

The registry has the wish, the fact `resize` says that it waits, and `apply` carries it out: now, or by a worker when
the tenant's window opens. Killed at any point, the same command goes on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from provisioner.model.errors import ProvisionError, RefusedError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.model.rollout.windows import Slot, earliest
from provisioner.model.tenant import Tenant
from provisioner.ops.apply import apply
from provisioner.ops.house import House, RegistryView
from provisioner.ops.lanes import NOTHING
from provisioner.ops.operations import new_id
from provisioner.ops.plan import Intention, plan

FACT = "resize"
GROWS = {"root_disk_gib": "disk", "database_storage_gib": "database storage"}
"""What never shrinks."""
_FREE = 1.1
"""RDS wants its limit so much above the storage."""
_RESIZED = (Lifecycle.ACTIVE, Lifecycle.UPDATING, Lifecycle.FAILED)


@dataclass(frozen=True, slots=True)
class Asked:
    """What waits to be applied: settings with their values, under an id of its own; none where nothing does."""

    id: str | None
    settings: Mapping[str, str | int]

    @property
    def words(self) -> str:
        """`root_disk_gib 40 was asked for`."""
        return ", ".join(f"{k} {v}" for k, v in self.settings.items()) + " was asked for"


def propose(house: House, tenant: Tenant, wanted: Mapping[str, str | int]) -> dict[str, str | int]:
    """What is to be set: what differs, and what must grow along. Raises UsageError where nothing was said, or the
    tenant can't be applied; RefusedError where a disk or storage would shrink."""
    if not wanted:
        raise UsageError("nothing was said to be resized", hint="--disk, --storage, --class or --type")
    record = house.ledger.tenant(tenant.id)
    if record is None or record.lifecycle not in _RESIZED:
        state = str(record.lifecycle) if record else "not made yet"
        raise UsageError(f"tenant {tenant.id} can't be resized: it is {state}", hint=f"provision show {tenant.id}")
    for setting, what in GROWS.items():
        if setting in wanted:
            _refuse_smaller(house, tenant, record, setting, what, int(wanted[setting]))
    least = ceil(int(wanted.get("database_storage_gib", 0)) * _FREE)
    if least > tenant.sizing.database_max_storage_gib:
        return {**wanted, "database_max_storage_gib": least}
    return dict(wanted)


def ask(house: House, tenant: Tenant, settings: Mapping[str, str | int], by: str, reason: str) -> Tenant:
    """Write it into the registry, and down that it waits. The tenant as it shall be."""
    house.registry().override(tenant.id, settings, name=by, reason=reason)
    house.ledger.observe(tenant.id, FACT, {"id": new_id(house.clock), "settings": dict(settings), "by": by})
    return house.registry().load().tenant(tenant.id)


def slot(registry: RegistryView, tenant: Tenant, now: datetime) -> Slot:
    """When it may be changed: its window, and no freeze."""
    return earliest(now, tenant.window, tenant.time_zone, tenant.ring, registry.freezes)


def asked_of(record: TenantRecord) -> Asked:
    """What waits."""
    value: Any = record.facts[FACT].value if FACT in record.facts else {}
    return Asked(value.get("id"), value.get("settings") or {})


def due(registry: RegistryView, tenant: Tenant, record: TenantRecord, now: datetime) -> bool:
    """Whether something waits that the registry still wants, and may be done now."""
    asked = asked_of(record)
    return bool(asked.settings) and _wanted(tenant, asked) and slot(registry, tenant, now).at == now


def carry_out(house: House, registry: RegistryView, tenant: Tenant, progress: Progress) -> object:
    """Apply it, and write down that nothing waits. What else is pending in the registry for this tenant comes along,
    and the firewall is asked as ever. Raises what the apply ended with."""
    record = house.ledger.tenant(tenant.id)
    if record is None or not due(registry, tenant, record, house.clock.now()):
        return NOTHING
    return finish(house, tenant.id, apply(house, plan(house, registry, [tenant]), progress))


def finish(house: House, tenant_id: str, done: list[Intention]) -> Intention:
    """Write down that nothing waits, where it was applied. Raises what it ended with."""
    [end] = done
    if end.error is not None:
        raise end.error
    if end.verdict not in ("applied", "unchanged"):
        raise ProvisionError(f"{tenant_id} wasn't resized: {end.reason}", hint=f"provision apply {tenant_id}")
    settle(house, tenant_id)
    return end


def settle(house: House, tenant_id: str) -> None:
    """Nothing waits any more."""
    nothing: JsonDict = {"id": None, "settings": {}}
    house.ledger.observe(tenant_id, FACT, nothing)


def _wanted(tenant: Tenant, asked: Asked) -> bool:
    return all(getattr(tenant.sizing, setting) == value for setting, value in asked.settings.items())


def _refuse_smaller(house: House, tenant: Tenant, record: TenantRecord, setting: str, what: str, wanted: int) -> None:
    """By the registry, and for storage by what RDS has made of it."""
    now = int(getattr(tenant.sizing, setting))
    if setting == "database_storage_gib" and "database" in record.facts:
        house.ready(tenant.target)
        identifier = str(record.facts["database"].value.get("id"))
        found = house.cloud(tenant.target, tenant.region).database(identifier)
        now = max(now, (found.storage_gib or 0) if found else 0)
    if wanted < now:
        why = "EBS never shrinks a disk: a smaller one" if what == "disk" else "RDS never shrinks storage: less"
        raise RefusedError(
            f"the {what} of {tenant.id} has {now} GiB; {why} would mean another one, with its data copied; nothing was "
            "changed",
            hint=f"provision forecast {tenant.id} says what is needed",
        )
