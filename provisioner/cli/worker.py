"""`provision worker`."""

from typing import Annotated

import typer

from provisioner.cli.framework import Session, command


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "worker")(worker)


def worker(
    session: Session,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then end.")] = False,
    interval: Annotated[float, typer.Option("--interval", min=1, help="Seconds between two looks.")] = 60.0,
    max_concurrency: Annotated[
        int,
        typer.Option("--max-concurrency", min=1, max=64, help="Backups at once; as many drills, as many others."),
    ] = 4,
) -> object:
    """Do what is due: backups, retention, drills, goodbyes whose day has come, and operations that were handed over.

    Several may run, on several machines, where the ledger is a PostgreSQL. ^C ends it at the next safe place.
    """
    from provisioner.cli.working import forever, now

    if once:
        return now(session, at_once=max_concurrency)
    forever(session, interval=interval, at_once=max_concurrency)
    return None
