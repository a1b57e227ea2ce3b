"""One tenant to another release, to the end: the upgrade and, where its database has to go back, the restore of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from provisioner.model.errors import ProvisionError, UndoneError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation, OperationStatus
from provisioner.model.ports import Progress
from provisioner.ops import restoring
from provisioner.ops.cut_off import release_of, unrestored
from provisioner.ops.desired import confirm_caller
from provisioner.ops.house import House
from provisioner.ops.operations import UNFINISHED, find, stuck, unfinished
from provisioner.ops.upgrade.outage import end, seconds_of
from provisioner.ops.upgrade.outcome import Ending, Outcome, outcome_of

_RUNS = (*UNFINISHED, OperationStatus.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Upgraded:
    """How it ended. `result`: of an upgrade that succeeded; `error`: what was raised by one that didn't."""

    operation: str
    outcome: Outcome
    result: JsonDict | None = None
    error: ProvisionError | None = None


def waiting(house: House, tenant_id: str, version: str | None) -> Operation | None:
    """An upgrade that was cut off, or one to this release that left the tenant stuck: that is looked at again. Raises
    UsageError where it was to another release than is asked for now."""
    found = unfinished(house, tenant_id, "upgrade")
    if found is None:
        left = stuck(house, tenant_id) if version is not None else None
        return left if left is not None and release_of(left) == version else None
    _same(found, version)
    return found


def begun(house: House, tenant_id: str, version: str | None) -> Operation | None:
    """What `provision upgrade` goes on with: one that was cut off, one that left the tenant stuck, or one whose
    database still has to be restored. Raises as `waiting` does."""
    found = waiting(house, tenant_id, version)
    if found is None and (found := unrestored(house, tenant_id)) is not None:
        _same(found, version)
    return found


def carry_out(house: House, tenant_id: str, operation_id: str, payload: JsonDict, progress: Progress) -> Upgraded:
    """Upgrade, and restore the database where that is what undoing takes. Never raises what is the release's fault:
    the outcome says it. Run again after a kill, it goes on; one that left the tenant stuck looks whether it is well."""
    done = _carried_out(house, tenant_id, operation_id, payload, progress)
    return replace(done, outcome=replace(done.outcome, outage_seconds=seconds_of(house, tenant_id, operation_id)))


def _carried_out(house: House, tenant_id: str, operation_id: str, payload: JsonDict, progress: Progress) -> Upgraded:
    known = house.ledger.operation(operation_id)
    if known is None or known.status in _RUNS or _stuck_still(house, known):
        confirm_caller(house, payload, progress)
        try:
            result = house.operations.run("upgrade", operation_id, tenant_id, payload, progress)
        except ProvisionError as error:
            known = house.ledger.operation(operation_id)
            if known is None:
                raise  # somebody else is at the tenant
            outcome = outcome_of(known)
            if outcome.ending is Ending.OPEN:
                raise
            if outcome.ending is not Ending.RESTORE:
                return Upgraded(operation_id, outcome, error=error)
        else:
            return Upgraded(operation_id, Outcome(Ending.UPGRADED), result)
    outcome = outcome_of(find(house, operation_id))
    told = UndoneError(f"{tenant_id}: {outcome.cause}", hint=f"provision operations show {operation_id}")
    if outcome.ending is Ending.RESTORE and outcome.point is not None:
        _restore(house, tenant_id, outcome.point, progress)
        end(house, tenant_id, operation_id, _served_again(house, tenant_id))
        outcome = Outcome(Ending.UNDONE, outcome.cause, outcome.step, outcome.point)
    return Upgraded(operation_id, outcome, error=told)


def _stuck_still(house: House, operation: Operation) -> bool:
    left = stuck(house, operation.tenant)
    return left is not None and left.id == operation.id


def _same(known: Operation, version: str | None) -> None:
    """Raise UsageError where something else is asked for than was begun."""
    release, tenant = release_of(known), known.tenant
    if version not in (None, release):
        raise UsageError(
            f"an upgrade of {tenant} to {release} was cut off, and {version} is something else",
            hint=f"go on with it first: provision upgrade {tenant} --to {release}",
        )


def _served_again(house: House, tenant_id: str) -> datetime | None:
    """When the newest restore had its first good answer."""
    newest = next(iter(house.ledger.operations(tenant=tenant_id, kinds=("restore",), limit=1)), None)
    steps = find(house, newest.id).steps if newest else ()
    return next((s.ended_at for s in steps if s.name == "health"), None)


def _restore(house: House, tenant_id: str, point: str, progress: Progress) -> None:
    """From the point that was taken when nobody served. One that was cut off goes on; one that is done is done."""
    done = house.ledger.operations(tenant=tenant_id, kinds=("restore",), statuses=(OperationStatus.SUCCEEDED,), limit=5)
    if any(_of(operation, point) for operation in done):
        return
    restoring.carry_out(house, restoring.propose(house, tenant_id, point), progress)


def _of(operation: Operation, point: str) -> bool:
    source: Any = operation.payload.get("source") or {}
    return bool(source.get("point") == point)
