"""A rollout's channel: it moves when all is done, and is put back where the rollout comes to another end."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from provisioner.model.rollout.channel import stays
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.progress import Decision, Row
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import OVER, RolloutStatus
from provisioner.model.versions import version_key
from provisioner.ops.house import RegistryFile
from provisioner.ops.rollout.release import changed

Note = Callable[[str], bool]


def settled(
    file: RegistryFile, record: RolloutRecord, rows: Iterable[Row], decision: Decision, note: Note
) -> Decision | None:
    """What is to be recorded, with the channel where it should be by that. Run again after a kill, it does the same.

    `note` records, under the driver's lease, that the channel is about to be changed, and says whether an operator
    wants nothing else meanwhile. Where one does, None is returned. Raises RegistryError.
    """
    if decision.status is RolloutStatus.SUCCEEDED:
        if record.plan.channel is None or stays(record.plan, rows) is not None:
            return decision
        return _moved(file, record, decision, note)
    if decision.status in OVER and record.moves_channel:
        return _put_back(file, record.plan, decision, note)
    return decision


def _moved(file: RegistryFile, record: RolloutRecord, decision: Decision, note: Note) -> Decision | None:
    """New tenants get the release from now on. Where somebody has moved the channel further, it stays there."""
    plan, channel = record.plan, str(record.plan.channel)
    registry = file.load()
    present = registry.channels.get(channel)
    why = changed(registry, plan) or (None if present else f"channel {channel} is gone from the registry")
    if why is not None:
        pause = f"paused: channel {channel} can't move: {why}; {decision.cause}"
        hint = f"provision rollout resume {record.id}, or provision rollout abort {record.id}"
        return replace(decision, status=RolloutStatus.PAUSED, cause=pause, hint=hint)
    if version_key(str(present)) >= version_key(plan.release):
        return decision
    if not note(f"all is done: channel {channel} moves from {present} to {plan.release}"):
        return None
    file.move_channel(channel, plan.release)
    return decision


def _put_back(file: RegistryFile, plan: RolloutPlan, decision: Decision, note: Note) -> Decision | None:
    """New tenants get the release from before, if the channel names this one still."""
    channel, before = str(plan.channel), str(plan.channel_from)
    present = file.load().channels.get(channel)
    if present == plan.release:
        if not note(f"all is done: channel {channel} goes back from {plan.release} to {before}"):
            return None
        file.move_channel(channel, before)
        present = before
    where = f"is back at {present}" if present == before else f"stays at {present}" if present else "is gone"
    return replace(decision, cause=f"{decision.cause}; channel {channel} {where}")
