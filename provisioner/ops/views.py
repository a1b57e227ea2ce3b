"""`provision list | show | status`: what is known of tenants, each fact with its age."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from provisioner.model.ledger import Fact, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.tenant import Tenant
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import unfinished

PROBE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """Desired by the registry, assigned by the ledger, observed on the product itself."""

    desired: str | None
    assigned: str | None
    observed: str | None


@dataclass(frozen=True, slots=True)
class HealthView:
    """The product's last answer and when it gave it (UTC)."""

    status: str
    checked_at: datetime | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class TenantView:
    """One tenant as `show` gives it. `machine`, `database`, `stack` and `recovery` are empty until they exist.
    `recovery`: the newest recovery point with its moment, when a restore was last proven, and the day on which an
    offboarded tenant may be retired. `drift`: how many differences of each weight the last look found, and when."""

    id: str
    state: str
    tier: str | None
    region: str | None
    ring: int | None
    target: str | None
    organization: str | None
    release: ReleaseView
    url: str | None
    health: HealthView
    machine: dict[str, Any] = field(default_factory=dict)
    database: dict[str, Any] = field(default_factory=dict)
    stack: dict[str, Any] = field(default_factory=dict)
    recovery: dict[str, Any] = field(default_factory=dict)
    drift: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    cause: str | None = None
    open_operation: str | None = None
    holder: str | None = None


def fleet(house: House, tenants: Sequence[Tenant]) -> list[TenantView]:
    """Views of these tenants from registry and ledger alone; no cloud and no product is asked."""
    records = {r.id: r for r in house.records()}
    return [_view(t, records.get(t.id)) for t in tenants]


def orphans(house: House, registry: RegistryView) -> list[TenantView]:
    """Tenants that the ledger knows as living and the registry doesn't have."""
    known = set(registry.tenant_ids())
    return [_view(None, r) for r in house.records() if r.id not in known and r.lifecycle is not Lifecycle.RETIRED]


def show(house: House, tenant_id: str, *, probe: bool = True) -> TenantView:
    """One tenant; its product is asked how it is, and the answer recorded. Raises UsageError for an unknown id."""
    registry = house.registry().load()
    record = house.ledger.tenant(tenant_id)
    tenant = registry.tenant(tenant_id) if tenant_id in registry.tenant_ids() or record is None else None
    url = record.facts["url"].value.get("url") if record and "url" in record.facts else None
    if probe and record and url and record.lifecycle is not Lifecycle.RETIRED:
        health = house.prober.probe(str(url), timeout=PROBE_SECONDS)
        house.ledger.observe(tenant_id, "health", dict(asdict(health)))
        record = house.ledger.tenant(tenant_id)
    view = _view(tenant, record)
    open_operation = unfinished(house, tenant_id)
    lease = house.ledger.lease(tenant_id)
    return replace(
        view,
        open_operation=open_operation.id if open_operation else None,
        holder=f"{lease.holder.user}@{lease.holder.host}, process {lease.holder.pid}" if lease else None,
    )


def _view(tenant: Tenant | None, record: TenantRecord | None) -> TenantView:
    facts = record.facts if record else {}
    health = facts.get("health")
    url = facts["url"].value.get("url") if "url" in facts else None
    living = record is None or record.lifecycle is not Lifecycle.RETIRED
    return TenantView(
        id=tenant.id if tenant else record.id if record else "",
        state=str(record.lifecycle) if record else str(Lifecycle.REQUESTED),
        tier=tenant.tier if tenant else None,
        region=tenant.region if tenant else None,
        ring=tenant.ring if tenant else None,
        target=record.target if record else tenant.target.name if tenant else None,
        organization=tenant.organization if tenant else None,
        release=ReleaseView(
            desired=tenant.desired_release if tenant else None,
            assigned=record.assigned_release if record else None,
            observed=_text(health, "release"),
        ),
        url=str(url) if url and living else None,
        health=HealthView(
            status=_text(health, "status") or "unknown",
            checked_at=health.at if health else None,
            detail=_text(health, "detail"),
        ),
        machine=_fact(facts, "machine"),
        database=_fact(facts, "database"),
        stack=_fact(facts, "stack"),
        recovery=_recovery(facts),
        drift={**facts["drift"].value, "looked_at": facts["drift"].at.isoformat()} if "drift" in facts else {},
        labels=dict(tenant.labels) if tenant else {},
        cause=record.cause if record else None,
    )


def _recovery(facts: dict[str, Fact]) -> dict[str, Any]:
    backup, drill, due = _fact(facts, "backup"), _fact(facts, "drill"), _fact(facts, "offboarding").get("due")
    known = {
        "point": backup.get("point"),
        "taken_at": backup.get("taken_at"),
        "verdict": drill.get("verdict"),
        "proven_at": drill.get("proven_at"),
        "retired_from": due,
    }
    return {name: value for name, value in known.items() if value is not None}


def _fact(facts: dict[str, Fact], name: str) -> dict[str, Any]:
    return dict(facts[name].value) if name in facts else {}


def _text(fact: Fact | None, key: str) -> str | None:
    value = fact.value.get(key) if fact else None
    return value if isinstance(value, str) else None
