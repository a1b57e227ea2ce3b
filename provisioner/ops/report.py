"""`provision drill report`: who is proven to be restorable, how fast, and how much would be lost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.tenant import Tenant
from provisioner.ops.house import House
from provisioner.ops.scripts import TEMPLATES


@dataclass(frozen=True, slots=True)
class Standing:
    """One tenant against its tier's promise. Minutes are of the last drill that passed; `breaches` says what is not
    kept, in words, and is empty where all is."""

    tenant: str
    tier: str
    verdict: str | None
    proven_at: datetime | None
    point: str | None
    rpo_minutes: float | None
    rpo_target: int
    rto_minutes: float | None
    rto_target: int
    breaches: tuple[str, ...]


def report(house: House, tenants: Sequence[Tenant]) -> list[Standing]:
    """From the ledger alone. A tenant that isn't active promises nothing."""
    records = {r.id: r for r in house.records()}
    living = [(t, records[t.id]) for t in tenants if t.id in records]
    now = house.clock.now()
    return [_standing(t, r, now) for t, r in living if r.lifecycle in (Lifecycle.ACTIVE, Lifecycle.SUSPENDED)]


def _standing(tenant: Tenant, record: TenantRecord, now: datetime) -> Standing:
    fact, policy = record.facts.get("drill"), tenant.backup
    known: Any = fact.value if fact else {}
    proven = datetime.fromisoformat(known["proven_at"]) if known.get("proven_at") else None
    rpo, rto = known.get("rpo_minutes"), known.get("rto_minutes")
    breaches = []
    if known.get("verdict") not in (None, "passed"):
        breaches.append(f"the last drill was {known['verdict']}")
    if proven is None:
        breaches.append("no restore was ever proven")
    elif now - proven > timedelta(days=policy.drill_days):
        breaches.append(f"proven {(now - proven).days} days ago, and {policy.drill_days} are allowed")
    if rpo is not None and rpo > policy.rpo_minutes:
        breaches.append(f"{rpo:g} minutes of data would be lost, and {policy.rpo_minutes} are allowed")
    if rto is not None and rto > policy.rto_minutes:
        breaches.append(f"a restore takes {rto:g} minutes, and {policy.rto_minutes} are allowed")
    return Standing(
        tenant.id,
        tenant.tier,
        known.get("verdict"),
        proven,
        known.get("proven_point"),
        rpo,
        policy.rpo_minutes,
        rto,
        policy.rto_minutes,
        tuple(breaches),
    )


def page(found: Sequence[Standing], now: datetime) -> str:
    """The report as a page of HTML, all in one file."""
    broken = sum(bool(s.breaches) for s in found)
    return _environment().get_template("drill-report.html.j2").render(tenants=found, now=now, broken=broken)


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True)
