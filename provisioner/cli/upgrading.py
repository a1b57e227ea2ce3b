"""`provision upgrade`, from the words to the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import typer

from provisioner.cli.ask import confirm
from provisioner.cli.framework import Session
from provisioner.cli.progress import progress
from provisioner.cli.running import tell_callers
from provisioner.model.errors import ProvisionError, RefusedError
from provisioner.model.rollout.windows import earliest
from provisioner.model.tenant import Freeze, Tenant
from provisioner.ops.operations import new_id
from provisioner.ops.upgrade.propose import propose
from provisioner.ops.upgrade.run import Upgraded, begun, carry_out


@dataclass(frozen=True, slots=True)
class Moved:
    """How an upgrade ended. `outage_seconds`: how long nobody served, where the migration asks for that; `was_ill`:
    what ailed the tenant before."""

    tenant: str
    state: str
    url: str
    release: str
    before: str
    outage_seconds: float | None
    was_ill: str | None
    operation: str


def upgraded(session: Session, tenant_id: str, to: str | None, *, now: bool, mend: bool) -> Moved:
    """Move one tenant. Raises RefusedError where it may not be changed at this moment (`now`: it may), and what
    it ended with where that isn't the new release. `mend`: one that is ill, too."""
    house = session.app
    registry = house.registry().load()
    tenant = registry.tenant(tenant_id)
    known = begun(house, tenant_id, to)
    if known is None and not now:
        _check_time(tenant, to, registry.freezes, house.clock.now())
    tell_callers(session, [tenant])
    if known is not None:
        operation_id, payload = known.id, known.payload
    else:
        operation_id = new_id(house.clock)
        version, gate = to or tenant.desired_release, registry.strategy().gate
        payload = propose(house, registry, tenant, version, operation_id, gate, mends=mend)
    frozen: Any = payload
    typer.echo(_verdict(frozen), err=True)
    verb = "Go on with moving" if known is not None else "Move"
    confirm(f"{verb} {tenant_id} from {frozen['before']['release']} to {frozen['args']['release']}?", yes=session.yes)
    with progress() as sink:
        done = carry_out(house, tenant_id, operation_id, payload, sink)
    return _result(tenant_id, done)


def _check_time(tenant: Tenant, to: str | None, freezes: Sequence[Freeze], at: datetime) -> None:
    """What was cut off may go on at any time: half an upgrade is worse than one at the wrong hour."""
    slot = earliest(at, tenant.window, tenant.time_zone, tenant.ring, freezes)
    if slot.at != at:
        raise RefusedError(
            f"tenant {tenant.id} may not be changed now: {slot.why}; nothing was changed",
            hint=f"wait until then, or: provision upgrade {tenant.id}{f' --to {to}' if to else ''} --now",
        )


def _result(tenant_id: str, done: Upgraded) -> Moved:
    if done.result is None:
        raise done.error or ProvisionError(f"the upgrade of {tenant_id} ended without a result")
    result: Any = done.result
    return Moved(
        tenant_id,
        "active",
        str(result["url"]),
        str(result["release"]),
        str(result["from"]),
        result["outage_seconds"],
        result["was_ill"],
        done.operation,
    )


def _verdict(payload: Any) -> str:
    """What happens to who uses it, and what going back takes."""
    serves = {
        "none": "The old release serves until the switch.",
        "online": "The old release serves until the switch, on the new schema.",
        "offline": "Nobody is served while the database is migrated.",
    }
    undo = {
        "code-only": "A failure is undone by itself.",
        "needs-restore": "A failure before the switch is undone by itself; after it, going back needs a restore and "
        "loses what was written since.",
        "one-way": "A failure before the switch is undone by itself; after it, it only goes forward.",
    }
    return f"{serves[payload['migration']]} {undo[payload['undo']]}"
