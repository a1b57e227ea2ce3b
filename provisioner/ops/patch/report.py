"""`provision patch report`: who keeps the deadlines of its tier, from the ledger alone."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.judge import Open, covered, judge
from provisioner.model.patch.policy import PatchException, Severity
from provisioner.model.patch.scan import FACT
from provisioner.model.tenant import Tenant
from provisioner.ops.house import House
from provisioner.ops.scripts import TEMPLATES

_LIVING = (Lifecycle.ACTIVE, Lifecycle.UPDATING, Lifecycle.FAILED)
SEVERITIES = tuple(map(str, Severity))
COLUMNS = (
    "tenant",
    "tier",
    "image",
    "baseline",
    *SEVERITIES,
    "failed",
    "pending_reboot",
    "database",
    "scanned_at",
    "patched_at",
    "next_deadline",
    "exceptions",
    "breaches",
)
"""Of the CSV."""


@dataclass(frozen=True, slots=True)
class TenantPatches:
    """One tenant against its tier's deadlines. `counts`: open patches by severity, None where none is known;
    `database`: its version, and the minor that it should have;
    `exceptions`: those of the registry that hold, and cover something that is open; `breaches`: what isn't kept, in
    words."""

    tenant: str
    tier: str
    image: str | None
    baseline: str | None
    counts: dict[str, int | None]
    failed: int | None
    pending_reboot: bool | None
    database: str | None
    scanned_at: datetime | None
    patched_at: datetime | None
    next_due: datetime | None
    open: tuple[Open, ...]
    missed: tuple[Open, ...]
    exceptions: tuple[PatchException, ...]
    breaches: tuple[str, ...]


def report(house: House, tenants: Sequence[Tenant]) -> list[TenantPatches]:
    """Of those that have a machine which runs: the others promise nothing."""
    records = {r.id: r for r in house.records()}
    now = house.clock.now()
    living = [(t, records[t.id]) for t in tenants if t.id in records]
    return [_standing(t, r, now) for t, r in living if r.lifecycle in _LIVING]


def _standing(tenant: Tenant, record: TenantRecord, now: datetime) -> TenantPatches:
    fact, machine = record.facts.get(FACT), record.facts.get("machine")
    known: Any = fact.value if fact else {}
    serving = str(machine.value["id"]) if machine else None
    found = judge(known or None, serving, tenant.patch, tenant.patch_exceptions, now)
    patched = known.get("patched_at")
    holding = (e for e in tenant.patch_exceptions if any(covered(o.patch, [e], now) for o in found.open))
    return TenantPatches(
        tenant=tenant.id,
        tier=tenant.tier,
        image=known.get("image"),
        baseline=known.get("baseline"),
        counts={severity: known.get(severity) for severity in SEVERITIES},
        failed=known.get("failed"),
        pending_reboot=known.get("pending_reboot"),
        database=_minor(known.get("database")),
        scanned_at=found.scanned_at,
        patched_at=datetime.fromisoformat(patched) if patched else None,
        next_due=found.next_due,
        open=found.open,
        missed=found.missed,
        exceptions=tuple(holding),
        breaches=found.breaches,
    )


def _minor(known: Any) -> str | None:
    if not known:
        return None
    return f"{known['version']}, {known['newest']} is there" if known["newest"] else str(known["version"])


def page(found: Sequence[TenantPatches], now: datetime) -> str:
    """The report as a page of HTML, all in one file."""
    broken = sum(bool(s.breaches) for s in found)
    template = _environment().get_template("patch-report.html.j2")
    return template.render(tenants=found, now=now, broken=broken, severities=SEVERITIES)


def sheet(found: Sequence[TenantPatches]) -> str:
    """The report as CSV, a line for each tenant. No cell is a formula to a spreadsheet, whatever a machine said."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for tenant in found:
        writer.writerow([_cell(value) for value in _line(tenant)])
    return out.getvalue()


def _line(tenant: TenantPatches) -> list[Any]:
    exceptions = [f"{e.advisory} until {e.expires} by {e.name}: {e.reason}" for e in tenant.exceptions]
    return [
        tenant.tenant,
        tenant.tier,
        tenant.image,
        tenant.baseline,
        *(tenant.counts[severity] for severity in SEVERITIES),
        tenant.failed,
        tenant.pending_reboot,
        tenant.database,
        tenant.scanned_at,
        tenant.patched_at,
        tenant.next_due,
        "; ".join(exceptions),
        "; ".join(tenant.breaches),
    ]


def _cell(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


@cache
def _environment() -> Environment:
    return Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, autoescape=True)
