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
    metrics_port: Annotated[
        int | None,
        typer.Option(
            "--metrics-port", min=0, max=65535, help="Serve the fleet's metrics to Prometheus.", show_default=False
        ),
    ] = None,
    metrics_address: Annotated[
        str, typer.Option("--metrics-address", help="Where; others than this machine can read them elsewhere.")
    ] = "127.0.0.1",
) -> object:
    """Do what is due: backups, drills, looks, notices, goodbyes whose day has come, operations that were handed over.

    Several may run, on several machines, where the ledger is a PostgreSQL. ^C ends it at the next safe place.
    """
    from provisioner.cli.working import forever, now

    if once:
        return now(session, at_once=max_concurrency)
    if metrics_port is not None:
        _serve(session, metrics_port, metrics_address)
    forever(session, interval=interval, at_once=max_concurrency)
    return None


def _serve(session: Session, port: int, address: str) -> None:
    from provisioner.ops.metrics import serve

    bound = serve(session.app, port, address)
    typer.echo(f"worker: metrics on http://{address}:{bound}/metrics", err=True)
