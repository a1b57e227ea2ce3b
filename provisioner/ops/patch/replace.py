"""One tenant of a rollout of patches whose machine is replaced: an upgrade to the same release, on another OS."""

from dataclasses import replace
from typing import Any

from provisioner.model.errors import LeaseHeldError, RefusedError, RegistryError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation, OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.evidence import KIND, evidence
from provisioner.model.patch.scan import FACT
from provisioner.model.ports import Progress
from provisioner.model.rollout.states import StepState
from provisioner.ops.desired import known_os
from provisioner.ops.house import House
from provisioner.ops.patch.look import scan_one
from provisioner.ops.rollout.step import Ended, Task, elsewhere, later, moved, told
from provisioner.ops.upgrade.propose import propose
from provisioner.ops.upgrade.run import carry_out, waiting

_S = StepState


def replaces(task: Task) -> str | None:
    """The OS release onto which the tenant's machine is replaced; None where patches are installed on it."""
    return task.plan.tenants[task.tenant].os_release


class ReplaceSteps:
    """Each step is an operation `upgrade`: a new machine beside the old one, looked at, and only then switched to."""

    def __init__(self, house: House) -> None:
        self._house = house

    def forward(self, task: Task, progress: Progress) -> Ended:
        """Onto the OS release, and the proof of what that closed."""
        return told(task, lambda: self._forward(task, progress), lambda: _S.INCONCLUSIVE)

    def back(self, task: Task, progress: Progress) -> Ended:
        """To the OS release that this rollout found."""
        return told(task, lambda: self._back(task, progress), lambda: _S.INCONCLUSIVE)

    def _forward(self, task: Task, progress: Progress) -> Ended:
        ended = self._moved(task, replaces(task), progress)
        if ended.state is _S.SUCCEEDED:
            self._prove(task, progress)
        return ended

    def _back(self, task: Task, progress: Progress) -> Ended:
        found = self._upgrade_of(task)
        part: Any = found.payload["os"] if found else {"before": None}
        ended = self._moved(task, part["before"], progress)
        if ended.state is _S.SUCCEEDED:
            return replace(ended, state=_S.REVERTED)
        return Ended(task.tenant, _S.BROKEN, f"it wasn't taken back: {ended.cause}", operation=ended.operation)

    def _moved(self, task: Task, os_release: str | None, progress: Progress) -> Ended:
        """By an upgrade to the same release; one that was cut off goes on."""
        house, release = self._house, task.plan.goal(task.tenant)
        try:
            begun = house.ledger.operation(task.operation) or waiting(house, task.tenant, release)
        except UsageError as error:  # an upgrade of it to another release isn't over
            return elsewhere(house, task, error.message)
        if begun is not None:
            done = carry_out(house, task.tenant, begun.id, begun.payload, progress)
            return replace(moved(task.tenant, done.outcome), operation=begun.id)
        idle = self._idle(task, release, os_release)
        if idle is not None:
            return idle
        try:
            payload = self._payload(task, release, os_release)
            done = carry_out(house, task.tenant, task.operation, payload, progress)
        except (UsageError, RefusedError, LeaseHeldError) as error:
            if house.ledger.operation(task.operation) is not None:
                raise
            if isinstance(error, (RegistryError, LeaseHeldError)):  # somebody may be editing it, or be at the tenant
                return later(house, task, error.message)
            return Ended(task.tenant, _S.QUARANTINED, error.message)
        return replace(moved(task.tenant, done.outcome), operation=task.operation)

    def _idle(self, task: Task, release: str, os_release: str | None) -> Ended | None:
        """Its end, where nothing is begun."""
        house, record = self._house, self._house.ledger.tenant(task.tenant)
        if record is not None and record.lifecycle in (Lifecycle.UPDATING, Lifecycle.RESTORING):
            return elsewhere(house, task, f"it is {record.lifecycle}")
        if record is None or record.assigned_release != release:
            cause = f"it is on {record and record.assigned_release}, and was on {release} when the rollout was planned"
            return Ended(task.tenant, _S.QUARANTINED, cause)
        if record.lifecycle is Lifecycle.ACTIVE and known_os(house, task.tenant, release) == os_release:
            return Ended(task.tenant, _S.SUCCEEDED)  # whoever drove the rollout before died before it was on the record
        return None

    def _payload(self, task: Task, release: str, os_release: str | None) -> JsonDict:
        """The frozen input. What is taken back waits for no window, and is often what is ill."""
        house, registry = self._house, self._house.registry().load()
        onwards, known = os_release == replaces(task), house.ledger.fact(task.tenant, FACT)
        return propose(
            house,
            registry,
            registry.tenant(task.tenant),
            release,
            task.operation,
            task.plan.strategy.gate,
            rebuild=True,
            os_release=os_release,
            rollout=task.rollout,
            when=task.plan.when(task.tenant) if onwards else None,
            mends=task.plan.tenants[task.tenant].mends or not onwards,
            scanned=known.value if known else None,
        )

    def _prove(self, task: Task, progress: Progress) -> None:
        """Scan the new machine, and say what it closed. Done once."""
        house, found = self._house, self._upgrade_of(task)
        known = house.ledger.evidence(tenant=task.tenant, kind=KIND, limit=20)
        if found is None or any(e.body["rollout"] == task.rollout for e in known):
            return
        tenant = house.registry().load().tenant(task.tenant)
        after = scan_one(house, tenant, progress)
        before: Any = found.payload["scanned"] or after
        rollout = house.ledger.rollout(task.rollout)
        point: Any = found.payload["point"]
        more: JsonDict = {
            "rollout": task.rollout,
            "by": rollout.by if rollout else None,
            "when": found.payload["when"],
            "point": point["id"],
            "os_release": replaces(task),
        }
        body = evidence(before, after, tenant.patch, tenant.patch_exceptions, more)
        house.ledger.add_evidence(task.tenant, KIND, body, operation_id=found.id)
        house.ledger.observe(task.tenant, FACT, {**after, "patched_at": after["scanned_at"]})

    def _upgrade_of(self, task: Task) -> Operation | None:
        """The one by which this rollout has replaced the tenant's machine."""
        done = (OperationStatus.SUCCEEDED,)
        found = self._house.ledger.operations(tenant=task.tenant, kinds=("upgrade",), statuses=done, limit=20)
        return next((o for o in found if o.payload.get("rollout") == task.rollout and _onto(o) == replaces(task)), None)


def _onto(upgrade: Operation) -> str | None:
    part: Any = upgrade.payload["os"]
    name: str | None = part["after"]
    return name
