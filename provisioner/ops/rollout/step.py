"""One tenant of a rollout: moved to the release, or taken back, and what came of it. Nothing is raised: an end is said.

Whoever drives the rollout has recorded the operation's id before it is begun, so that a process that comes after it
finds the operation and goes on with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from provisioner.model.errors import (
    CancelledError,
    LeaseHeldError,
    LeaseLostError,
    ProvisionError,
    RefusedError,
    RegistryError,
    UsageError,
)
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.model.recovery import Verdict
from provisioner.model.redact import redact
from provisioner.model.rollout.fingerprint import own_cause, passing
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.states import StepState
from provisioner.ops import restoring
from provisioner.ops.cut_off import unrestored
from provisioner.ops.house import House
from provisioner.ops.rehearse import rehearse_one, rehearsed
from provisioner.ops.rollout.before import point_before
from provisioner.ops.rollout.release import changed
from provisioner.ops.upgrade.outcome import Ending, Outcome
from provisioner.ops.upgrade.propose import propose
from provisioner.ops.upgrade.run import carry_out, waiting

_AGAIN = timedelta(seconds=60)
_CLOUD = timedelta(minutes=5)
_TRIES = 3
"""What is the cloud's own trouble is charged to the release when it came so often: it may be the release's."""
_S = StepState


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done. `operation`: the id under which it is done, or goes on."""

    rollout: str
    plan: RolloutPlan
    tenant: str
    operation: str


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of it. `state`: None where it isn't over and can be gone on with; `not_before`: where it is to be tried
    again, not earlier than that; `operation`: what did it."""

    tenant: str
    state: StepState | None
    cause: str | None = None
    not_before: datetime | None = None
    operation: str | None = None


class Steps(Protocol):
    """How one tenant is moved. Called from threads of their own."""

    def forward(self, task: Task, progress: Progress) -> Ended:
        """To the release."""

    def back(self, task: Task, progress: Progress) -> Ended:
        """To where it was before. Its state is REVERTED where it is there."""


def told(task: Task, work: Callable[[], Ended], unclear: Callable[[], StepState]) -> Ended:
    """What came of it, whatever is raised. `unclear`: the state where it can't be told."""
    try:
        return work()
    except (CancelledError, LeaseLostError, LeaseHeldError, RegistryError) as error:
        return Ended(task.tenant, None, error.message)
    except ProvisionError as error:
        return Ended(task.tenant, unclear(), error.message, operation=task.operation)
    except Exception as error:  # noqa: BLE001 - one tenant's trouble must not end the rollout without a word
        cause = redact(f"{type(error).__name__}: {error}")
        return Ended(task.tenant, _S.INCONCLUSIVE, cause, operation=task.operation)


def elsewhere(house: House, task: Task, why: str) -> Ended:
    """Something else isn't over: waited for where somebody is at it. Where nobody is, it isn't as before."""
    if house.ledger.lease(task.tenant) is not None:
        return later(house, task, why)
    return Ended(task.tenant, _S.INCONCLUSIVE, f"{why}, and nobody is at it")


def later(house: House, task: Task, why: str) -> Ended:
    """It is tried again in a moment."""
    return Ended(task.tenant, _S.WAITING, why, not_before=house.clock.now() + _AGAIN)


class UpgradeSteps:
    """Each step is an operation `upgrade`, or a restore where going back takes that."""

    def __init__(self, house: House) -> None:
        self._house = house

    def forward(self, task: Task, progress: Progress) -> Ended:
        """To the release; where the strategy wants it, after a rehearsal."""
        return self._told(task, lambda: self._forward(task, progress))

    def back(self, task: Task, progress: Progress) -> Ended:
        """To where it was before."""
        return self._told(task, lambda: self._back(task, progress))

    def _told(self, task: Task, work: Callable[[], Ended]) -> Ended:
        return told(task, work, lambda: _S.BROKEN if unrestored(self._house, task.tenant) else _S.INCONCLUSIVE)

    def _forward(self, task: Task, progress: Progress) -> Ended:
        try:
            begun = self._begun(task, task.plan.release)
        except UsageError as error:  # an upgrade of it to another release isn't over
            return elsewhere(self._house, task, error.message)
        if begun is not None:
            return self._carried_out(task, begun.id, begun.payload, progress)
        if self._is_on(task, task.plan.release):
            return Ended(task.tenant, _S.SUCCEEDED)  # whoever drove the rollout before died before it was on the record
        try:
            found = self._new(task, progress)
            return found if isinstance(found, Ended) else self._carried_out(task, task.operation, found, progress)
        except (RegistryError, LeaseHeldError) as error:  # somebody may be editing it, or be at the tenant
            if self._house.ledger.operation(task.operation) is not None:
                raise
            return later(self._house, task, error.message)

    def _carried_out(self, task: Task, operation: str, payload: JsonDict, progress: Progress) -> Ended:
        done = carry_out(self._house, task.tenant, operation, payload, progress)
        if done.outcome.ending is Ending.UNDONE and passing(done.outcome.told) and self._tries(task) < _TRIES:
            pause = _CLOUD * self._tries(task)
            return Ended(task.tenant, _S.WAITING, done.outcome.told, not_before=self._house.clock.now() + pause)
        return replace(moved(task.tenant, done.outcome), operation=operation)

    def _tries(self, task: Task) -> int:
        """How often this rollout has tried to move the tenant."""
        found = self._house.ledger.operations(tenant=task.tenant, kinds=("upgrade",), limit=20)
        return sum(o.payload.get("rollout") == task.rollout for o in found)

    def _new(self, task: Task, progress: Progress) -> JsonDict | Ended:
        """The frozen input of an upgrade to the plan's release; after a rehearsal where it has to be rehearsed."""
        house, plan, release = self._house, task.plan, task.plan.release
        registry = house.registry().load()
        why = changed(registry, plan)
        if why is not None:
            return later(self._house, task, why)  # no fault of the tenant's: whoever drives the rollout pauses it
        source, record = plan.tenants[task.tenant].from_release, house.ledger.tenant(task.tenant)
        if record is not None and record.lifecycle in (Lifecycle.UPDATING, Lifecycle.RESTORING):
            return elsewhere(self._house, task, f"it is {record.lifecycle}")
        if record is not None and record.assigned_release != source:  # a rollout takes nobody back who went further
            cause = f"it is on {record.assigned_release}, and was on {source} when the rollout was planned"
            return Ended(task.tenant, _S.QUARANTINED, cause)
        when, gate = plan.when(task.tenant), plan.strategy.gate
        try:
            tenant = registry.tenant(task.tenant)
            if _must_rehearse(plan, task.tenant) and rehearsed(house, tenant.id, release) is not Verdict.PASSED:
                evidence = rehearse_one(house, registry, tenant, release, progress)
                if evidence["verdict"] != str(Verdict.PASSED):
                    return _not_rehearsed(task.tenant, evidence)
            mends = plan.tenants[task.tenant].mends
            return propose(
                house, registry, tenant, release, task.operation, gate, rollout=task.rollout, when=when, mends=mends
            )
        except (UsageError, RefusedError) as error:
            return Ended(task.tenant, _S.QUARANTINED, error.message)

    def _back(self, task: Task, progress: Progress) -> Ended:
        planned = task.plan.tenants[task.tenant]
        if self._house.ledger.operation(task.operation) is None:
            self._end_forward(task, progress)
        if self._is_on(task, planned.from_release):
            return Ended(task.tenant, _S.REVERTED, operation=task.operation)
        record = self._house.ledger.tenant(task.tenant)
        if record is not None and record.assigned_release not in (planned.from_release, task.plan.release):
            cause = f"it is on {record.assigned_release} by now, so it isn't taken back to {planned.from_release}"
            return Ended(task.tenant, _S.INCONCLUSIVE, cause, operation=task.operation)
        if planned.undo == "code-only":
            return self._code_back(task, planned.from_release, progress)
        point = point_before(self._house, task.plan, task.tenant)
        if planned.undo == "one-way" or point is None:
            cause = f"it can't go back to {planned.from_release} (undo: {planned.undo})"
            return Ended(task.tenant, _S.BROKEN, cause, operation=task.operation)
        restoring.carry_out(self._house, restoring.propose(self._house, task.tenant, point.id), progress)
        return Ended(task.tenant, _S.REVERTED, operation=task.operation)

    def _end_forward(self, task: Task, progress: Progress) -> None:
        """An upgrade that was cut off comes to its end first, whatever that is: only then it is known what there is to
        take back, and nothing of it is left standing."""
        begun = waiting(self._house, task.tenant, None)
        args: Any = begun.payload["args"] if begun else {}
        if begun is None or args["release"] != task.plan.release:
            begun = unrestored(self._house, task.tenant)
        if begun is not None:
            carry_out(self._house, task.tenant, begun.id, begun.payload, progress)

    def _code_back(self, task: Task, release: str, progress: Progress) -> Ended:
        operation, begun = task.operation, self._begun(task, release)
        if begun is not None:
            operation, payload = begun.id, begun.payload
        else:
            registry, gate = self._house.registry().load(), task.plan.strategy.gate
            tenant = registry.tenant(task.tenant)
            # What is taken back is often what is ill: that must not keep it there.
            payload = propose(self._house, registry, tenant, release, operation, gate, rollout=task.rollout, mends=True)
        done = carry_out(self._house, task.tenant, operation, payload, progress)
        if done.outcome.ending is Ending.UPGRADED:
            return Ended(task.tenant, _S.REVERTED, operation=operation)
        return Ended(task.tenant, _S.BROKEN, f"it wasn't taken back: {done.outcome.told}", operation=operation)

    def _begun(self, task: Task, release: str) -> Operation | None:
        """What goes on: the step's own operation, or an upgrade to the same release that was cut off before."""
        house = self._house
        return (
            house.ledger.operation(task.operation)
            or waiting(house, task.tenant, release)
            or unrestored(house, task.tenant)
        )

    def _is_on(self, task: Task, release: str) -> bool:
        record = self._house.ledger.tenant(task.tenant)
        return record is not None and record.lifecycle is Lifecycle.ACTIVE and record.assigned_release == release


def _must_rehearse(plan: RolloutPlan, tenant: str) -> bool:
    rule = plan.strategy.rehearse
    return rule == "all" or (rule == "first-wave" and plan.wave_of(tenant).number == 1)


def _not_rehearsed(tenant: str, evidence: JsonDict) -> Ended:
    """It isn't touched. A rehearsal that failed is the release's, or the recovery point's; one that couldn't tell is
    neither's."""
    checks = [c for c in evidence["checks"] if c["ok"] is not True]  # type: ignore[union-attr,index,call-overload]
    what = "; ".join(f"{c['name']}: {c['detail']}" for c in checks)  # type: ignore[index,call-overload]
    failed = evidence["verdict"] == str(Verdict.FAILED)
    words = "failed" if failed else "couldn't tell"
    state = _S.FAILED if failed and own_cause(what) is None else _S.QUARANTINED if failed else _S.INCONCLUSIVE
    return Ended(tenant, state, f"its rehearsal {words}: {what}")


def moved(tenant: str, outcome: Outcome) -> Ended:
    """The step's state, by how its upgrade ended."""
    cause = outcome.told
    match outcome.ending:
        case Ending.UPGRADED:
            return Ended(tenant, _S.SUCCEEDED)
        case Ending.UNDONE:
            return Ended(tenant, _S.QUARANTINED if own_cause(cause) else _S.FAILED, cause)
        case Ending.SICK:
            return Ended(tenant, _S.QUARANTINED, cause)
        case Ending.NOT_NOW:
            return Ended(tenant, _S.WAITING, cause)
        case Ending.STUCK | Ending.RESTORE:
            return Ended(tenant, _S.BROKEN, cause)
        case Ending.OPEN:
            return Ended(tenant, _S.INCONCLUSIVE, cause)
