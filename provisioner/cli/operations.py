"""Commands on operations."""

from typing import Annotated

import typer

from provisioner.cli.framework import Session, command

OperationId = Annotated[str, typer.Argument(metavar="ID", help="Id of the operation, or its first 6 characters.")]


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    group = typer.Typer(help="Look at operations, and go on with unfinished ones.", no_args_is_help=True)
    app.add_typer(group, name="operations")
    command(group, "list")(list_)
    command(group, "show")(show)
    command(group, "resume")(resume)
    command(group, "journal")(journal)


def list_(
    session: Session,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Of this tenant only.", show_default=False)] = None,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Only those that can be resumed.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at the most.")] = 50,
) -> object:
    """List operations, newest first."""
    from provisioner.cli.results import OperationList
    from provisioner.ops.operations import UNFINISHED

    statuses = UNFINISHED if unfinished else ()
    return OperationList(session.app.ledger.operations(tenant=tenant, statuses=statuses, limit=limit))


def show(session: Session, operation_id: OperationId) -> object:
    """Show one operation with its steps."""
    from provisioner.ops.operations import find

    return find(session.app, operation_id)


def resume(session: Session, operation_id: OperationId) -> object:
    """Go on with an operation where it stopped, with the input that it was given."""
    from provisioner.cli.progress import progress
    from provisioner.ops.operations import find
    from provisioner.ops.operations import resume as go_on

    with progress() as sink:
        go_on(session.app, operation_id, sink)
    return find(session.app, operation_id)


def journal(
    session: Session,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Of this tenant only.", show_default=False)] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check the whole chain of hashes first.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at the most.")] = 100,
) -> object:
    """Show the append-only journal, newest first."""
    from provisioner.cli.results import Table

    if verify:
        session.app.ledger.verify_journal()
    rows = [
        {"number": e.number, "at": e.at, "tenant": e.tenant, "kind": e.kind, "detail": e.detail, "hash": e.hash[:12]}
        for e in session.app.ledger.journal(tenant=tenant, limit=limit)
    ]
    return Table(["number", "at", "tenant", "kind", "detail", "hash"], rows)
