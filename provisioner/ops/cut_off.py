"""A restore that was cut off: which one it is, whatever came after it, and what leads out of it."""

from typing import Any

from provisioner.model.errors import RefusedError
from provisioner.model.ledger import Operation
from provisioner.model.lifecycle import Lifecycle
from provisioner.ops.desired import known_databases, thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.operations import UNFINISHED, unfinished

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
    """Raise RefusedError where a restore was cut off: what comes after it would hide it. One that runs has the lease,
    and that decides."""
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
