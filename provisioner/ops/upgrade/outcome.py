"""How an upgrade ended, read from the ledger: for the command that ran it, and for a rollout that finds it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from provisioner.model.ledger import Operation, OperationStatus
from provisioner.model.rollout.verdict import age


class Ending(StrEnum):
    """`upgraded`: it is on the new release. `undone`: it failed, and the tenant is as before. `sick`: it was not well
    before, and was left alone. `not-now`: it wasn't the time for it. `restore`: its database has to be restored before
    it is as before. `stuck`: it is on the new release and isn't well, and going back would lose something. `open`: it
    was cut off, and can be gone on with."""

    UPGRADED = "upgraded"
    UNDONE = "undone"
    SICK = "sick"
    NOT_NOW = "not-now"
    RESTORE = "restore"
    STUCK = "stuck"
    OPEN = "open"


_UNTOUCHED = {"sick": Ending.SICK, "not_now": Ending.NOT_NOW}


@dataclass(frozen=True, slots=True)
class Outcome:
    """`cause`: what failed, in words; `step`: in which step. `point`: from which the database has to be restored.
    `outage_seconds`: how long nobody was served for an offline migration, where there was one and it is over."""

    ending: Ending
    cause: str | None = None
    step: str | None = None
    point: str | None = None
    outage_seconds: float | None = None

    @property
    def told(self) -> str:
        """The cause, and the outage."""
        cause = self.cause or "no cause is known"
        if self.outage_seconds is None:
            return cause
        return f"{cause}; nobody was served for {age(timedelta(seconds=self.outage_seconds))}"


def outcome_of(operation: Operation) -> Outcome:
    """Of an operation with its steps."""
    results: dict[str, Any] = {s.name: s.result for s in operation.steps}
    failed = next(((name, r) for name, r in results.items() if r.get("failure")), None)
    if operation.status is OperationStatus.SUCCEEDED:
        return Outcome(Ending.UPGRADED)
    undo = results.get("undo") or {}
    if failed is None or "undone" not in undo:
        return Outcome(Ending.OPEN, operation.error)
    step, found = failed
    cause = str(found["failure"])
    if undo["undone"]:
        untouched = next((ending for flag, ending in _UNTOUCHED.items() if found.get(flag)), Ending.UNDONE)
        return Outcome(untouched, cause, step)
    if undo.get("restore"):
        return Outcome(Ending.RESTORE, cause, step, str(undo["restore"]))
    return Outcome(Ending.STUCK, f"{cause}; {undo['loss']}", step)
