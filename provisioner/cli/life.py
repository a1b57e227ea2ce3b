"""Commands on a tenant's life after its making: upgrade, restore, suspend and resume, export, the goodbye."""

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.framework import Session, command
from provisioner.model.errors import UsageError

TenantId = Annotated[str, typer.Argument(metavar="ID", help="Id of the tenant.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    for name, function in (
        ("upgrade", upgrade),
        ("restore", restore),
        ("suspend", suspend),
        ("resume", resume),
        ("export", export),
        ("offboard", offboard),
        ("certificate", certificate),
    ):
        command(app, name)(function)


def upgrade(
    session: Session,
    tenant_id: TenantId,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="RELEASE", help="Which release.", show_default="its channel's, or its pin"),
    ] = None,
    now: Annotated[bool, typer.Option("--now", help="Outside its window, and in a freeze, too.")] = False,
    mend: Annotated[
        bool, typer.Option("--mend", help="Also where it is ill now: the release that it is on is what ails it.")
    ] = False,
) -> object:
    """Move one tenant to another release: a new machine beside the old one, looked at, and only then switched to.

    The old release serves until the new one has passed the gate. What fails is undone; what undoing would take is said
    before it is asked. Outside the tenant's window and in a freeze it is refused (exit 6). A tenant that is ill is left
    alone, unless that is what the upgrade shall mend.
    """
    from provisioner.cli.upgrading import upgraded

    return upgraded(session, tenant_id, to, now=now, mend=mend)


def restore(
    session: Session,
    tenant_id: TenantId,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="POINT|TIME", help="A recovery point, or a time like 2026-11-25T14:02."),
    ] = None,
    into: Annotated[
        str | None, typer.Option("--into", metavar="ID", help="A new tenant that gets the data; needs a waiver.")
    ] = None,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give up a restore that was cut off before it served.")
    ] = False,
) -> object:
    """Bring back an earlier state of a tenant's database: beside the present one, looked at, and only then used.

    The database that served is kept for some days. What the product will no longer have is said before it is asked.
    """
    from provisioner.cli.restoring import abandoned, restored

    if abandon:
        return abandoned(session, tenant_id)
    if to is None:
        raise UsageError("what shall be restored?", hint=f"--to POINT or --to TIME: provision backup list {tenant_id}")
    return restored(session, tenant_id, to, into)


def suspend(session: Session, tenant_id: TenantId) -> object:
    """Stop a tenant's machine and database. Its data stays; what that still costs is shown."""
    from provisioner.cli.resting import suspended

    return suspended(session, tenant_id)


def resume(session: Session, tenant_id: TenantId) -> object:
    """Start a suspended tenant again. An offboarding that waits for its day is cancelled by it."""
    from provisioner.cli.resting import resumed

    return resumed(session, tenant_id)


def export(
    session: Session,
    tenant_id: TenantId,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Where to.", show_default="./ID-export", file_okay=False),
    ] = None,
) -> object:
    """Fetch a tenant's data for the customer: a dump of the database, the files, checksums, and how to load them."""
    from provisioner.cli.leaving import exported

    return exported(session, tenant_id, to)


def offboard(
    session: Session,
    tenant_id: TenantId,
    now: Annotated[bool, typer.Option("--now", help="Without the grace period; asks for the id.")] = False,
    again: Annotated[str | None, typer.Option("--confirm", metavar="ID", help="The id again, for scripts.")] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FOLDER", help="Where its data goes.", show_default="./ID-export", file_okay=False
        ),
    ] = None,
) -> object:
    """Say goodbye: prove a last recovery point, export the data, suspend; after the grace period destroy and certify.

    Run it again when its day has come (a worker does it by itself). Until then `provision resume` brings it back.
    """
    from provisioner.cli.leaving import offboarded

    return offboarded(session, tenant_id, now=now, again=again, folder=to)


def certificate(session: Session, tenant_id: TenantId) -> object:
    """Print the retirement certificate of a tenant: what there was, what was destroyed, what is kept until when."""
    from provisioner.cli.leaving import certified

    return certified(session, tenant_id)
