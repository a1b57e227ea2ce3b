"""`provision restore`, from the words to the result."""

from dataclasses import dataclass
from typing import Any

import typer

from provisioner.cli.ask import confirm
from provisioner.cli.framework import Session
from provisioner.cli.progress import progress
from provisioner.cli.running import tell_callers
from provisioner.model.json import JsonDict
from provisioner.ops import into, restoring


@dataclass(frozen=True, slots=True)
class Restored:
    """How a restore ended. `old_database`: the one that is kept until `kept_until`; None where it was gone."""

    tenant: str
    state: str
    url: str
    release: str
    moment: str
    old_database: str | None
    kept_until: str | None
    operation: str


def restored(session: Session, tenant_id: str, to: str, new: str | None) -> Restored:
    """Restore a tenant, or its data into a new one."""
    house = session.app
    tell_callers(session, [house.registry().load().tenant(tenant_id)])
    if new is not None:
        into.check(house, tenant_id, to, new)
        words = f"{new} will be made, and have what {tenant_id} had"
        if into.there(house, new):
            words = restoring.propose(house, new, to, owner=tenant_id).loss
        typer.echo(words + ".", err=True)
        confirm(f"Restore data of {tenant_id} into {new}?", yes=session.yes)
        with progress() as sink:
            into.make(house, tenant_id, new, sink)
            proposal = restoring.propose(house, new, to, owner=tenant_id)
            return _result(proposal, restoring.carry_out(house, proposal, sink))
    proposal = restoring.propose(house, tenant_id, to)
    typer.echo(proposal.loss + ".", err=True)
    confirm(
        f"Restore {tenant_id}?" if not proposal.resumed else f"Go on with the restore of {tenant_id}?", yes=session.yes
    )
    with progress() as sink:
        return _result(proposal, restoring.carry_out(house, proposal, sink))


def abandoned(session: Session, tenant_id: str) -> object:
    """Give up a restore that doesn't serve yet."""
    from provisioner.cli.results import Made

    tell_callers(session, [session.app.registry().load().tenant(tenant_id)])
    confirm(f"Give up the restore of {tenant_id}, and remove what it made?", yes=session.yes)
    with progress() as sink:
        operation = restoring.abandon(session.app, tenant_id, sink)
    return Made(tenant_id, "active", operation=operation, next=f"provision show {tenant_id}")


def _result(proposal: restoring.Proposal, result: JsonDict) -> Restored:
    told: Any = {k: result[k] for k in ("url", "release", "moment", "old_database", "kept_until")}
    return Restored(tenant=proposal.tenant, state="active", operation=proposal.operation_id, **told)
