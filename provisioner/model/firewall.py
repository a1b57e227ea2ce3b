"""The stateful-change firewall: no plan may replace or delete what holds data, unless a waiver says exactly that.

It looks at the *state* (what exists), not at what the program says now: a protection that was removed from the code
still holds until it was removed from the state (pulumi/pulumi#13428).
"""

from dataclasses import dataclass
from datetime import date

from provisioner.model.change import Plan, Step, StepOp
from provisioner.model.errors import RefusedError
from provisioner.model.tenant import Waiver

STATEFUL_TYPES: frozenset[str] = frozenset(
    {
        "aws:rds/instance:Instance",
        "aws:ebs/volume:Volume",
        "aws:kms/key:Key",
        "aws:s3/bucket:Bucket",
        "aws:secretsmanager/secret:Secret",
    }
)
_REPLACING = {StepOp.REPLACE, StepOp.CREATE_REPLACEMENT, StepOp.DELETE_REPLACED}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One step that the firewall stops: what it would do to which resource, and why that is planned."""

    operation: str
    step: Step

    def __str__(self) -> str:
        why = ", ".join(c.path for c in self.step.changes if c.replaces)
        return f"{self.operation} of {self.step.type} {self.step.name}" + (f" (because of {why})" if why else "")


def refusals(plan: Plan, waivers: tuple[Waiver, ...], today: date) -> tuple[Refusal, ...]:
    """Every stateful resource that `plan` would replace or delete without a live waiver; each resource once."""
    found: dict[str, Refusal] = {}
    for step in plan.steps:
        operation = "replace" if step.op in _REPLACING else "delete" if step.op is StepOp.DELETE else None
        if operation is None or step.type not in STATEFUL_TYPES:
            continue
        if not any(_allows(w, operation, step, today) for w in waivers):
            known = found.get(step.urn)
            if known is None or len(step.changes) > len(known.step.changes):
                found[step.urn] = Refusal(operation, step)
    return tuple(found.values())


def check(tenant: str, plan: Plan, waivers: tuple[Waiver, ...], today: date) -> None:
    """Raise RefusedError (exit 6) that names every refused step."""
    refused = refusals(plan, waivers, today)
    if refused:
        listing = "\n".join(f"  {r}" for r in refused)
        raise RefusedError(
            f"the firewall refused {len(refused)} stateful change(s) of {tenant}; nothing was changed:\n{listing}",
            hint=f"undo the edit, or add a waiver with name, reason and expiry under tenants/{tenant}/waivers",
        )


def _allows(waiver: Waiver, operation: str, step: Step, today: date) -> bool:
    return waiver.operation == operation and waiver.resource == step.name and waiver.expires >= today
