"""One tenant of a rollout: moved to the release, or taken back, and what came of it. Nothing is raised: an end is said.

Whoever drives the rollout has recorded the operation's id before it is begun, so that a process that comes after it
finds the operation and goes on with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

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
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.model.recovery import Verdict
from provisioner.model.rollout.fingerprint import own_cause
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.states import StepState
from provisioner.ops import restoring
from provisioner.ops.house import House
from provisioner.ops.rehearse import rehearse_one, rehearsed
from provisioner.ops.rollout.before import point_before
from provisioner.ops.upgrade.outcome import Ending, Outcome, outcome_of
from provisioner.ops.upgrade.propose import propose
from provisioner.ops.upgrade.run import carry_out, waiting

_AGAIN = timedelta(seconds=60)
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
        try:
            return work()
        except (CancelledError, LeaseLostError) as error:
            return Ended(task.tenant, None, error.message, operation=task.operation)
        except LeaseHeldError as error:
            begun = self._house.ledger.operation(task.operation) is not None
            return Ended(task.tenant, None, error.message) if begun else self._later(task, error.message)
        except ProvisionError as error:
            state = _S.BROKEN if self._half_done(task) else _S.INCONCLUSIVE
            return Ended(task.tenant, state, error.message, operation=task.operation)
        except Exception as error:  # noqa: BLE001 - one tenant's trouble must not end the rollout without a word
            cause = f"{type(error).__name__}: {error}"
            return Ended(task.tenant, _S.INCONCLUSIVE, cause, operation=task.operation)

    def _half_done(self, task: Task) -> bool:
        """Whether its database waits to be restored, and isn't."""
        known = self._house.ledger.operation(task.operation)
        return known is not None and outcome_of(known).ending is Ending.RESTORE

    def _later(self, task: Task, why: str) -> Ended:
        return Ended(task.tenant, _S.WAITING, why, not_before=self._house.clock.now() + _AGAIN)

    def _forward(self, task: Task, progress: Progress) -> Ended:
        plan, known = task.plan, self._house.ledger.operation(task.operation)
        if known is None:
            try:
                found = self._begin(task, plan.release, progress)
            except RegistryError as error:
                return self._later(task, error.message)  # somebody may be editing it
            except (UsageError, RefusedError) as error:
                return Ended(task.tenant, _S.QUARANTINED, error.message)
            if isinstance(found, Ended):
                return found
            operation, payload = found
        else:
            operation, payload = known.id, known.payload
        done = carry_out(self._house, task.tenant, operation, payload, progress)
        return replace(_moved(task.tenant, done.outcome), operation=operation)

    def _begin(self, task: Task, release: str, progress: Progress) -> tuple[str, JsonDict] | Ended:
        """The operation's id and frozen input: of one that was cut off, or a new one's."""
        house, plan = self._house, task.plan
        begun = waiting(house, task.tenant, release)
        if begun is not None:
            return begun.id, begun.payload
        registry = house.registry().load()
        tenant = registry.tenant(task.tenant)
        more: JsonDict = {"rollout": task.rollout}
        if release == plan.release:
            if _must_rehearse(plan, task.tenant) and rehearsed(house, tenant.id, release) is not Verdict.PASSED:
                evidence = rehearse_one(house, registry, tenant, release, progress)
                if evidence["verdict"] != str(Verdict.PASSED):
                    return _not_rehearsed(task.tenant, evidence)
            more["when"] = plan.when(task.tenant)
        return task.operation, propose(house, registry, tenant, release, task.operation, plan.strategy.gate, **more)

    def _back(self, task: Task, progress: Progress) -> Ended:
        planned = task.plan.tenants[task.tenant]
        record = self._house.ledger.tenant(task.tenant)
        active = record is not None and record.lifecycle is Lifecycle.ACTIVE
        if record is not None and active and record.assigned_release == planned.from_release:
            return Ended(task.tenant, _S.REVERTED, operation=task.operation)
        if planned.undo == "code-only":
            return self._code_back(task, planned.from_release, progress)
        point = point_before(self._house, task.plan, task.tenant)
        if planned.undo == "one-way" or point is None:
            cause = f"it can't go back to {planned.from_release} (undo: {planned.undo})"
            return Ended(task.tenant, _S.BROKEN, cause, operation=task.operation)
        restoring.carry_out(self._house, restoring.propose(self._house, task.tenant, point.id), progress)
        return Ended(task.tenant, _S.REVERTED, operation=task.operation)

    def _code_back(self, task: Task, release: str, progress: Progress) -> Ended:
        known = self._house.ledger.operation(task.operation)
        found = self._begin(task, release, progress) if known is None else (known.id, known.payload)
        if isinstance(found, Ended):
            return found
        operation, payload = found
        done = carry_out(self._house, task.tenant, operation, payload, progress)
        if done.outcome.ending is Ending.UPGRADED:
            return Ended(task.tenant, _S.REVERTED, operation=operation)
        return Ended(task.tenant, _S.BROKEN, f"it wasn't taken back: {done.outcome.cause}", operation=operation)


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


def _moved(tenant: str, outcome: Outcome) -> Ended:
    """The step's state, by how its upgrade ended."""
    cause = outcome.cause or "no cause is known"
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
