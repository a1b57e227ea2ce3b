"""The stateful-change firewall: no plan may replace or delete what holds data, or make it again empty, unless a waiver
says exactly that.

It looks at the *state* (what exists), not at what the program says now: a protection that was removed from the code
still holds until it was removed from the state (pulumi/pulumi#13428).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from provisioner.model.change import Plan, Step, StepOp
from provisioner.model.errors import RefusedError
from provisioner.model.tenant import Waiver

DATABASE = "aws:rds/instance:Instance"
STATEFUL_TYPES: frozenset[str] = frozenset(
    {
        DATABASE,
        "aws:ebs/volume:Volume",
        "aws:kms/key:Key",
        "aws:s3/bucket:Bucket",
        "aws:secretsmanager/secret:Secret",
    }
)
EMPTY_AGAIN: frozenset[str] = STATEFUL_TYPES - {"aws:secretsmanager/secret:Secret"}
"""What nobody gets back by making it once more. A secret is given a new password."""
_REPLACING = {StepOp.REPLACE, StepOp.CREATE_REPLACEMENT, StepOp.DELETE_REPLACED}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One step that the firewall stops: what it would do to which resource, and why that is planned."""

    operation: str
    step: Step

    def __str__(self) -> str:
        why = ", ".join(c.path for c in self.step.changes if c.replaces)
        return f"{self.operation} of {self.step.type} {self.step.name}" + (f" (because of {why})" if why else "")


def refusals(plan: Plan, waivers: tuple[Waiver, ...], today: date, lost: Collection[str] = ()) -> tuple[Refusal, ...]:
    """Every stateful resource that `plan` would replace or delete without a live waiver, or make although it was there
    once and is `lost` (URNs); each resource once."""
    found: dict[str, Refusal] = {}
    for step in plan.steps:
        operation = _operation(step, lost)
        if operation is None or step.type not in STATEFUL_TYPES:
            continue
        if not any(_allows(w, operation, step, today) for w in waivers):
            known = found.get(step.urn)
            if known is None or len(step.changes) > len(known.step.changes):
                found[step.urn] = Refusal(operation, step)
    return tuple(found.values())


def check(tenant: str, plan: Plan, waivers: tuple[Waiver, ...], today: date, *, lost: Collection[str] = ()) -> None:
    """Raise RefusedError (exit 6) that names every refused step."""
    refused = refusals(plan, waivers, today, lost)
    if refused:
        listing = "\n".join(f"  {r}" for r in refused)
        raise RefusedError(
            f"the firewall refused {len(refused)} stateful change(s) of {tenant}; nothing was changed:\n{listing}",
            hint=_hint(tenant, refused),
        )


def _operation(step: Step, lost: Collection[str]) -> str | None:
    if step.op is StepOp.CREATE:
        return "create" if step.urn in lost else None
    return "replace" if step.op in _REPLACING else "delete" if step.op is StepOp.DELETE else None


def _hint(tenant: str, refused: tuple[Refusal, ...]) -> str:
    made = [r.step.type for r in refused if r.operation == "create"]
    if DATABASE in made:
        return f"provision restore {tenant} --to POINT (provision backup list {tenant}): made again it would be empty"
    waiver = f"with name, reason and expiry under tenants/{tenant}/waivers"
    if made:
        return f"what was in it is lost; where it may be made again empty, add a waiver (operation create) {waiver}"
    return f"undo the edit, or add a waiver {waiver}"


def _allows(waiver: Waiver, operation: str, step: Step, today: date) -> bool:
    return waiver.operation == operation and waiver.resource == step.name and waiver.expires >= today
