"""Waivers, to and from an operation's payload."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from provisioner.model.json import JsonDict
from provisioner.model.tenant import Tenant, Waiver


def freeze_waivers(tenant: Tenant) -> list[JsonDict]:
    """JSON of the tenant's waivers."""
    return [
        {
            "resource": w.resource,
            "operation": w.operation,
            "name": w.name,
            "reason": w.reason,
            "expires": w.expires.isoformat(),
        }
        for w in tenant.waivers
    ]


def thaw_waivers(payload: Mapping[str, Any]) -> tuple[Waiver, ...]:
    """Back from JSON; none where the payload has none."""
    return tuple(Waiver(**{**w, "expires": date.fromisoformat(w["expires"])}) for w in payload.get("waivers", []))
