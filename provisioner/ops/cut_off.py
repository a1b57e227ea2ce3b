"""A restore or an upgrade that was cut off: which one it is, whatever came after it, and what leads out of it."""

from typing import Any

from provisioner.model.errors import LeaseHeldError, RefusedError
from provisioner.model.ledger import Operation, OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import StepContext
from provisioner.model.rollout.states import FLIGHT, OVER
from provisioner.ops.desired import known_databases, thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.operations import CHANGING, UNFINISHED, unfinished
from provisioner.ops.upgrade.outcome import Ending, outcome_of

_DATABASE = "aws:rds/instance:Instance"


def cut_off(house: House, tenant_id: str) -> Operation | None:
    """The restore of a tenant that waits to be gone on with or given up, with its steps: what changed the tenant last,
    or an older one whose database is in the stack's state still. One whose database was found wanting is over."""
    newest = unfinished(house, tenant_id, "restore")
    for found in house.ledger.operations(tenant=tenant_id, kinds=("restore",), statuses=UNFINISHED):
        whole = house.ledger.operation(found.id)
        if whole is None or _over(house, whole):
            continue
        if (newest is not None and newest.id == whole.id) or _left(house, whole):
            return whole
    return None


def fenced(restore: Operation) -> bool:
    """Whether it has begun to close the database that served: from there it only goes forward."""
    return any(s.name == "fence" for s in restore.steps)


def way_out(restore: Operation) -> str:
    """What to run next."""
    on = f"provision operations resume {restore.id}"
    return on if fenced(restore) else f"{on}, or provision restore {restore.tenant} --abandon"


def refuse_cut_off(house: House, tenant_id: str, what: str) -> None:
    """Raise RefusedError where a restore or an upgrade was cut off: what comes after it would hide it. One that runs
    has the lease, and that decides."""
    refuse_upgrading(house, tenant_id, what)
    if house.ledger.lease(tenant_id) is not None:
        return
    restore = cut_off(house, tenant_id)
    if restore is not None:
        raise RefusedError(
            f"{tenant_id} can't be {what}: its restore {restore.id} was cut off, and its database is there; nothing "
            "was changed",
            hint=way_out(restore),
        )


def _over(house: House, restore: Operation) -> bool:
    record = house.ledger.tenant(restore.tenant)
    refused = any("refused" in s.result for s in restore.steps if s.name == "verify")
    return refused and (record is None or record.lifecycle is not Lifecycle.RESTORING)


def _left(house: House, restore: Operation) -> bool:
    """Whether its database is in the stack's state, and on the record of none that serves or served."""
    made: Any = restore.payload["made"]
    if all(s.name != "beside" for s in restore.steps):
        return False
    if any(d.suffix == made["suffix"] for d in known_databases(house, restore.tenant)):
        return False
    target = thaw_target(restore.payload)
    house.ready(target)
    deployment: Any = house.engine(target).export(house.stack(thaw_args(restore.payload)))
    resources = deployment["deployment"].get("resources", ()) if deployment else ()
    return any(str(r.get("urn", "")).endswith(f"{_DATABASE}::database-{made['suffix']}") for r in resources)


def upgrading(house: House, tenant_id: str) -> Operation | None:
    """The upgrade of a tenant that waits to be gone on with: what changed the tenant last, or an older one after which
    the database has still to be restored."""
    return unfinished(house, tenant_id, "upgrade") or unrestored(house, tenant_id)


def unrestored(house: House, tenant_id: str) -> Operation | None:
    """The upgrade, with its steps, after which the database has still to be restored before the tenant is as before,
    whatever came after it; a restore may be begun."""
    kinds = ("upgrade", "restore", "new-tenant", "retire")
    for found in house.ledger.operations(tenant=tenant_id, kinds=kinds, limit=100):
        if found.kind != "upgrade":
            if found.status is OperationStatus.SUCCEEDED:
                return None
            continue
        whole = house.ledger.operation(found.id)
        ending = outcome_of(whole).ending if whole else Ending.OPEN
        if ending in {Ending.UNDONE, Ending.SICK, Ending.NOT_NOW}:
            continue
        return whole if ending is Ending.RESTORE else None
    return None


def refuse_upgrading(house: House, tenant_id: str, what: str) -> None:
    """Raise RefusedError where an upgrade was cut off. One that runs has the lease, and that decides."""
    if house.ledger.lease(tenant_id) is None:
        upgrade = upgrading(house, tenant_id)
        if upgrade is not None:
            raise refusal(house, upgrade, what)


def refusal(house: House, upgrade: Operation, what: str) -> RefusedError | LeaseHeldError:
    """Why a tenant can't be changed: its upgrade waits to be gone on with, or runs."""
    tenant, release = upgrade.tenant, release_of(upgrade)
    if house.ledger.lease(tenant) is not None:
        return LeaseHeldError(
            f"{tenant} can't be {what}: it is being moved to {release} by upgrade {upgrade.id}",
            hint=f"the same command again when it is over: provision operations show {upgrade.id}",
        )
    owed = upgrade.status not in UNFINISHED
    why = "has left its database to be restored" if owed else "was cut off"
    return RefusedError(
        f"{tenant} can't be {what}: its upgrade {upgrade.id} to {release} {why}; nothing was changed",
        hint=way_on(house, upgrade),
    )


def way_on(house: House, upgrade: Operation) -> str:
    """What to run next: by its rollout, as long as that isn't over."""
    tenant, rollout = upgrade.tenant, upgrade.payload.get("rollout")
    record = house.ledger.rollout(str(rollout)) if rollout else None
    if record is None or record.status in OVER:
        return f"provision upgrade {tenant} --to {release_of(upgrade)}"
    if any(row.tenant == tenant and row.state not in FLIGHT for row in record.rows):
        return f"provision rollout retry-failed {tenant} --rollout {record.id}"
    return f"provision rollout resume {record.id}"


def release_of(upgrade: Operation) -> str:
    """Where it goes."""
    args: Any = upgrade.payload["args"]
    return str(args["release"])


def overtaken(house: House, ctx: StepContext) -> Operation | None:
    """What else has changed the tenant since this operation began."""
    newest = next(iter(house.ledger.operations(tenant=ctx.tenant, kinds=CHANGING, limit=1)), None)
    return newest if newest is not None and newest.id != ctx.operation_id else None


def refuse_overtaken(house: House, ctx: StepContext) -> None:
    """Before an upgrade goes on: raise RefusedError where something else has changed the tenant since it was cut off.
    One that left the tenant stuck changes nothing any more: it only looks."""
    undo = ctx.results.get("undo", {})
    if undo.get("undone") is False and not undo.get("restore"):
        return
    newest = overtaken(house, ctx)
    if newest is not None:
        raise RefusedError(
            f"upgrade {ctx.operation_id} of {ctx.tenant} can't go on: {newest.kind} {newest.id} has changed "
            f"{ctx.tenant} since; nothing was changed",
            hint=f"provision show {ctx.tenant}",
        )
