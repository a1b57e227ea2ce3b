"""`provision suspend` and `resume`, from the words to the result."""

from dataclasses import dataclass, field

from provisioner.cli.ask import confirm
from provisioner.cli.framework import Session
from provisioner.cli.progress import progress
from provisioner.cli.running import tell_callers
from provisioner.model import prices
from provisioner.ops import rest


@dataclass(frozen=True, slots=True)
class Suspended:
    """A suspended tenant. `costs`: USD a month at AWS's list prices, approximately; None where a part is unknown."""

    tenant: str
    state: str
    point: str
    before: float | None
    now: float | None
    costs: dict[str, float | None] = field(default_factory=dict)
    next: str | None = None


def suspended(session: Session, tenant_id: str) -> Suspended:
    """Stop it, and say what it still costs."""
    house = session.app
    operation_id, payload = rest.propose_suspend(house, tenant_id)
    tell_callers(session, [payload])
    confirm(f"Stop {tenant_id}? Its URL will not answer.", yes=session.yes)
    with progress() as sink:
        result = rest.carry_out(house, "suspend", tenant_id, operation_id, payload, sink)
    costs = prices.monthly(house.registry().load().tenant(tenant_id).sizing)
    return Suspended(
        tenant_id,
        "suspended",
        str(result["point"]),
        _cents(prices.total(costs)),
        _cents(prices.total(costs, suspended=True)),
        {c.item: _cents(c.usd) for c in costs if c.while_suspended},
        next=f"provision resume {tenant_id}",
    )


def _cents(dollars: float | None) -> float | None:
    return None if dollars is None else round(dollars, 2)


def resumed(session: Session, tenant_id: str) -> object:
    """Start it again."""
    from provisioner.cli.results import Made

    house = session.app
    operation_id, payload = rest.propose_resume(house, tenant_id)
    with progress() as sink:
        result = rest.carry_out(house, "resume", tenant_id, operation_id, payload, sink)
    return Made(tenant_id, "active", url=str(result["url"]), operation=operation_id, next=f"provision show {tenant_id}")
