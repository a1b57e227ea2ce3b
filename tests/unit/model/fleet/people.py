"""Tenants as they stand on record."""

from datetime import UTC, datetime, timedelta
from typing import Any

from provisioner.model.fleet.needs import Need
from provisioner.model.fleet.rules import needs_of
from provisioner.model.fleet.standing import Known
from provisioner.model.ledger import Fact, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from tests.unit.ops.fakes import tenant

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RECENT = NOW - timedelta(minutes=10)
WELL: dict[str, Any] = {
    "health": {"status": "healthy", "release": "1.0.0"},
    "alarms": {"firing": [], "silent": [], "of": 7},
    "forecast": {"resource": None, "at": None, "earliest": None, "not_before": "2027-06-01T00:00:00+00:00"},
    "drift": {"changes": 0, "regression": 0, "outage": 0, "unknown": 0, "harmless": 0, "planned": 0},
    "patch": {"critical": 0, "failed": 0, "deadline_missed": 0, "pending_reboot": False, "next_deadline": None},
    "backup": {"point": "acme-1", "taken_at": RECENT.isoformat()},
    "drill": {"verdict": "passed", "proven_at": RECENT.isoformat()},
}


def record(tenant_id: str = "acme", lifecycle: Lifecycle = Lifecycle.ACTIVE, **facts: Any) -> TenantRecord:
    """A record, well but for the facts that are said (None: never seen; a tuple: with its age)."""
    found = {}
    for name, value in {**WELL, **facts}.items():
        if value is not None:
            body, seen = value if isinstance(value, tuple) else (value, RECENT)
            found[name] = Fact(body, seen)
    return TenantRecord(tenant_id, "sandbox", lifecycle, "1.0.0", "digest", None, NOW - timedelta(days=90), found)


def acme(**facts: Any) -> Known:
    """An active tenant, well but for these facts."""
    return Known("acme", tenant(), record(**facts))


def needs(known: Known) -> dict[str, Need]:
    """By key."""
    return {n.key: n for n in needs_of(known, NOW)}
