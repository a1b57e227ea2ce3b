"""`provision export`, `offboard` and `certificate`, from the words to the result."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from provisioner.cli.ask import confirm, type_again
from provisioner.cli.framework import Session
from provisioner.cli.progress import progress
from provisioner.cli.results import Document
from provisioner.cli.running import tell_callers
from provisioner.model.errors import UsageError
from provisioner.ops import offboard
from provisioner.ops.export import Exported, export


@dataclass(frozen=True, slots=True)
class Left:
    """How far a goodbye has come. `due`: the day from which it may be retired; `kept_until`: of its last recovery
    point; `certificate`: the hash of the record in the journal."""

    tenant: str
    state: str
    due: str | None = None
    point: str | None = None
    kept_until: str | None = None
    export: str | None = None
    certificate: str | None = None
    next: str | None = None


def exported(session: Session, tenant_id: str, folder: Path | None) -> Exported:
    """Fetch the data."""
    with progress() as sink:
        return export(session.app, tenant_id, folder or Path(f"{tenant_id}-export"), sink)


def offboarded(session: Session, tenant_id: str, *, now: bool, again: str | None, folder: Path | None) -> Left:
    """Do what comes next, and with `now` all that comes after it."""
    house = session.app
    goodbye = offboard.propose(house, tenant_id, folder=folder, now=now)
    tell_callers(session, [goodbye.payload])
    if goodbye.kind == "retire" or now:
        type_again(f"the tenant's id ({tenant_id})", tenant_id, again)
    else:
        typer.echo(f"{tenant_id} is suspended then, and may be destroyed from {goodbye.payload['due']} on.", err=True)
        confirm(f"Offboard {tenant_id}?", yes=session.yes)
    with progress() as sink:
        result: Any = offboard.carry_out(house, goodbye, sink)
        if goodbye.kind == "offboard" and now:
            goodbye = offboard.propose(house, tenant_id, now=True)
            result = offboard.carry_out(house, goodbye, sink)
    if goodbye.kind == "retire":
        return Left(tenant_id, "retired", certificate=result["hash"], next=f"provision certificate {tenant_id}")
    return Left(
        tenant_id,
        "suspended",
        due=result["due"],
        point=result["point"],
        kept_until=result["keep_until"],
        export=result["export"]["folder"],
        next=f"provision resume {tenant_id} to keep it; else provision offboard {tenant_id} from {result['due']} on",
    )


def certified(session: Session, tenant_id: str) -> Document:
    """The certificate, and where it stands in the journal."""
    found = next(iter(session.app.ledger.evidence(tenant=tenant_id, kind="retirement", limit=1)), None)
    if found is None:
        raise UsageError(f"tenant {tenant_id} has no retirement certificate", hint=f"provision show {tenant_id}")
    stamp = {"number": found.number, "at": found.at.isoformat(timespec="seconds"), "hash": found.hash}
    return Document({**found.body, "journal": stamp})
