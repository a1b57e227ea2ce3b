"""One attempt at an operation: its lease, what is done already, and how a step is recorded around its work."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from provisioner.durable.failpoints import hit
from provisioner.model.change import Event, EventKind
from provisioner.model.clock import Clock
from provisioner.model.errors import CancelledError, LeaseLostError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Lease, Operation, StepStatus
from provisioner.model.ports import Ledger, OperationDefinition, OperationStepDefinition, Progress, StepContext


@dataclass(eq=False, slots=True)
class Attempt:
    """`results`: by step, those of earlier attempts included. `idle` is set while no thread works on it. `error` is
    what a step raised. `lost` is why the lease is gone, once it is."""

    definition: OperationDefinition
    operation: Operation
    lease: Lease
    ledger: Ledger
    clock: Clock
    progress: Progress
    results: dict[str, JsonDict]
    cancel: threading.Event = field(default_factory=threading.Event)
    idle: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    lost: LeaseLostError | None = None

    def __post_init__(self) -> None:
        self.idle.set()

    @property
    def steps(self) -> list[OperationStepDefinition]:
        """What is left to do, in order."""
        return [step for step in self.definition.steps if step.name not in self.results]

    @property
    def result(self) -> JsonDict:
        """Of the last step."""
        return self.results[self.definition.steps[-1].name]

    def context(self) -> StepContext:
        """What a step and the hooks are given."""
        operation = self.operation
        return StepContext(
            operation.id,
            operation.tenant,
            operation.payload,
            dict(self.results),
            self.progress,
            self.cancel,
            lambda: self.ledger.check_fence(self.lease.tenant, self.lease.token),
        )

    def lose(self, error: LeaseLostError) -> None:
        """The lease is another's: stop what can be stopped, start nothing more."""
        self.lost = error
        self.cancel.set()

    def run(self, step: OperationStepDefinition) -> JsonDict:
        """Record the intent, act, record the result; or record the failure and raise it."""
        try:
            return self._run(step)
        except BaseException as e:
            self.error = e
            if isinstance(e, LeaseLostError):
                self.lose(e)
            raise

    def _run(self, step: OperationStepDefinition) -> JsonDict:
        if self.cancel.is_set():
            raise CancelledError(
                f"operation {self.operation.id} was stopped before its step {step.name}",
                hint=f"provision operations resume {self.operation.id}",
            )
        self._record(step, StepStatus.STARTED)
        self._tell(EventKind.STEP_STARTED, step)
        began = self.clock.monotonic()
        try:
            hit(step.name, "before")
            result = step.run(self.context())
            hit(step.name, "after")
        except BaseException as e:
            with beside(e):
                self._record(step, StepStatus.FAILED, error=describe(e))
            self._tell(EventKind.STEP_FAILED, step, message=describe(e), seconds=self.clock.monotonic() - began)
            raise
        self._record(step, StepStatus.DONE, result=result)
        self.results[step.name] = result
        self._tell(EventKind.STEP_DONE, step, seconds=self.clock.monotonic() - began)
        return result

    def _record(
        self,
        step: OperationStepDefinition,
        status: StepStatus,
        *,
        result: JsonDict | None = None,
        error: str | None = None,
    ) -> None:
        self.ledger.record_step(self.operation.id, step.name, status, result=result, error=error, lease=self.lease)

    def _tell(
        self,
        kind: EventKind,
        step: OperationStepDefinition,
        *,
        message: str | None = None,
        seconds: float | None = None,
    ) -> None:
        self.progress(Event(kind, self.operation.tenant, step.name, message=message, seconds=seconds))


@contextmanager
def beside(error: BaseException) -> Iterator[None]:
    """Do something more while `error` is on its way: a failure of that becomes a note, and `error` stays the news."""
    try:
        yield
    except Exception as second:  # noqa: BLE001 - it isn't lost: the traceback shows it
        error.add_note(f"recording it failed too: {describe(second)}")


def describe(error: BaseException) -> str:
    """Its message; for an unexpected error its type too."""
    return getattr(error, "message", None) or f"{type(error).__name__}: {error}".removesuffix(": ")
