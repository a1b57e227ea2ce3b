"""One run over one stack: what its parts share, when it stops, and what it reports."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from provisioner.engines.embedded.checkpoint import Snapshot, Writer
from provisioner.engines.embedded.diffs import NO_DIFF, Diff
from provisioner.engines.embedded.journal import Journal, Write
from provisioner.engines.embedded.registry import Registry
from provisioner.engines.embedded.secrets import Cipher
from provisioner.engines.embedded.state import Resource, name_of
from provisioner.model.change import Difference, Event, EventKind, Step, StepOp
from provisioner.model.errors import CancelledError, EngineError, ProvisionError, TimedOutError
from provisioner.model.ports import RunOptions, Stack

Reason = Literal["failed", "cancelled", "timed out"]


class Stopped(Exception):  # noqa: N818 - not an error: the run is ending and takes no new work
    """The run is ending: nothing new may start."""


class StepFailed(Exception):  # noqa: N818 - control flow; what failed is in `Run.failures` already
    """A step failed and was recorded."""


class Run:
    """Shared by planner, executor and monitor. Safe from several threads."""

    def __init__(
        self,
        stack: Stack,
        options: RunOptions,
        base: Snapshot,
        cipher: Cipher,
        *,
        address: Callable[[str], str],
        write: Write | None,
    ) -> None:
        self.stack = stack
        self.options = options
        self.preview = write is None
        self.cipher = cipher
        self.journal = Journal(base, Writer(cipher), write)
        self.registry = Registry(address, self.remaining)
        self.planning = threading.RLock()
        self.slots = threading.BoundedSemaphore(max(1, options.parallel))
        self.steps: list[Step] = []
        self.drift: list[Difference] = []
        self.failures: list[str] = []
        self.errored: set[str] = set()
        self.stopped: Reason | None = None
        self.cause: BaseException | None = None
        self.hint: str | None = None
        self.closed = False
        self._lock = threading.Lock()
        self._active = 0
        self._ends = None if options.deadline is None else time.monotonic() + options.deadline

    def remaining(self) -> float | None:
        """Seconds left for the whole run; None for no limit."""
        return None if self._ends is None else self._ends - time.monotonic()

    def stop(self, reason: Reason) -> None:
        """No new step starts from now on. The first reason counts."""
        with self._lock:
            self.stopped = self.stopped or reason

    def poll(self) -> bool:
        """Look at the caller's flag and the deadline. Whether the run is ending."""
        remaining = self.remaining()
        if self.options.cancel is not None and self.options.cancel.is_set():
            self.stop("cancelled")
        elif remaining is not None and remaining <= 0:
            self.stop("timed out")
        return self.stopped is not None

    def check(self) -> None:
        """Raises Stopped where nothing new may start."""
        if self.closed or self.poll():
            raise Stopped

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """^C in the caller's thread: what is under way ends, nothing new starts, and then it goes on."""
        try:
            yield
        except BaseException:
            self.stop("cancelled")
            raise

    @property
    def idle(self) -> bool:
        """Whether no step is under way."""
        return self._active == 0

    def active(self, change: int) -> None:
        """Count steps under way."""
        with self._lock:
            self._active += change

    def fail(self, subject: str, error: BaseException, *, stop: bool = True) -> None:
        """Record a failure, once, without secrets."""
        message = self.cipher.redact(str(error) or type(error).__name__)
        with self._lock:
            line = f"{subject}: {message}" if subject else message
            if line not in self.failures:
                self.failures.append(line)
            self.cause = self.cause or error
            if isinstance(error, ProvisionError):
                self.hint = self.hint or error.hint
        if stop:
            self.stop("failed")

    def report(self, op: StepOp, resource: Resource, old: Resource | None = None, diff: Diff = NO_DIFF) -> None:
        """Add a step to the result."""
        step = Step(
            op=op,
            urn=resource.urn,
            type=resource.type,
            name=name_of(resource.urn),
            id=(old.id if old is not None else "") or resource.id or None,
            changes=diff.changes(),
            protected=old is not None and old.guarded,
        )
        with self._lock:
            self.steps.append(step)

    def emit(
        self,
        kind: EventKind,
        *,
        name: str = "",
        op: StepOp | None = None,
        type_: str | None = None,
        message: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Tell the caller about progress, without secrets."""
        if self.options.progress is not None:
            text = None if message is None else self.cipher.redact(message)
            self.options.progress(Event(kind, self.stack.name, name, op, type_, text, seconds))

    def message(self, text: str, name: str = "") -> None:
        """Say something to whom it may concern."""
        self.emit(EventKind.MESSAGE, name=name, message=text)

    def raise_failures(self, verb: str) -> None:
        """Raise what the run came to, if it wasn't success: EngineError, CancelledError or TimedOutError."""
        where = f"{verb} of stack {self.stack.project}/{self.stack.name}"
        listing = "".join(f"\n  {line}" for line in self.failures)
        again = "run the same command again; it goes on from what exists"
        if self.stopped == "cancelled":
            raise CancelledError(f"{where} was cancelled{listing}", hint=again)
        if self.stopped == "timed out":
            raise TimedOutError(f"{where} ran out of time ({self.options.deadline:g} s){listing}", hint=again)
        if self.failures:
            error = EngineError(f"{where} failed:{listing}", failures=tuple(self.failures), hint=self.hint)
            raise error from self.cause
