"""`provision restore ACME --into NEW`: a new tenant of the same kind, which then gets the other one's data."""

from typing import Any

from provisioner.model.errors import UsageError
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.ops import new_tenant
from provisioner.ops.house import House
from provisioner.ops.operations import unfinished
from provisioner.ops.requests import NewTenantRequest
from provisioner.ops.restoring import foreign_source

_MARK = "restored-from"


def check(house: House, owner: str, to: str, new: str) -> None:
    """All that can be checked before anything is made. Raises UsageError, and RefusedError without consent."""
    registry = house.registry().load()
    if new == owner:
        raise UsageError(f"{new} is the tenant itself", hint=f"provision restore {owner} --to {to}")
    if new in registry.tenant_ids() and registry.tenant(new).labels.get(_MARK) != owner:
        raise UsageError(
            f"tenant {new} exists already, and wasn't made for data of {owner}; nothing was changed",
            hint="--into makes a new tenant: choose another id",
        )
    foreign_source(house, registry, owner, new, to)


def there(house: House, new: str) -> bool:
    """Whether the new tenant was made already, and may have something to lose by now."""
    record = house.ledger.tenant(new)
    waiting = unfinished(house, new, "new-tenant")
    return record is not None and record.lifecycle is not Lifecycle.RETIRED and waiting is None


def make(house: House, owner: str, new: str, progress: Progress) -> None:
    """The new tenant, empty; one that was made for this is there already. Its label says where its data comes from."""
    if there(house, new):
        return
    origin = house.registry().load().tenant(owner)
    words = NewTenantRequest(
        new,
        tier=origin.tier,
        region=origin.region,
        ring=origin.ring,
        release=_release(house, owner),
        organization=origin.organization,
        target=origin.target.name,
        labels={_MARK: owner},
    )
    new_tenant.carry_out(house, new_tenant.propose(house, words), progress)


def _release(house: House, owner: str) -> str:
    record: Any = house.ledger.tenant(owner)
    return str(record.assigned_release)
