"""`provision skew`: who is off the main line, by registry and ledger alone."""

from collections.abc import Sequence
from datetime import datetime

from provisioner.model.fleet.skew import Line, Skew, skew
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.tenant import Tenant
from provisioner.ops.house import House, RegistryView

_ROLLOUTS = 200
_WITH_ROWS = 30
"""The newest rollouts, of which it is known who failed."""


def look(house: House, registry: RegistryView, tenants: Sequence[Tenant]) -> list[Skew]:
    """Who is off, the farthest behind first; those that are ahead come last."""
    now, records = house.clock.now(), {r.id: r for r in house.records()}
    line = Line(
        registry.default_channel,
        registry.channels[registry.default_channel],
        registry.releases,
        _rollouts(house),
    )
    found = []
    for tenant in tenants:
        record = records.get(tenant.id)
        if record is None or record.lifecycle is Lifecycle.RETIRED or record.assigned_release in (None, line.main):
            continue
        one = skew(tenant, record, line, _assigned_at(house, tenant.id), now)
        found += [one] if one is not None else []
    return sorted(found, key=lambda s: (-s.behind, s.tenant))


def _rollouts(house: House) -> list[RolloutRecord]:
    """Upgrades, newest first; the newest of them with their rows."""
    listed = [r for r in house.ledger.rollouts(limit=_ROLLOUTS) if r.plan.work == "upgrade"]
    return [house.ledger.rollout(r.id) or r for r in listed[:_WITH_ROWS]] + listed[_WITH_ROWS:]


def _assigned_at(house: House, tenant_id: str) -> datetime | None:
    entries = house.ledger.journal(tenant=tenant_id, limit=500)
    return next((entry.at for entry in entries if entry.kind == "release-assigned"), None)
