"""Commands on patches of the operating system."""

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.backup import AtOnce
from provisioner.cli.framework import Selection, Session, command
from provisioner.cli.rollout import Detach, Fast, Reason, StrategyName
from provisioner.cli.tenants import Ids

Mend = Annotated[bool, typer.Option("--mend", help="Who is ill is patched, too.")]
Now = Annotated[
    bool, typer.Option("--now", help="Outside of windows and in freezes, too; as --fast, it needs --reason.")
]


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    group = typer.Typer(
        help="Patches of the operating system: look, install in waves, and prove by when.", no_args_is_help=True
    )
    app.add_typer(group, name="patch")
    command(group, "scan", selecting=True)(scan)
    command(group, "plan", selecting=True, markdown=True)(plan)
    command(group, "install", selecting=True)(install)
    command(group, "report", selecting=True)(report)


def scan(session: Session, selection: Selection, ids: Ids = None, max_concurrency: AtOnce = 8) -> object:
    """Look on each selected machine which patches are missing, and record it. `provision worker` does it by itself."""
    from provisioner.cli.patching import scanned

    return scanned(session, selection, ids, at_once=max_concurrency)


def plan(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    strategy: StrategyName = None,
    fast: Fast = False,
    reason: Reason = None,
    mend: Mend = False,
    now: Now = False,
) -> object:
    """Show who would be patched, in which wave, when, and who would not, and why. Changes nothing."""
    from provisioner.cli.patching import Asked, planned

    return planned(session, selection, Asked(ids or (), strategy, fast or now, reason, mend, now))


def install(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    strategy: StrategyName = None,
    fast: Fast = False,
    reason: Reason = None,
    mend: Mend = False,
    now: Now = False,
    detach: Detach = False,
) -> object:
    """Install what is missing, in waves: a rollout, which `provision rollout status|pause|resume|...` work on.

    Each tenant is changed in its own window: a recovery point, the patches, a reboot where one is missing, a look
    whether it is well. A package that can't be installed stops the wave. Exit 3 where it was paused or halted.
    """
    from provisioner.cli.patching import Asked, installed

    return installed(session, selection, Asked(ids or (), strategy, fast or now, reason, mend, now), detach=detach)


def report(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write it as a page to this file too.", dir_okay=False)
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write it as CSV to this file too.", dir_okay=False)] = None,
) -> object:
    """Show what is missing on each tenant, and by when it must be installed. Exit 6 where a deadline was missed.

    From the ledger alone. A tenant of which nothing is known keeps no deadline either.
    """
    from provisioner.cli.patching import reported

    return reported(session, selection, ids, html=html, sheet_to=csv)
