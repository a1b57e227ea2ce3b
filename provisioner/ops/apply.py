"""`provision apply`: carry out what `plan` found, for one tenant or a thousand. One that fails stops no other."""

from collections.abc import Sequence
from dataclasses import replace

from provisioner.model.errors import ProvisionError
from provisioner.model.ports import Progress
from provisioner.ops.cut_off import refuse_upgrading
from provisioner.ops.desired import confirm_caller
from provisioner.ops.house import House
from provisioner.ops.many import each
from provisioner.ops.operations import new_id, resume
from provisioner.ops.plan import ACTIONABLE, Intention


def apply(house: House, intentions: Sequence[Intention], progress: Progress, *, parallel: int = 8) -> list[Intention]:
    """Carry all of them out, `parallel` at once; the answers are in the given order."""
    return each(house, intentions, lambda intention: _one(house, intention, progress), at_once=parallel)


def _one(house: House, intention: Intention, progress: Progress) -> Intention:
    """One tenant. Never raises a ProvisionError: the answer carries it."""
    if intention.verdict == "unchanged" and intention.payload is not None:
        house.ledger.set_applied(intention.tenant, str(intention.payload["digest"]))
    if intention.verdict not in ACTIONABLE:
        return intention
    try:
        if intention.operation_id is not None:
            resume(house, intention.operation_id, progress)
        else:
            refuse_upgrading(house, intention.tenant, "applied")
            confirm_caller(house, intention.payload or {}, progress)
            house.operations.run("apply", new_id(house.clock), intention.tenant, intention.payload or {}, progress)
    except ProvisionError as error:
        return replace(intention, verdict="failed", reason=error.message, error=error)
    return replace(intention, verdict="applied")
