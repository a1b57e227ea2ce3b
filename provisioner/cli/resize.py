"""`provision resize`."""

from typing import Annotated

import typer

from provisioner.cli.framework import Session, command


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "resize")(resize)


def resize(
    session: Session,
    tenant_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the tenant.")],
    disk: Annotated[int | None, typer.Option("--disk", help="The machine's disk, GiB.", show_default=False)] = None,
    storage: Annotated[
        int | None, typer.Option("--storage", help="The database's storage, GiB.", show_default=False)
    ] = None,
    database_class: Annotated[
        str | None, typer.Option("--class", help="RDS instance class.", show_default=False)
    ] = None,
    instance_type: Annotated[str | None, typer.Option("--type", help="EC2 instance type.", show_default=False)] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the registry.")] = "asked for by provision resize",
    now: Annotated[bool, typer.Option("--now", help="Don't wait for its maintenance window.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; change nothing.")] = False,
) -> object:
    """Give a tenant more disk, storage, or another class: in the registry at once, in the cloud in its window."""
    from provisioner.cli.resizing import Wanted, resized

    said = {
        "root_disk_gib": disk,
        "database_storage_gib": storage,
        "database_class": database_class,
        "instance_type": instance_type,
    }
    wanted = Wanted(tenant_id, {k: v for k, v in said.items() if v is not None}, reason)
    return resized(session, wanted, now=now, dry_run=dry_run)
