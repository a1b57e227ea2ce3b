"""The loop of `provision worker`."""

import signal
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType

import typer

from provisioner.cli.framework import Session
from provisioner.cli.progress import progress
from provisioner.cli.results import Table
from provisioner.model.errors import ExitCode, ProvisionError
from provisioner.ops.lanes import Done
from provisioner.ops.worker import Worker, tick


def now(session: Session, *, at_once: int) -> Table:
    """One look. Exit 1 where something failed, else 3 where a rollout waits for a person."""
    with progress() as sink:
        done = tick(session.app, sink, at_once=at_once)
    return _table(done)


class _StoppedError(BaseException):
    """SIGTERM or ^C, after what was under way has ended or had its time."""


def forever(session: Session, *, interval: float, at_once: int) -> None:
    """Look again and again, until SIGTERM or ^C. What fails is told, and tried again later. What doesn't end in its
    time is left, and gone on with by the next worker."""
    stopping = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        worker.stop()
        session.app.operations.close()
        raise _StoppedError

    with progress() as sink, suppress(_StoppedError):
        worker = Worker(session.app, sink, _tell, at_once=at_once)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        typer.echo(f"worker: looks every {interval:g} s", err=True)
        while True:
            try:
                worker.look()
            except Exception as error:  # noqa: BLE001 - a registry or a ledger that is out of reach comes back
                words = error.message if isinstance(error, ProvisionError) else f"{type(error).__name__}: {error}"
                typer.echo(f"worker: {words}", err=True)
            session.app.clock.sleep(interval)


def _tell(done: Done, pause: float | None) -> None:
    """One line on stderr. What had nothing to do isn't told."""
    if done.outcome == "idle":
        return
    hint = f"; next: {done.hint}" if done.hint else ""
    again = f"; tried again in {pause / 60:g} min" if pause is not None else ""
    typer.echo(f"worker: {done.what} of {done.tenant}: {done.outcome}: {done.detail}{hint}{again}", err=True)


def _table(done: Sequence[Done]) -> Table:
    rows = [
        {"tenant": d.tenant, "what": d.what, "outcome": d.outcome, "detail": d.detail, "next": d.hint} for d in done
    ]
    ends = {d.outcome for d in done}
    code = ExitCode.FAILED if "failed" in ends else ExitCode.PAUSED if "paused" in ends else ExitCode.DONE
    return Table(["tenant", "what", "outcome", "detail", "next"], rows, code)
