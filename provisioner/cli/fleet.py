"""`provision status` and `provision skew`: the fleet at a glance."""

from typing import Annotated

import typer

from provisioner.cli.framework import Selection, Session, command


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    command(app, "status", selecting=True)(status)
    command(app, "skew", selecting=True)(skew)


def status(
    session: Session,
    selection: Selection,
    needing: Annotated[bool, typer.Option("--needing", help="Only tenants that need a person.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again and again, until ^C.")] = False,
    interval: Annotated[float, typer.Option("--interval", min=1, help="Seconds between two looks.")] = 5.0,
    probe: Annotated[bool, typer.Option("--probe", help="Ask each product, and the cloud for alarms, now.")] = False,
) -> object:
    """Show the fleet, who needs a person first and why, with the age of what is known. Asks nobody without --probe."""
    from provisioner.cli.looking import look, watched

    if watch:
        return watched(session, selection, needing=needing, probe=probe, interval=interval)
    return look(session, selection, needing=needing, probe=probe)


def skew(session: Session, selection: Selection) -> object:
    """Show who is off the main line, why, since when, and what leads back to it."""
    from provisioner.cli.selection import listed
    from provisioner.cli.skew_view import SkewView
    from provisioner.ops.skew import look

    registry, tenants = listed(session, selection)
    return SkewView(look(session.app, registry, tenants))
