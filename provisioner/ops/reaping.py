"""Quarantines that a dead process left: whose they are, and their end without going on with what made them.

A drill is simply gone on with. A goodbye waits for whoever began it, but what it made to prove a recovery point must
not: that stands with a customer's data in it. Whoever goes on makes and looks at another one.
"""

from collections.abc import Iterator
from dataclasses import replace

from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation, OperationStatus, StepStatus
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, Progress, StepContext
from provisioner.ops.allowed import refuse_drilled
from provisioner.ops.desired import confirm_caller
from provisioner.ops.house import House
from provisioner.ops.operations import UNFINISHED, find, new_id
from provisioner.ops.quarantine import Quarantine

_ENDED = "ended"
_STEPS = ("restore", "verify", "migrate", "probe", "clear")


def left(house: House, kind: str) -> Iterator[Operation]:
    """Unfinished operations of a kind that nobody is at, with their steps, whose quarantine may stand."""
    for operation in house.ledger.operations(kinds=(kind,), statuses=UNFINISHED, limit=200):
        whole = find(house, operation.id)
        if _stands(whole) and house.ledger.lease(whole.tenant) is None:
            yield whole


def reap(house: House, operation_id: str, progress: Progress) -> bool:
    """End the quarantine of one that nobody is at. Returns whether there was something to do. Raises LeaseHeldError."""
    operation = find(house, operation_id)
    if operation.status not in UNFINISHED or not _stands(operation):
        return False
    payload = {k: operation.payload[k] for k in ("registry", "target", "args", "digest")} | {"of": operation.id}
    confirm_caller(house, payload, progress)
    house.operations.run("reap", new_id(house.clock), operation.tenant, payload, progress)
    return True


def clear_all(house: House, ctx: StepContext) -> None:
    """End all quarantines of a tenant that is destroyed, and what would go on in them. Raises LeaseHeldError."""
    kinds = ("drill", "rehearse", "offboard")
    for operation in house.ledger.operations(tenant=ctx.tenant, kinds=kinds, statuses=UNFINISHED):
        refuse_drilled(house, ctx.tenant)
        whole = find(house, operation.id)
        if _stands(whole):
            _end(house, ctx, whole)
        house.ledger.set_operation(whole.id, OperationStatus.CANCELLED, error="its tenant is destroyed")


class Reap:
    """Steps of `reap`, over one house. It has the tenant's lease: nobody goes on with the other operation meanwhile."""

    def __init__(self, house: House) -> None:
        self._house = house

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        steps = (OperationStepDefinition("clear", self.clear),)
        return {"reap": OperationDefinition("reap", "a quarantine that was left is being ended", steps)}

    def clear(self, ctx: StepContext) -> JsonDict:
        """End it, if it still stands."""
        operation = find(self._house, str(ctx.payload["of"]))
        if operation.status in UNFINISHED and _stands(operation):
            _end(self._house, ctx, operation)
        return {"of": operation.id}


def _stands(operation: Operation) -> bool:
    """Whether its quarantine was begun, and its end isn't on the record."""
    steps = {s.name: s for s in operation.steps}
    begun, cleared = steps.get("restore"), steps.get("clear")
    over = cleared is not None and cleared.status is StepStatus.DONE
    return begun is not None and not begun.result.get(_ENDED) and not over


def _end(house: House, ctx: StepContext, operation: Operation) -> None:
    """Destroy it. What was found in it must be found again by whoever goes on; that its steps are to be done once more
    is recorded from the last one back, for the first one says that there is none."""
    Quarantine(house).clear(replace(ctx, payload=operation.payload))
    for step in reversed(operation.steps):
        if step.name in _STEPS:
            words = "its quarantine was ended"
            house.ledger.record_step(operation.id, step.name, StepStatus.FAILED, result={_ENDED: True}, error=words)
