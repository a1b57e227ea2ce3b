"""`provision forecast`."""

import typer

from provisioner.cli.framework import Selection, Session, command
from provisioner.cli.tenants import Ids, ParallelOption


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "forecast", selecting=True)(forecast)


def forecast(session: Session, selection: Selection, ids: Ids = None, parallel: ParallelOption = 8) -> object:
    """Show when disk, database storage, connections and CPU run out, soonest first, and what more of them costs."""
    from provisioner.cli.forecast_view import Forecasts
    from provisioner.cli.results import exit_code
    from provisioner.cli.selection import chosen
    from provisioner.ops.forecast import look

    picked = chosen(session, selection, ids)
    found = look(session.app, picked.tenants, parallel=parallel)
    return Forecasts(found, exit_code(t.error for t in found))
