"""Commands that run operations: confirmation, progress, detaching, and the result."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from provisioner.cli.ask import confirm
from provisioner.cli.framework import Session
from provisioner.cli.progress import progress
from provisioner.cli.results import Intentions, Made
from provisioner.model.json import JsonDict
from provisioner.model.tenant import Tenant
from provisioner.ops import apply as applying
from provisioner.ops import new_tenant
from provisioner.ops.desired import callers
from provisioner.ops.operations import find
from provisioner.ops.plan import ACTIONABLE, Intention
from provisioner.ops.requests import NewTenantRequest
from provisioner.settings import private


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A checked request for a new tenant."""

    proposal: new_tenant.Proposal

    def preview(self) -> Intentions:
        """What would be made."""
        if self.proposal.resumed:
            reason = f"its creation is unfinished and goes on (operation {self.proposal.operation_id})"
            return Intentions([Intention(self.proposal.tenant, "resume", reason)])
        return Intentions([Intention(self.proposal.tenant, "create", "it is new", plan=self.proposal.plan)])


def propose_new(session: Session, words: NewTenantRequest) -> NewTenant:
    """Check a request; see `ops.new_tenant.propose`."""
    return NewTenant(new_tenant.propose(session.app, words))


def make(session: Session, checked: NewTenant, *, detach: bool) -> Made:
    """Carry it out, here or in a process of its own."""
    proposal, house = checked.proposal, session.app
    if detach:
        tell_callers(session, [proposal.payload])
        target = str(proposal.payload["target"]["name"])  # type: ignore[index,call-overload]
        house.ledger.begin_operation(
            proposal.operation_id, "new-tenant", proposal.tenant, target, proposal.payload, queued=True
        )
        return detached(session, proposal.tenant, proposal.operation_id)
    with progress() as sink:
        result = new_tenant.carry_out(house, proposal, sink)
    return Made(
        proposal.tenant,
        "active",
        url=str(result["url"]),
        release=str(result["release"]),
        operation=proposal.operation_id,
        next=f"provision show {proposal.tenant}",
    )


def apply_all(session: Session, intentions: Sequence[Intention], *, parallel: int) -> Intentions:
    """Ask, then carry out what can be."""
    todo = [i for i in intentions if i.verdict in ACTIONABLE]
    if todo:
        _tell(intentions)
        tell_callers(session, [_payload(session, i) for i in todo])
        confirm(f"Apply {len(todo)} tenant(s)?", yes=session.yes)
    with progress() as sink:
        return Intentions(applying.apply(session.app, intentions, sink, parallel=parallel))


def tell_callers(session: Session, works: Iterable[Mapping[str, Any] | Tenant]) -> None:
    """Say on stderr in which account and region, and as whom, it would be worked on AWS, before anybody is asked.
    `works`: payloads of operations, or tenants. Raises AuthenticationError where it isn't as they say."""
    for words in callers(session.app, works):
        typer.echo(words, err=True)


def _payload(session: Session, intention: Intention) -> JsonDict:
    if intention.operation_id is None:
        return intention.payload or {}
    return find(session.app, intention.operation_id).payload


def detached(session: Session, tenant: str, operation_id: str) -> Made:
    """Start a process of its own that carries the operation out; its words go to a log file."""
    log = session.log_folder() / f"{operation_id}.log"
    words = [sys.executable, "-m", "provisioner.cli.main", "operations", "resume", operation_id]
    environment = {**os.environ, **session.settings.environment()}
    with open(log, "a", opener=private) as out:
        subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=environment
        )
    return Made(tenant, "running", operation=operation_id, next=f"provision operations show {operation_id}")


def _tell(intentions: Sequence[Intention]) -> None:
    """What is about to be done, on stderr: stdout is for the result."""
    from rich.console import Console

    from provisioner.cli.tables import show

    show(Intentions(list(intentions)), Console(stderr=True, highlight=False))
