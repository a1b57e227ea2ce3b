"""The firewall with what only ledger and state know: what held data once, and a restore that was cut off."""

from collections.abc import Collection
from typing import Any

from provisioner.model import firewall
from provisioner.model.change import Plan, StepOp
from provisioner.model.errors import RefusedError
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Stack
from provisioner.model.tenant import Target, Waiver
from provisioner.ops.allowed import has_data
from provisioner.ops.cut_off import cut_off, way_out
from provisioner.ops.house import House


def check(
    house: House,
    tenant_id: str,
    target: Target,
    stack: Stack,
    plan: Plan,
    waivers: tuple[Waiver, ...],
    *,
    makes: Collection[str] = (),
) -> None:
    """Raise RefusedError (exit 6) for a plan that may not run. `makes`: names of the databases that this operation is
    there to make."""
    lost = _lost(house, tenant_id, target, stack, plan, makes)
    try:
        firewall.check(tenant_id, plan, waivers, house.clock.now().date(), lost=lost)
    except RefusedError as error:
        restore = cut_off(house, tenant_id)
        if restore is None:
            raise
        words = f"{error.message}\nits restore {restore.id} was cut off"
        raise RefusedError(words, hint=way_out(restore)) from error


def _lost(
    house: House, tenant_id: str, target: Target, stack: Stack, plan: Plan, makes: Collection[str]
) -> frozenset[str]:
    """URNs of what would be made again, and empty: a database of a tenant that has data, and whatever else the state
    says that there was."""
    created = [s for s in plan.steps if s.op is StepOp.CREATE and s.type in firewall.EMPTY_AGAIN]
    record = house.ledger.tenant(tenant_id) if created else None
    if record is None or record.lifecycle is Lifecycle.RETIRED or not has_data(record):
        return frozenset()
    lost = {s.urn for s in created if s.type == firewall.DATABASE and s.name not in makes}
    others = {s.urn for s in created if s.type != firewall.DATABASE}
    if others:
        deployment: Any = house.engine(target).export(stack)
        resources = deployment["deployment"].get("resources", ()) if deployment else ()
        lost |= others & {r.get("urn") for r in resources}
    return frozenset(lost)
