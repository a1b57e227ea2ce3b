"""From the engine's event stream to steps, failures and progress.

An event that is lost or can't be read is a step that the firewall wouldn't see. So a stream counts only where it is
whole: each event numbered after the one before, the last one last, and in a preview no fewer steps than the CLI itself
counts.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from provisioner.engines.embedded.differences import Known, differences
from provisioner.engines.embedded.state import GUARDS, STACK_TYPE, name_of, type_of
from provisioner.model.change import Difference, Event, EventKind, PropertyChange, Step, StepOp
from provisioner.model.json import Json

_SIGNATURE = "4dabf18193072939515e22adb298388d"
# Ops that the plan's words have no name for: an import or a read in place of another resource is one, and leaving the
# state without touching the cloud is no step.
_OPS = {
    "import-replacement": StepOp.IMPORT,
    "read-replacement": StepOp.READ,
    "discard": None,
    "discard-replaced": None,
    "remove-pending-replace": None,
}
# What the engine says last, of whatever went wrong before.
_ECHOES = ("preview failed", "update failed")
_QUIET = (StepOp.SAME, StepOp.REPLACE, StepOp.REFRESH)
# What the CLI's summary counts of the steps that change something: a replacement once.
_COUNTED = ("create", "update", "delete", "replace", "import")


@dataclass(slots=True)
class Failure:
    """A resource that failed, or ("" as urn) the program or the engine itself."""

    urn: str
    message: str = ""
    op: str = ""

    def __str__(self) -> str:
        message = self.message.strip() or "it failed without a message"
        if not self.urn:
            return message
        return f"{type_of(self.urn)} {name_of(self.urn)}: {self.op or 'a step'} failed: {message}"


@dataclass(slots=True)
class Recorder:
    """Listens to one run. Called from the event server's threads, one event at a time; an event of a kind that it
    doesn't know is passed over. `doubt`: why what was heard can't be trusted, None where it can."""

    verb: str
    stack: str
    progress: Callable[[Event], None] | None
    steps: list[Step] = field(default_factory=list)
    drift: list[Difference] = field(default_factory=list)
    outputs: dict[str, Json] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    doubt: str | None = None
    _begun: dict[tuple[str, str], float] = field(default_factory=dict)
    _open: dict[str, Any] = field(default_factory=dict)
    _next: int = 0
    _ended: bool = False
    _counts: Counter[str] = field(default_factory=Counter)
    _summary: dict[str, int] | None = None

    def __call__(self, event: Any) -> None:
        """Take one event. Never raises: the SDK would only print a warning, with all the event's inputs."""
        if event.sequence != self._next:
            self.distrust(f"event {self._next} was lost or can't be read")
        self._next = event.sequence + 1
        self._ended = event.cancel_event is not None
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001 - whatever it is: the plan lacks this event
            self.distrust(f"event {event.sequence} can't be read: {type(error).__name__}: {error}")

    def distrust(self, why: str) -> None:
        """Keep the first reason why this stream can't be trusted."""
        self.doubt = self.doubt or why

    def _take(self, event: Any) -> None:
        if event.resource_pre_event is not None:
            self._before(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            self._after(event.res_outputs_event.metadata)
        elif event.res_op_failed_event is not None:
            self._failed(event.res_op_failed_event.metadata)
        elif event.diagnostic_event is not None:
            self._said(event.diagnostic_event)
        elif event.summary_event is not None:
            self._summary = dict(event.summary_event.resource_changes)

    def _before(self, meta: Any) -> None:
        op = self._op(meta)
        if op is None:
            return
        if meta.logical and not _internal(meta):
            self._counts[_word(meta.op)] += 1
        self._begun[meta.urn, meta.op] = time.monotonic()
        if meta.logical and not meta.provider and meta.type != STACK_TYPE:
            self._open[meta.urn] = meta
        if self.verb == "preview":
            self._add(op, meta)
        elif op not in _QUIET:
            self._tell(EventKind.RESOURCE_STARTED, meta, op)

    def finish(self) -> None:
        """The run is over. A component that never registered its outputs has no other end than this."""
        for meta in list(self._open.values()):
            self._after(meta)
        if not self._ended:
            self.distrust("the events end before the run did")
        if self.verb == "preview" and self._summary is not None:
            for word in _COUNTED:
                # More is no loss: what `protect` stands against is told of, and not counted.
                if self._counts[word] < self._summary.get(word, 0):
                    words = f"the CLI counts {self._summary.get(word, 0)} steps of kind {word}"
                    self.distrust(f"{words}, and told of {self._counts[word]}")

    def _after(self, meta: Any) -> None:
        self._open.pop(meta.urn, None)
        if self.verb == "preview" and _word(meta.op) == "refresh":
            self.drift += _drift(meta)
        op = self._op(meta)
        if op is None or self.verb == "preview":
            return
        if meta.type == STACK_TYPE and meta.new is not None:
            self.outputs = {k: v for k, v in (meta.new.outputs or {}).items() if not _secret(v)}
        self._add(op, meta)
        if op not in _QUIET:
            began = self._begun.get((meta.urn, meta.op))
            self._tell(EventKind.RESOURCE_DONE, meta, op, seconds=None if began is None else time.monotonic() - began)

    def _failed(self, meta: Any) -> None:
        failure = self.failures.setdefault(meta.urn, Failure(meta.urn))
        failure.op = _word(meta.op)
        self._tell(EventKind.RESOURCE_FAILED, meta, _OPS.get(failure.op) or failure.op, message=failure.message or None)

    def _said(self, said: Any) -> None:
        if said.ephemeral or said.severity not in ("error", "warning"):
            return
        text = _words(said.message)
        if said.severity == "warning":
            self.warnings.append(text)
            if self.progress is not None:
                self.progress(Event(EventKind.MESSAGE, self.stack, name_of(said.urn) if said.urn else "", message=text))
            return
        if not said.urn and text in _ECHOES and self.failures:
            return
        failure = self.failures.setdefault(said.urn or "", Failure(said.urn or ""))
        if text not in failure.message:
            failure.message = f"{failure.message}; {text}" if failure.message else text

    def _op(self, meta: Any) -> StepOp | None:
        """What the step is called here; None for one that isn't of this run: an `up` that refreshes first reports
        that too, and it isn't part of the plan."""
        word = _word(meta.op)
        if word == "refresh" and self.verb != "refresh":
            return None
        if self.verb == "refresh" and word == "update":
            return StepOp.REFRESH
        return _OPS[word] if word in _OPS else StepOp(word)

    def _add(self, op: StepOp, meta: Any) -> None:
        old = meta.old
        self.steps.append(
            Step(
                op=op,
                urn=meta.urn,
                type=meta.type,
                name=name_of(meta.urn),
                id=(old.id if old is not None else "") or (meta.new.id if meta.new is not None else "") or None,
                changes=_changes(meta),
                protected=old is not None and _guarded(old),
            )
        )

    def _tell(self, kind: EventKind, meta: Any, op: str, **more: Any) -> None:
        if self.progress is not None:
            self.progress(Event(kind, self.stack, name_of(meta.urn), str(op), meta.type, **more))


def _words(message: str) -> str:
    """What was said, on one line. Of a program's traceback the last line says it, and the log of `provision` has it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if any(line.startswith("Traceback (most recent call last)") for line in lines):
        return f"the program failed: {lines[-1]}"
    return " ".join(lines)


def _word(op: Any) -> str:
    return str(getattr(op, "value", op))


def _changes(meta: Any) -> tuple[PropertyChange, ...]:
    if meta.detailed_diff:
        found = {path: str(getattr(d.diff_kind, "value", d.diff_kind)) for path, d in meta.detailed_diff.items()}
        return tuple(PropertyChange(path, kind.endswith("replace")) for path, kind in sorted(found.items()))
    replacing = set(meta.keys or ())
    return tuple(PropertyChange(key, key in replacing) for key in sorted({*(meta.diffs or ()), *replacing}))


def _drift(meta: Any) -> list[Difference]:
    """What a refresh ahead of a preview has found, by the engine's own comparison: that of the inputs as they stand
    would take other words for the same thing as a difference."""
    old, new = meta.old, meta.new
    if old is None or meta.provider == "" or meta.type.startswith("pulumi:"):
        return []
    known = Known(old.inputs or {}, old.outputs or {})
    if new is None:
        return differences(meta.urn, known, None, ())
    found = Known(new.inputs or {}, new.outputs or {})
    return differences(meta.urn, known, found, [change.path for change in _changes(meta)])


def _internal(meta: Any) -> bool:
    """Of a default provider, which the summary leaves out."""
    return meta.type.startswith("pulumi:providers:") and name_of(meta.urn).startswith("default")


def _guarded(old: Any) -> bool:
    return bool(old.protect) or any((old.outputs or {}).get(key) is True for key in GUARDS)


def _secret(value: Any) -> bool:
    return isinstance(value, dict) and _SIGNATURE in value
