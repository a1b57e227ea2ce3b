"""How long nobody was served, where an offline migration asks for that: from the first stop to the first good answer,
however the upgrade ends. It is a fact of the tenant, written before the old machine is stopped."""

from datetime import datetime
from typing import Any

from provisioner.model.ports import StepContext
from provisioner.ops.house import House

_FACT = "outage"


def begin(house: House, ctx: StepContext) -> None:
    """From here on nobody may be served. A second time changes nothing."""
    if _of(house, ctx.tenant, ctx.operation_id) is None:
        at = house.clock.now().isoformat()
        house.ledger.observe(ctx.tenant, _FACT, {"operation": ctx.operation_id, "at": at})


def end(house: House, tenant: str, operation_id: str, at: datetime | None = None) -> None:
    """There was a good answer (`at` that time, or now). Only the first one counts."""
    known = _of(house, tenant, operation_id)
    if known is not None and "until" not in known:
        until = at or house.clock.now()
        seconds = round((until - datetime.fromisoformat(known["at"])).total_seconds(), 1)
        house.ledger.observe(tenant, _FACT, {**known, "until": until.isoformat(), "seconds": seconds})


def seconds_of(house: House, tenant: str, operation_id: str) -> float | None:
    """How long that operation's was; None where there was none, or it isn't over."""
    found = (_of(house, tenant, operation_id) or {}).get("seconds")
    return None if found is None else float(found)


def lasts(house: House, ctx: StepContext) -> bool:
    """Whether nobody is served because of this operation."""
    known = _of(house, ctx.tenant, ctx.operation_id)
    return known is not None and "until" not in known


def _of(house: House, tenant: str, operation_id: str) -> Any:
    fact = house.ledger.fact(tenant, _FACT)
    return fact.value if fact is not None and fact.value["operation"] == operation_id else None
