"""Commands on recovery points."""

from typing import Annotated, Any

import typer

from provisioner.cli.framework import Selection, Session, command
from provisioner.cli.tenants import Ids

AtOnce = Annotated[int, typer.Option("--max-concurrency", min=1, max=64, help="Tenants at once.")]


def register(app: typer.Typer) -> None:
    """Add the group to the root."""
    group = typer.Typer(
        help="Recovery points: make, list and prune them, and what each tier promises.", no_args_is_help=True
    )
    app.add_typer(group, name="backup")
    command(group, "create", selecting=True)(create)
    command(group, "list", selecting=True)(list_)
    command(group, "prune", selecting=True)(prune)
    command(group, "policy")(policy)


def create(session: Session, selection: Selection, ids: Ids = None, max_concurrency: AtOnce = 8) -> object:
    """Make a recovery point of each selected tenant, now."""
    from provisioner.cli.progress import progress
    from provisioner.cli.results import Table, exit_code
    from provisioner.cli.selection import chosen
    from provisioner.ops import backup

    picked = chosen(session, selection, ids)
    with progress() as sink:
        done = backup.create(session.app, picked.registry, picked.tenants, sink, at_once=max_concurrency)
    rows = [
        {
            "tenant": d.tenant,
            "point": d.point.id if d.point else None,
            "taken_at": d.point.taken_at if d.point else None,
            "release": d.point.release if d.point else None,
            "error": d.error.message if d.error else None,
            "next": d.error.hint if d.error else None,
        }
        for d in done
    ]
    return Table(["tenant", "point", "taken_at", "release", "error", "next"], rows, exit_code(d.error for d in done))


def list_(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Also those that are gone.")] = False,
) -> object:
    """List recovery points, newest first: age, size, when each was last proven, and the verdict of its newest drill.

    Retired tenants' too.
    """
    from provisioner.cli.points import listing

    return listing(session, selection, ids or [], deleted=deleted)


def prune(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and why the rest stays.")] = False,
    max_concurrency: AtOnce = 8,
) -> object:
    """Delete what retention no longer wants, and databases that a restore replaced and whose days are over.

    The newest and the last proven recovery point always stay.
    """
    from provisioner.cli.points import pruned

    return pruned(session, selection, ids, dry_run=dry_run, at_once=max_concurrency)


def policy(session: Session) -> object:
    """Show what each tier promises."""
    from dataclasses import asdict

    from provisioner.cli.results import Table

    registry: Any = session.app.registry().load()
    rows = [{"tier": name, **asdict(tier.backup)} for name, tier in registry.tiers.items()]
    return Table(list(rows[0]), rows)
