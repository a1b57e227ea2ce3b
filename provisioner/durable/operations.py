"""Operations that survive the process.

The ledger is the truth: it holds the frozen payload, each step's intent and each step's result. DBOS runs the steps.
Every attempt at an operation is a DBOS workflow of its own, `<operation>.<fencing token>-<random>`, that starts after
the last step whose result the ledger has. So a killed, failed or interrupted operation all go on in one way: take the
lease, read the ledger, start a new attempt. DBOS's own resume isn't used for that, for three reasons: it puts the
workflow into a queue that every live process polls, so that a process without the lease and the terminal could pick
it up; it can't go on with a failed workflow; and it would tie the ledger to one host's `durable.db`, while this way
any host that reaches the ledger can go on. A kill between the end of a step's work and its record makes that step run
again: steps are idempotent by contract.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.durable.attempt import Attempt, beside, describe
from provisioner.durable.heartbeat import Heartbeat
from provisioner.durable.holding import Holding
from provisioner.model.change import Event, EventKind
from provisioner.model.clock import Clock
from provisioner.model.errors import (
    CancelledError,
    ProvisionError,
    StuckError,
    UndoneError,
    UnsupportedError,
    UsageError,
)
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Holder, Lease, Operation, OperationStatus, StepStatus
from provisioner.model.ports import Ledger, OperationDefinition, Progress

if TYPE_CHECKING:
    from provisioner.durable.runtime import Runtime

TTL = timedelta(seconds=60)
BEAT = 10.0
GRACE = 60.0
_OVER = (OperationStatus.SUCCEEDED, OperationStatus.CANCELLED, OperationStatus.UNDONE, OperationStatus.STUCK)
_ENDS: dict[type[BaseException], OperationStatus] = {
    UndoneError: OperationStatus.UNDONE,
    StuckError: OperationStatus.STUCK,
}


class DurableOperations:
    """The port `Operations`. Several operations may run at once, each from a thread of the caller's.

    `database_url`: DBOS's tables; `home`: for its log; `holder`: this process; `grace`: seconds that a stopped
    operation's step has to end by itself.
    """

    def __init__(
        self,
        database_url: str,
        definitions: Mapping[str, OperationDefinition],
        ledger: Ledger,
        clock: Clock,
        home: Path,
        holder: Holder,
        *,
        ttl: timedelta = TTL,
        beat: float = BEAT,
        grace: float = GRACE,
    ) -> None:
        self._database_url = database_url
        self._definitions = definitions
        self._ledger = ledger
        self._clock = clock
        self._log = home / "log" / "durable.log"
        self._holder = holder
        self._ttl = ttl
        self._grace = grace
        self._heartbeat = Heartbeat(ledger, clock, ttl, beat)
        self._changed = threading.Condition()
        self._running: set[Attempt] = set()
        self._holdings: set[Holding] = set()
        self._closed = False
        self._started: Runtime | None = None

    def run(self, kind: str, operation_id: str, tenant: str, payload: JsonDict, progress: Progress) -> JsonDict:
        """Run to the end and return the last step's result; go on with one of this id that didn't end, and return
        the recorded result of one that did. `payload["target"]` is the target's name, or a mapping with `name`.

        Raises LeaseHeldError, LeaseLostError, CancelledError (stopped by `close`), or what the step raised.
        """
        definition = self._definition(kind)
        if self._closed:
            raise CancelledError(f"{kind} of {tenant} was not begun: provision is stopping")
        subject = f"{tenant}/{kind}" if definition.beside else tenant
        lease = self._ledger.acquire_lease(subject, operation_id, definition.reason, self._holder, self._ttl)
        attempt: Attempt | None = None
        try:
            operation = self._ledger.begin_operation(operation_id, kind, tenant, _target(payload), payload)
            _same(operation, kind, tenant)
            attempt = self._attempt(definition, operation, lease, progress)
            result = attempt.result if operation.status is OperationStatus.SUCCEEDED else self._drive(attempt)
        except BaseException as e:
            # A step that outlived the grace period still acts, so its lease is left to end with this process.
            if attempt is None or attempt.idle.is_set():
                with beside(e):
                    self._ledger.release_lease(lease)
            raise
        else:
            self._ledger.release_lease(lease)
            return result
        finally:
            with self._changed:
                self._running -= {attempt}
                self._changed.notify_all()

    def resume(self, operation_id: str, progress: Progress) -> JsonDict:
        """Go on with an interrupted or failed operation under its frozen payload; a unique prefix of its id will do.

        Raises as `run` does, and UsageError for an operation that isn't there or is over.
        """
        operation = self._ledger.operation(operation_id)
        if operation is None:
            raise UsageError(f"there is no operation {operation_id}", hint="provision operations list")
        if operation.status in _OVER:
            raise UsageError(
                f"operation {operation.id} ({operation.kind} of {operation.tenant}) has {operation.status} already",
                hint=f"provision show {operation.tenant}",
            )
        return self.run(operation.kind, operation.id, operation.tenant, operation.payload, progress)

    @contextmanager
    def hold(self, subject: str, work_id: str, reason: str) -> Iterator[Holding]:
        """Hold a lease that isn't an operation's, as long as the body runs. Raises LeaseHeldError."""
        holding = Holding(self._ledger.acquire_lease(subject, work_id, reason, self._holder, self._ttl))
        try:
            with self._changed:
                self._holdings.add(holding)
                if self._closed:
                    holding.cancel.set()
            with self._heartbeat.keeping(holding):
                yield holding
        except BaseException as e:
            with beside(e):
                self._ledger.release_lease(holding.lease)
            raise
        else:
            self._ledger.release_lease(holding.lease)
        finally:
            with self._changed:
                self._holdings.discard(holding)

    def close(self) -> None:
        """Ask running operations to stop, wait for their steps in flight, stop the threads. They stay resumable, in
        another object: this one begins nothing more, so that threads with more to do end too. Steps have the grace
        period once: closing again waits for nobody."""
        with self._changed:
            grace, self._closed = 0.0 if self._closed else self._grace, True
            works: list[Attempt | Holding] = [*self._running, *self._holdings]
            for work in works:
                work.cancel.set()
            self._changed.wait_for(lambda: not self._running, grace)
        self._heartbeat.stop()
        if self._started is not None:
            self._started.stop()

    def _definition(self, kind: str) -> OperationDefinition:
        definition = self._definitions.get(kind)
        if definition is None:
            raise UnsupportedError(
                f"this version of provision knows no operation of kind {kind}, only {', '.join(self._definitions)}",
                hint="use the version of provision that began it",
            )
        return definition

    def _attempt(
        self, definition: OperationDefinition, operation: Operation, lease: Lease, progress: Progress
    ) -> Attempt:
        """What is done counts only as the beginning of what this version would do."""
        recorded = [step.name for step in operation.steps]
        names = [step.name for step in definition.steps]
        if recorded != names[: len(recorded)]:
            raise UnsupportedError(
                f"operation {operation.id} was begun by another version of provision: its steps were "
                f"{', '.join(recorded)}, and {operation.kind} now has {', '.join(names)}",
                hint="go on with the version of provision that began it",
            )
        results = {step.name: dict(step.result) for step in operation.steps if step.status is StepStatus.DONE}
        return Attempt(definition, operation, lease, self._ledger, self._clock, progress, results)

    def _drive(self, attempt: Attempt) -> JsonDict:
        operation_id, lease = attempt.operation.id, attempt.lease
        runtime = self._runtime()
        with self._changed:
            self._running.add(attempt)
            if self._closed:
                attempt.cancel.set()
        try:
            with self._heartbeat.keeping(attempt):
                self._begin(attempt)
                result = runtime.run(attempt)
        except KeyboardInterrupt as e:
            self._interrupt(attempt, e)
            raise
        except BaseException as e:
            self._fail(attempt, e)
            if attempt.lost is not None and attempt.lost is not e:
                raise attempt.lost from e
            raise
        self._ledger.set_operation(operation_id, OperationStatus.SUCCEEDED, lease=lease)
        runtime.forget(operation_id)
        return result

    def _begin(self, attempt: Attempt) -> None:
        operation = attempt.operation
        if operation.status is not OperationStatus.RUNNING:
            self._ledger.set_operation(operation.id, OperationStatus.RUNNING, lease=attempt.lease)
        # Where no step is left, the last one has said how the tenant is: nothing would do so again.
        if attempt.definition.started is not None and attempt.steps:
            attempt.definition.started(attempt.context())
        for name in attempt.results:
            attempt.progress(Event(EventKind.STEP_DONE, operation.tenant, name, message="was done before"))

    def _interrupt(self, attempt: Attempt, error: KeyboardInterrupt) -> None:
        """^C: the step in flight may end by itself; a second ^C doesn't wait for it."""
        attempt.cancel.set()
        words = "stops when what is under way has ended; ^C again stops at once"
        attempt.progress(Event(EventKind.MESSAGE, attempt.operation.tenant, "^C:", message=words))
        try:
            attempt.idle.wait(self._grace)
        finally:
            with beside(error):
                self._end(attempt, OperationStatus.INTERRUPTED, "interrupted")

    def _fail(self, attempt: Attempt, error: BaseException) -> None:
        with beside(error):
            if attempt.cancel.is_set():
                self._end(attempt, OperationStatus.INTERRUPTED, describe(error))
                return
            if type(error) in _ENDS:
                self._end(attempt, _ENDS[type(error)], describe(error), getattr(error, "hint", None))
                return
            if attempt.definition.failed is not None and attempt.lost is None:
                with beside(error):
                    attempt.definition.failed(attempt.context(), describe(error))
            self._end(attempt, OperationStatus.FAILED, describe(error), getattr(error, "hint", None))

    def _end(self, attempt: Attempt, status: OperationStatus, error: str, hint: str | None = None) -> None:
        """Nothing is written under a lost lease: by now another attempt may be writing."""
        if attempt.lost is None:
            self._ledger.set_operation(attempt.operation.id, status, error=error, hint=hint, lease=attempt.lease)

    def _runtime(self) -> "Runtime":
        from provisioner.durable.runtime import Runtime

        with self._changed:
            if self._started is None:
                holder = self._holder
                executor = f"{holder.host}-{holder.pid}-{holder.pid_started}"
                self._started = Runtime(self._database_url, executor, self._log)
            return self._started


def _same(operation: Operation, kind: str, tenant: str) -> None:
    if (operation.kind, operation.tenant) != (kind, tenant):
        raise ProvisionError(
            f"operation {operation.id} is {operation.kind} of {operation.tenant}, not {kind} of {tenant}",
            hint=f"provision operations show {operation.id}",
        )


def _target(payload: JsonDict) -> str:
    target = payload.get("target")
    name = target.get("name") if isinstance(target, Mapping) else target
    if not isinstance(name, str):
        raise ProvisionError("an operation's payload must name its target")
    return name
