"""`provision drift`."""

from typing import Annotated

import typer

from provisioner.cli.framework import Selection, Session, command
from provisioner.cli.tenants import Ids, ParallelOption


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    command(app, "drift", selecting=True)(drift)


def drift(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    fix: Annotated[bool, typer.Option("--fix", help="Mend it, as `apply` would: asks, and is refused, alike.")] = False,
    parallel: ParallelOption = 8,
) -> object:
    """Show what somebody changed by hand, and how bad it is; exit 7 where anything was. Changes nothing by itself."""
    from provisioner.cli.drift_view import DriftView
    from provisioner.cli.running import apply_all
    from provisioner.cli.selection import chosen
    from provisioner.ops.drift import MENDABLE, look, mendable

    picked = chosen(session, selection, ids)
    found = look(picked.house, picked.registry, picked.tenants, parallel=parallel)
    view = DriftView(found)
    if not fix or not any(tenant.standing in MENDABLE for tenant in found.tenants):
        return view
    view.tell()
    return apply_all(session, mendable(found), parallel=parallel)
