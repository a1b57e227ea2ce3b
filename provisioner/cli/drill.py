"""Commands on drills."""

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.backup import AtOnce
from provisioner.cli.framework import Selection, Session, command
from provisioner.cli.groups import DEFAULT, DefaultGroup
from provisioner.cli.tenants import Ids


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    words = "Restores that are really made, to prove that a backup is one: `provision drill acme`, or a command below."
    group = typer.Typer(help=words, cls=DefaultGroup)
    app.add_typer(group, name="drill")
    command(group, DEFAULT, selecting=True)(run)
    command(group, "report", selecting=True)(report)
    command(group, "reap")(reap)


def run(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    point: Annotated[
        str | None, typer.Option("--point", help="This recovery point, not the newest.", show_default=False)
    ] = None,
    max_concurrency: AtOnce = 4,
) -> object:
    """Restore the newest recovery point of each selected tenant into a quarantine, look at it, and destroy that again.

    Exit 1 where a backup failed or nothing could be told, 6 where it is good and its tier's targets aren't met. This is
    what `provision drill` alone does.
    """
    from provisioner.cli.proofs import drilled

    return drilled(session, selection, ids, point=point, at_once=max_concurrency)


def report(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it as a page to this file too.", dir_okay=False)
    ] = None,
) -> object:
    """Show when each tenant was last proven, its measured RPO and RTO, and its tier's targets. Exit 6 on a breach."""
    from provisioner.cli.proofs import reported

    return reported(session, selection, ids, html)


def reap(session: Session) -> object:
    """End the quarantines of drills and offboardings whose process is gone. `provision worker` does it by itself.

    The drills go on; an offboarding waits for whoever began it, and makes another quarantine.
    """
    from provisioner.cli.proofs import reaped

    return reaped(session)
