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
from provisioner.ops.worker import Done, tick


def now(session: Session, *, at_once: int) -> Table:
    """One look. Exit 1 where something failed."""
    with progress() as sink:
        done = tick(session.app, sink, at_once=at_once)
    return _table(done)


class _StoppedError(BaseException):
    """SIGTERM or ^C, after what was under way has ended or had its time."""


def forever(session: Session, *, interval: float, at_once: int) -> None:
    """Look again and again, until SIGTERM or ^C. What fails is told, and tried again at the next look. What doesn't end
    in its time is left, and gone on with by the next worker."""
    stopping = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        session.app.operations.close()
        raise _StoppedError

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    typer.echo(f"worker: looks every {interval:g} s", err=True)
    with progress() as sink, suppress(_StoppedError):
        while True:
            try:
                for done in tick(session.app, sink, at_once=at_once):
                    typer.echo(f"worker: {done.what} of {done.tenant}: {done.outcome}: {done.detail}", err=True)
            except ProvisionError as error:
                typer.echo(f"worker: {error.message}", err=True)
            session.app.clock.sleep(interval)


def _table(done: Sequence[Done]) -> Table:
    rows = [{"tenant": d.tenant, "what": d.what, "outcome": d.outcome, "detail": d.detail} for d in done]
    failed = any(d.outcome == "failed" for d in done)
    return Table(["tenant", "what", "outcome", "detail"], rows, ExitCode.FAILED if failed else ExitCode.DONE)
