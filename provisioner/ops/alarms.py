"""A look at a tenant's alarms, on the record as its fact `alarms`."""

from datetime import UTC

from provisioner.model.json import JsonDict
from provisioner.model.tenant import Tenant
from provisioner.ops.house import House

FACT = "alarms"


def look(house: House, tenant: Tenant) -> JsonDict:
    """Record those that fire with their reasons, and those that are silent."""
    house.ready(tenant.target)
    found = house.cloud(tenant.target, tenant.region).alarms(tenant.id)
    value: JsonDict = {
        "firing": [
            {"name": a.name, "reason": a.reason, "since": a.since.astimezone(UTC).isoformat(timespec="seconds")}
            for a in found
            if a.state == "firing"
        ],
        "silent": [a.name for a in found if a.state == "silent"],
        "of": len(found),
    }
    house.ledger.observe(tenant.id, FACT, value)
    return value
