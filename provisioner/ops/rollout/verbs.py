"""What operators do with a rollout. Each verb records a wish, or lets it go on; whoever drives it follows."""

import secrets
from collections.abc import Sequence

from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import (
    DRIVEN,
    MOVED,
    RETRIABLE,
    SKIPPABLE,
    RolloutStatus,
    StepState,
    check_rollout,
)
from provisioner.model.suggest import suggest
from provisioner.ops.house import House
from provisioner.ops.rollout.propose import check

_S = StepState
_AGAIN = frozenset({_S.BROKEN, _S.INCONCLUSIVE})


def start(house: House, plan: RolloutPlan, by: str) -> RolloutRecord:
    """Record a rollout with its frozen plan; nobody drives it yet. Raises RefusedError where there is nothing to do,
    LeaseHeldError where one of its tenants is in another open rollout."""
    check(plan)
    return house.ledger.begin_rollout(f"{plan.release}-{secrets.token_hex(3)}", plan, by)


def pause(house: House, record: RolloutRecord, words: str) -> None:
    """Begin nothing new. Raises UsageError for one that doesn't go."""
    _going(record, "paused")
    house.ledger.wish(record.id, pause=words)


def resume(house: House, record: RolloutRecord) -> None:
    """Let it go on; of one that goes, the wish for a pause is taken back."""
    house.ledger.go_on(record.id, _going_on(record))


def retry(house: House, record: RolloutRecord, tenants: Sequence[str]) -> list[str]:
    """Try those that failed again: the named ones, or all. Returns them. Raises UsageError where there are none."""
    check_rollout(record.id, record.status, _going_on(record))
    may = _AGAIN if record.wishes.rollback else RETRIABLE - {_S.SKIPPED}
    named = may | {_S.SKIPPED} if tenants and not record.wishes.rollback else may
    found = _of(record, tenants, named, "can't be tried again")
    if not found:
        raise UsageError(f"nobody of rollout {record.id} has failed", hint=f"provision rollout status {record.id}")
    house.ledger.wish(record.id, retry=found)
    resume(house, record)
    return found


def skip(house: House, record: RolloutRecord, tenants: Sequence[str]) -> None:
    """Leave tenants out."""
    check_rollout(record.id, record.status, _going_on(record))
    house.ledger.wish(record.id, skip=_of(record, tenants, SKIPPABLE, "can't be left out"))


def abort(house: House, record: RolloutRecord, words: str) -> None:
    """End it for good: nothing new is begun, and who was moved stays moved."""
    check_rollout(record.id, record.status, RolloutStatus.ABORTED)
    house.ledger.wish(record.id, abort=words)
    if record.status not in DRIVEN:
        house.ledger.go_on(record.id, RolloutStatus.RUNNING)  # so that its end is recorded as any other


def rollback(house: House, record: RolloutRecord) -> None:
    """Take back those that were moved, the last wave first. Raises RefusedError where one can't come back."""
    check_rollout(record.id, record.status, RolloutStatus.ROLLING_BACK)
    stuck = [t for t in moved(record) if record.plan.tenants[t].undo == "one-way"]
    if stuck and record.plan.work == "patch":
        raise RefusedError(
            f"{', '.join(stuck[:5])}: patches can't be taken back; nothing was changed",
            hint="provision restore TENANT --to POINT brings data and machine of before back: provision backup list",
        )
    if stuck:
        raise RefusedError(
            f"{', '.join(stuck[:5])} can't go back: {record.plan.release} is one-way; nothing was changed",
            hint=f"provision rollout abort {record.id}, and mend it by a newer release",
        )
    unwell = [row.tenant for row in record.rows if row.state in _AGAIN]
    house.ledger.go_on(record.id, RolloutStatus.ROLLING_BACK, retry=unwell)


def moved(record: RolloutRecord) -> list[str]:
    """Tenants that are on the new release, or may be."""
    return [row.tenant for row in record.rows if row.state in MOVED | {_S.RUNNING}]


def _going_on(record: RolloutRecord) -> RolloutStatus:
    return RolloutStatus.ROLLING_BACK if record.wishes.rollback else RolloutStatus.RUNNING


def _going(record: RolloutRecord, what: str) -> None:
    if record.status not in DRIVEN:
        raise UsageError(
            f"rollout {record.id} is {record.status}: it can't be {what}", hint=f"provision rollout status {record.id}"
        )


def _of(record: RolloutRecord, tenants: Sequence[str], states: frozenset[StepState], what: str) -> list[str]:
    """The named tenants, which must be in one of these states; all that are, where none is named."""
    known = {row.tenant: row for row in record.rows}
    for tenant in tenants:
        if tenant not in known:
            raise UsageError(
                f"tenant {tenant} isn't in rollout {record.id}", hint=suggest(tenant, list(known), "tenants of it")
            )
        if known[tenant].state not in states:
            raise UsageError(
                f"{tenant} is {known[tenant].state}: it {what}", hint=f"provision rollout status {record.id}"
            )
    return list(tenants) or [row.tenant for row in record.rows if row.state in states]
