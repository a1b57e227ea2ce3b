"""`provision metrics`."""

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.framework import Session, command


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "metrics")(metrics)


def metrics(
    session: Session,
    textfile: Annotated[
        Path | None,
        typer.Option("--textfile", help="Write them there, for node_exporter (*.prom).", dir_okay=False),
    ] = None,
) -> object:
    """Show the fleet's metrics as Prometheus reads them. `worker --metrics-port` serves the same."""
    from provisioner.cli.results import Text
    from provisioner.ops import metrics as metering

    if textfile is None:
        words = metering.text(session.app)
        return Text(words, {"metrics": words})
    metering.write(session.app, textfile)
    return Text(f"written: {textfile}", {"written": str(textfile)})
