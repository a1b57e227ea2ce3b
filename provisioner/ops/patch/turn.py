"""One tenant of a rollout of patches: patched, and what came of it. Nothing is raised: an end is said."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from provisioner.model.errors import (
    AuthenticationError,
    CancelledError,
    LeaseHeldError,
    LeaseLostError,
    ProvisionError,
    RefusedError,
    RegistryError,
    UsageError,
)
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation, OperationStatus, StepStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.model.recovery import PointKind
from provisioner.model.rollout.fingerprint import own_cause, passing
from provisioner.model.rollout.states import StepState
from provisioner.ops.backup import active
from provisioner.ops.cut_off import refuse_cut_off
from provisioner.ops.desired import confirm_caller, freeze, present_args
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import new_id, supersede, unfinished
from provisioner.ops.patch.replace import ReplaceSteps, replaces
from provisioner.ops.patch.steps import PATCH, begun
from provisioner.ops.points import wanted
from provisioner.ops.rollout.step import Ended, Task, elsewhere, later, told

_CLOUD = timedelta(minutes=5)
_TRIES = 3
_ENDED = (OperationStatus.SUCCEEDED, OperationStatus.UNDONE)
_S = StepState


class PatchSteps:
    """Each step is an operation `patch`, which isn't taken back; or, where the tier says so, an `upgrade` to the same
    release on another OS release, which is."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._replacing = ReplaceSteps(house)

    def forward(self, task: Task, progress: Progress) -> Ended:
        """Install what is missing, or replace the machine."""
        if replaces(task) is not None:
            return self._replacing.forward(task, progress)
        return told(task, lambda: self._forward(task, progress), lambda: _S.INCONCLUSIVE)

    def back(self, task: Task, progress: Progress) -> Ended:
        """What was replaced gets a machine as before; what was installed stays."""
        if replaces(task) is not None:
            return self._replacing.back(task, progress)
        cause = f"patches can't be taken back: provision backup list {task.tenant} has the point from before"
        return Ended(task.tenant, _S.BROKEN, cause, operation=task.operation)

    def _forward(self, task: Task, progress: Progress) -> Ended:
        """What is begun comes to its end first. What something else came after is begun anew."""
        known = self._house.ledger.operation(task.operation)
        if known is not None and known.status in _ENDED:
            return self._ended(task, known)  # whoever drove the rollout before died before it was on the record
        waiting = unfinished(self._house, task.tenant, PATCH)
        if known is not None and (waiting is None or waiting.id != known.id):
            supersede(self._house, known, "something else has changed the tenant meanwhile")
        if waiting is not None:
            ended = self._carried_out(task, waiting.id, waiting.payload, progress)
            if waiting.payload["rollout"] == task.rollout or ended.state is not _S.SUCCEEDED:
                return ended
        operation = task.operation if known is None else new_id(self._house.clock)
        try:
            found = self._new(task, operation)
        except RegistryError as error:  # somebody may be editing it
            return later(self._house, task, error.message)
        return found if isinstance(found, Ended) else self._carried_out(task, operation, found, progress)

    def _new(self, task: Task, operation: str) -> JsonDict | Ended:
        """The frozen input."""
        house, record = self._house, self._house.ledger.tenant(task.tenant)
        if record is not None and record.lifecycle in (Lifecycle.UPDATING, Lifecycle.RESTORING):
            return elsewhere(house, task, f"it is {record.lifecycle}")
        registry, planned = house.registry().load(), task.plan.tenants[task.tenant]
        rollout = house.ledger.rollout(task.rollout)
        try:
            refuse_cut_off(house, task.tenant, "patched")
            return propose(
                house,
                registry,
                task.tenant,
                operation,
                gate=asdict(task.plan.strategy.gate),
                when=task.plan.when(task.tenant),
                mends=planned.mends,
                rollout=task.rollout,
                by=rollout.by if rollout else None,
            )
        except RegistryError:
            raise
        except (UsageError, RefusedError) as error:
            return Ended(task.tenant, _S.QUARANTINED, error.message)

    def _carried_out(self, task: Task, operation: str, payload: JsonDict, progress: Progress) -> Ended:
        confirm_caller(self._house, payload, progress)
        try:
            self._house.operations.run(PATCH, operation, task.tenant, payload, progress)
        except LeaseHeldError as error:
            if self._house.ledger.operation(operation) is not None:
                raise
            return later(self._house, task, error.message)
        except (AuthenticationError, CancelledError, LeaseLostError):
            raise
        except ProvisionError:
            known = self._house.ledger.operation(operation)
            if known is None:
                raise
            return self._ended(task, known)
        return Ended(task.tenant, _S.SUCCEEDED, operation=operation)

    def _ended(self, task: Task, operation: Operation) -> Ended:
        """By what is on the record of an operation, with its steps."""
        if operation.status is OperationStatus.SUCCEEDED:
            return Ended(task.tenant, _S.SUCCEEDED, operation=operation.id)
        cause = operation.error or "no cause is known"
        if operation.status is OperationStatus.UNDONE:
            return Ended(task.tenant, _undone(operation, cause), cause, operation=operation.id)
        failed = next((s for s in operation.steps if s.status is StepStatus.FAILED), None)
        touched = "install" in begun(self._house, operation.id)
        if not touched and passing(cause) and failed is not None and failed.attempts < _TRIES:
            pause = _CLOUD * failed.attempts
            return Ended(task.tenant, _S.WAITING, cause, not_before=self._house.clock.now() + pause)
        return Ended(task.tenant, self._left(task.tenant, cause, touched=touched), cause, operation=operation.id)

    def _left(self, tenant: str, cause: str, *, touched: bool) -> StepState:
        """How a step that failed has left the tenant."""
        if not touched:
            return _S.QUARANTINED if own_cause(cause) else _S.FAILED
        record = self._house.ledger.tenant(tenant)
        return _S.BROKEN if record is not None and record.lifecycle is Lifecycle.FAILED else _S.INCONCLUSIVE


def propose(house: House, registry: RegistryView, tenant_id: str, operation_id: str, **more: Any) -> JsonDict:
    """The frozen input of a `patch`. Raises UsageError for a tenant that isn't active."""
    tenant = registry.tenant(tenant_id)
    release = active(house, tenant_id, "patched")
    args = present_args(house, registry, tenant, release)
    policy, now = tenant.backup, house.clock.now()
    return freeze(
        house,
        registry,
        tenant,
        args,
        point=wanted(tenant_id, policy, operation_id, PointKind.BEFORE_PATCH, now, days=policy.keep_replaced_days),
        policy=tenant.patch.json(),
        exceptions=[e.json() for e in tenant.patch_exceptions],
        hooks=dict(known.patch_hooks) if (known := registry.releases.get(release)) else {},
        operation=operation_id,
        **more,
    )


def _undone(operation: Operation, cause: str) -> StepState:
    """The state of one that came to nothing, or to less than it should."""
    results: dict[str, Any] = {s.name: s.result for s in operation.steps}
    found: Any = next((r for r in results.values() if r.get("failure")), {})
    if found.get("not_now") or any(results.get(name, {}).get("late") for name in ("reboot", "database")):
        return _S.WAITING
    if found.get("sick") or own_cause(cause):
        return _S.QUARANTINED
    return _S.FAILED
