"""Progress on stderr: a live line for each tenant on a terminal, a line per event elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import typer

from provisioner.model.change import Event, EventKind
from provisioner.model.ports import Progress

_STEP_ENDS = (EventKind.STEP_DONE, EventKind.STEP_FAILED)
_LASTING = (*_STEP_ENDS, EventKind.MESSAGE)


@contextmanager
def progress(*, brief: bool = False) -> Iterator[Progress]:
    """A sink for events, good while the context is open. `brief`: for work on many tenants, where a line for each
    resource would hide what counts."""
    if sys.stderr.isatty():
        with _live() as sink:
            yield sink
    else:
        yield _brief if brief else _line


def text(event: Event) -> str:
    """One event as a line."""
    words: list[str] = [event.subject, event.name]
    if event.kind not in (EventKind.STEP_STARTED, EventKind.STEP_DONE, EventKind.STEP_FAILED, EventKind.MESSAGE):
        words = [event.subject, " ".join(w for w in (event.op, event.type, event.name) if w)]
    words.append(event.message or "" if event.kind is EventKind.MESSAGE else str(event.kind).split("-")[-1])
    line = " ".join(w for w in words if w)
    if event.kind is not EventKind.MESSAGE and event.message:
        line += f": {event.message}"
    return line + (f" ({event.seconds:.1f}s)" if event.seconds is not None else "")


def _line(event: Event) -> None:
    typer.echo(text(event), err=True)


def _brief(event: Event) -> None:
    if event.kind in (EventKind.STEP_STARTED, EventKind.RESOURCE_FAILED, *_LASTING):
        _line(event)


@contextmanager
def _live() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Bars(*columns, console=console, transient=True) as bars:
        yield _Tasks(bars, console)


class _Tasks:
    """One live line for each subject, and a printed line for each step that ended and for all that was said."""

    def __init__(self, bars: Any, console: Any) -> None:
        self._bars = bars
        self._console = console
        self._lock = Lock()
        self._tasks: dict[str, Any] = {}
        self._done: dict[str, int] = {}

    def __call__(self, event: Event) -> None:
        with self._lock:
            if event.kind in _LASTING:
                self._console.print(text(event), markup=False, soft_wrap=True)
            if event.kind in _STEP_ENDS:
                self._done[event.subject] = 0
            if event.kind in _LASTING:
                return
            if event.kind is EventKind.RESOURCE_DONE:
                self._done[event.subject] = self._done.get(event.subject, 0) + 1
            if event.subject not in self._tasks:
                self._tasks[event.subject] = self._bars.add_task(event.subject, total=None)
            count = self._done.get(event.subject, 0)
            line = text(event) + (f"  [{count} done]" if count else "")
            self._bars.update(self._tasks[event.subject], description=line[: max(20, self._console.width - 14)])
