"""May a tenant be destroyed? Asked under the lease, when it begins: what was true when somebody proposed it, hours ago
or at a prompt, may not be true any more."""

from datetime import date
from typing import Any

from provisioner.model.errors import LeaseHeldError, RefusedError
from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import StepContext
from provisioner.model.recovery import PointStatus, Verdict
from provisioner.model.stack import StackArgs
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House

_DATABASE = "aws:rds/instance:Instance"


def due_day(record: TenantRecord | None) -> date | None:
    """The day on which a suspended tenant may be retired; None where it isn't being offboarded."""
    fact = record.facts.get("offboarding") if record else None
    if fact is None or record is None or record.lifecycle is not Lifecycle.SUSPENDED or not fact.value.get("due"):
        return None
    return date.fromisoformat(str(fact.value["due"]))


def has_data(record: TenantRecord) -> bool:
    """Whether the tenant's database was ever set up: before that there is nothing that could be lost."""
    return "bootstrap" in record.facts


def has_database(house: House, args: StackArgs, target: Any) -> bool:
    """Whether the engine's state has a database, whatever a ledger says."""
    house.ready(target)
    deployment: Any = house.engine(target).export(house.stack(args))
    return deployment is not None and any(r["type"] == _DATABASE for r in deployment["deployment"].get("resources", ()))


def refuse_unknown(house: House, tenant_id: str, payload: Any) -> None:
    """Without a last recovery point only that may go which this ledger knows never to have had data. A database that it
    didn't see being made is another ledger's tenant. Raises RefusedError."""
    record = house.ledger.tenant(tenant_id)
    if record is not None and has_data(record):
        raise RefusedError(
            f"tenant {tenant_id} has data and no proven last recovery point, so nothing is destroyed",
            hint=f"provision show {tenant_id}",
        )
    if _made_here(house, tenant_id) or not has_database(house, thaw_args(payload), thaw_target(payload)):
        return
    raise RefusedError(
        f"there is a database of {tenant_id}, and this ledger doesn't know {tenant_id}; nothing is destroyed",
        hint="is PROVISION_LEDGER right?",
    )


def refuse_early(house: House, ctx: StepContext) -> None:
    """The first attempt at a destruction: the tenant must still wait for it, with this very point, and that one must be
    good, and no drill of it may run. Raises RefusedError, LeaseHeldError."""
    operation = house.ledger.operation(ctx.operation_id)
    if operation is not None and operation.steps:
        return  # it has begun: from there it only goes forward
    refuse_drilled(house, ctx.tenant)
    final = ctx.payload.get("final")
    if final is None:
        refuse_unknown(house, ctx.tenant, ctx.payload)
        return
    record, point = house.ledger.tenant(ctx.tenant), house.ledger.point(str(final))
    if record is None or due_day(record) is None or record.facts["offboarding"].value.get("point") != final:
        raise RefusedError(
            f"tenant {ctx.tenant} doesn't wait for its destruction any more; nothing is destroyed",
            hint=f"provision show {ctx.tenant}",
        )
    good = point is not None and point.proven_at is not None and point.verdict is not Verdict.FAILED
    if point is None or not good or point.status is not PointStatus.AVAILABLE:
        raise RefusedError(
            f"the last recovery point of {ctx.tenant}, {final}, isn't there, or isn't proven; nothing is destroyed",
            hint=f"provision drill {ctx.tenant} --point {final}, or provision resume {ctx.tenant}",
        )


def refuse_drilled(house: House, tenant_id: str) -> None:
    """Raise LeaseHeldError, which names it, while a drill or a rehearsal of the tenant runs: what it makes would be
    left."""
    for kind in ("drill", "rehearse"):
        lease = house.ledger.lease(f"{tenant_id}/{kind}")
        if lease is None:
            continue
        raise LeaseHeldError(
            f"{kind} {lease.operation_id} of {tenant_id} is under way, by {lease.holder.user} on {lease.holder.host} "
            f"(pid {lease.holder.pid}): what it makes would be left, so {tenant_id} can't be destroyed yet",
            hint=f"the same command again when provision operations show {lease.operation_id} says that it has ended",
        )


def _made_here(house: House, tenant_id: str) -> bool:
    """Whether this ledger's last `new-tenant` came as far as the stack."""
    last = next(iter(house.ledger.operations(tenant=tenant_id, kinds=("new-tenant",), limit=1)), None)
    whole = house.ledger.operation(last.id) if last else None
    return whole is not None and any(s.name == "stack" for s in whole.steps)
