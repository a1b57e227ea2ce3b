"""Operations: ids, looking at them, going on with them, handing them to a process of their own."""

import secrets
from typing import Any

from provisioner.model.clock import Clock
from provisioner.model.errors import UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation, OperationStatus
from provisioner.model.ports import Progress
from provisioner.ops.desired import confirm_caller
from provisioner.ops.house import House

UNFINISHED = (
    OperationStatus.QUEUED,
    OperationStatus.RUNNING,
    OperationStatus.FAILED,
    OperationStatus.INTERRUPTED,
)
CHANGING = (
    "new-tenant",
    "apply",
    "upgrade",
    "patch",
    "restore",
    "end-database",
    "suspend",
    "resume",
    "offboard",
    "retire",
)
"""Kinds that change what a tenant is. The others come and go beside them, and say nothing about its state."""


def new_id(clock: Clock) -> str:
    """An id that sorts by time: 11 hexadecimal digits of milliseconds, 6 random ones."""
    return f"{int(clock.now().timestamp() * 1000):011x}{secrets.token_hex(3)}"


def unfinished(house: House, tenant: str, *kinds: str) -> Operation | None:
    """The newest operation that changes the tenant (or, for kinds that don't, the newest of them), if it is of these
    kinds and did not end well."""
    among = CHANGING if not kinds or set(kinds) & set(CHANGING) else kinds
    newest = next(iter(house.ledger.operations(tenant=tenant, kinds=among, limit=1)), None)
    if newest is None or newest.status not in UNFINISHED or (kinds and newest.kind not in kinds):
        return None
    return newest


def stuck(house: House, tenant: str) -> Operation | None:
    """The upgrade that left a tenant on a release that isn't well, and can't be taken back, if nothing has mended that:
    what was tried since came to nothing."""
    kinds = tuple(kind for kind in CHANGING if kind != "apply")
    for found in house.ledger.operations(tenant=tenant, kinds=kinds, limit=100):
        if found.status is OperationStatus.STUCK:
            return found
        if found.kind != "upgrade" or found.status is not OperationStatus.UNDONE or found.payload["was"] == "active":
            return None
    return None


def supersede(house: House, operation: Operation, why: str) -> None:
    """An operation that failed or was cut off is not gone on with, because another does what is right now. One that
    may still run is left alone: its lease decides."""
    if operation.status in (OperationStatus.FAILED, OperationStatus.INTERRUPTED):
        house.ledger.set_operation(operation.id, OperationStatus.CANCELLED, error=why)


def points_in_use(house: House, tenant: str) -> set[str]:
    """Recovery points that an unfinished operation still needs, or a tenant that is stuck."""
    kinds = ("drill", "offboard", "patch", "rehearse", "restore", "retire", "upgrade")
    found: set[str] = set()
    left = stuck(house, tenant)
    needing = [*house.ledger.operations(tenant=tenant, statuses=UNFINISHED, kinds=kinds), *([left] if left else [])]
    for operation in needing:
        payload: Any = operation.payload
        parts = [payload.get("proof") or {}, payload.get("source") or {}, {"point": payload.get("final")}]
        if operation.kind in ("patch", "upgrade"):
            parts.append({"point": (payload.get("point") or {}).get("id")})
        found |= {str(part["point"]) for part in parts if part.get("point")}
    return found


def find(house: House, operation_id: str) -> Operation:
    """One operation with its steps, by id or unambiguous prefix. Raises UsageError where there is none."""
    found = house.ledger.operation(operation_id)
    if found is None:
        raise UsageError(f"there is no operation {operation_id}", hint="provision operations list")
    return found


def resume(house: House, operation_id: str, progress: Progress) -> JsonDict:
    """Go on where it stopped, with the input that it was given then."""
    operation = find(house, operation_id)
    if operation.status is OperationStatus.SUCCEEDED:
        raise UsageError(
            f"operation {operation.id} ({operation.kind} of {operation.tenant}) is done",
            hint=f"provision show {operation.tenant}",
        )
    confirm_caller(house, operation.payload, progress)
    return house.operations.resume(operation.id, progress)
