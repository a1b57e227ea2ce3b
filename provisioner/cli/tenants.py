"""Commands on tenants."""

from typing import Annotated

import typer

from provisioner.cli.framework import Selection, Session, command

Ids = Annotated[list[str] | None, typer.Argument(metavar="[TENANT]...", help="Ids of tenants.", show_default=False)]
ParallelOption = Annotated[int, typer.Option("--parallel", min=1, max=64, help="Tenants at once.")]
RefreshOption = Annotated[bool, typer.Option("--refresh", help="Look at the cloud even where nothing was changed.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    command(app, "new-tenant")(new_tenant)
    command(app, "plan", selecting=True)(plan)
    command(app, "apply", selecting=True)(apply)
    command(app, "list", selecting=True)(list_)
    command(app, "show")(show)


def new_tenant(
    session: Session,
    tenant_id: Annotated[str, typer.Argument(metavar="ID", help="2 to 31 of a-z, 0-9 and -, beginning with a letter.")],
    tier: Annotated[str | None, typer.Option("--tier", help="Commercial size.", show_default=False)] = None,
    region: Annotated[str | None, typer.Option("--region", help="Region of the target.", show_default=False)] = None,
    ring: Annotated[int | None, typer.Option("--ring", min=0, max=3, help="0 internal ... 3 late.")] = None,
    release: Annotated[str | None, typer.Option("--release", help="Pin a release.", show_default=False)] = None,
    organization: Annotated[str | None, typer.Option("--organization", help="Group it belongs to.")] = None,
    label: Annotated[list[str] | None, typer.Option("--label", help="key=value; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and preview; change nothing.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once; the work goes on by itself.")] = False,
) -> object:
    """Give a customer a running instance of its own. Killed at any point, the same command goes on."""
    from provisioner.cli.labels import labels
    from provisioner.cli.running import make, propose_new
    from provisioner.ops.requests import NewTenantRequest

    words = NewTenantRequest(
        tenant_id, tier, region, ring, release, organization, session.settings.target, labels(label or [])
    )
    proposal = propose_new(session, words)
    if dry_run:
        return proposal.preview()
    return make(session, proposal, detach=detach)


def plan(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    refresh: RefreshOption = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 7 where changes are pending.")
    ] = False,
    parallel: ParallelOption = 8,
) -> object:
    """Show what `apply` would do and why. Exit 6 where the firewall would refuse it."""
    from provisioner.cli.results import Intentions
    from provisioner.cli.selection import chosen

    picked = chosen(session, selection, ids)
    return Intentions(picked.plan(refresh=refresh, parallel=parallel), detailed=detailed_exitcode)


def apply(
    session: Session,
    selection: Selection,
    ids: Ids = None,
    refresh: RefreshOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="The same as `plan`.")] = False,
    parallel: ParallelOption = 8,
) -> object:
    """Make tenants what the registry says. Never upgrades a release; one failed tenant stops no other."""
    from provisioner.cli.results import Intentions
    from provisioner.cli.running import apply_all
    from provisioner.cli.selection import chosen

    picked = chosen(session, selection, ids)
    intentions = picked.plan(refresh=refresh, parallel=parallel)
    if dry_run:
        return Intentions(intentions)
    return apply_all(session, intentions, parallel=parallel)


def list_(
    session: Session,
    selection: Selection,
) -> object:
    """List tenants, from the registry and the ledger alone."""
    from provisioner.cli.results import TenantList
    from provisioner.cli.selection import listed, selector
    from provisioner.ops import views

    registry, tenants = listed(session, selection)
    orphans = [] if selector(selection).narrows else views.orphans(session.app, registry)
    return TenantList(views.fleet(session.app, tenants) + orphans)


def show(
    session: Session,
    tenant_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the tenant.")],
    probe: Annotated[bool, typer.Option("--probe/--no-probe", help="Ask the product how it is.")] = True,
) -> object:
    """Show one tenant: releases, health, machine, database, stack."""
    from provisioner.ops import views

    return views.show(session.app, tenant_id, probe=probe)
