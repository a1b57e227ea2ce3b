"""Rollouts in the ledger: by id, the open one, and those that nobody drives."""

from provisioner.model.errors import PausedError, UsageError
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import DRIVEN, OVER, RolloutStatus
from provisioner.ops.house import House

_OPEN = tuple(s for s in RolloutStatus if s not in OVER)


def lease_of(rollout_id: str) -> str:
    """What is held by whoever drives it."""
    return f"rollout/{rollout_id}"


def find(house: House, rollout_id: str | None) -> RolloutRecord:
    """One rollout with its rows, by id or unambiguous prefix; without one: the only open one, else the newest. Raises
    UsageError where there is none, or where several are open."""
    if rollout_id is None:
        return _only(house)
    found = house.ledger.rollout(rollout_id)
    if found is None:
        raise UsageError(f"there is no rollout {rollout_id}", hint="provision rollout list")
    return found


def stranded(house: House) -> list[RolloutRecord]:
    """Rollouts that should go on, and that nobody drives."""
    going = house.ledger.rollouts(statuses=DRIVEN)
    return [record for record in going if house.ledger.lease(lease_of(record.id)) is None]


def stopped(record: RolloutRecord) -> PausedError | None:
    """What is raised for one that waits for a person; None for any other."""
    if record.status not in (RolloutStatus.PAUSED, RolloutStatus.HALTED):
        return None
    said = record.cause.startswith(f"{record.status}: ")
    cause = record.cause if said else f"{record.status}: {record.cause}"
    return PausedError(f"rollout {record.id} {record.plan.what} is {cause}", hint=record.hint)


def _only(house: House) -> RolloutRecord:
    open_ones = house.ledger.rollouts(statuses=_OPEN, limit=5)
    if len(open_ones) > 1:
        ids = ", ".join(r.id for r in open_ones)
        raise UsageError(
            f"several rollouts are open: {ids}", hint=f"say which one: provision rollout status {open_ones[0].id}"
        )
    newest = open_ones or house.ledger.rollouts(limit=1)
    if not newest:
        raise UsageError("there is no rollout yet", hint="provision rollout plan RELEASE --all")
    return find(house, newest[0].id)
