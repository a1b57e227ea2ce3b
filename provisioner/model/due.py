"""What is due for a tenant now. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from provisioner.model.recovery import BackupPolicy, PointStatus, RecoveryPoint, Verdict
from provisioner.model.retention import THINNED

_MAKING = timedelta(hours=4)


def backup_due(points: Sequence[RecoveryPoint], policy: BackupPolicy, now: datetime) -> bool:
    """Whether the newest of a tenant's manual and scheduled points is `every_hours` old, or there is none. One that is
    being made counts for a few hours, longer than any snapshot takes; one that failed doesn't."""
    taken = [p.taken_at for p in points if p.kind in THINNED and _counts(p, now)]
    return not taken or now - max(taken) >= timedelta(hours=policy.every_hours)


def _counts(point: RecoveryPoint, now: datetime) -> bool:
    if point.status is PointStatus.CREATING:
        return now - point.taken_at < _MAKING
    return point.status is PointStatus.AVAILABLE


def slot(policy: BackupPolicy, now: datetime) -> int:
    """Number of the schedule's period since 1970 that `now` is in: workers that find a backup due in the same one
    derive one operation's id from it. Two scheduled points are never of one slot, for they are a period apart."""
    return int(now.timestamp()) // (policy.every_hours * 3600)


def drill_due(last: datetime | None, verdict: Verdict | None, policy: BackupPolicy, now: datetime) -> bool:
    """Whether the last drill was `drill_days` ago, or there was none. One that couldn't tell is tried again after a
    day."""
    days = 1 if verdict is Verdict.INCONCLUSIVE else policy.drill_days
    return last is None or now - last >= timedelta(days=days)


def drift_due(last: datetime | None, hours: int, now: datetime) -> bool:
    """Whether the last look for drift was `hours` ago, or there was none."""
    return last is None or now - last >= timedelta(hours=hours)


def scan_due(last: datetime | None, hours: int, now: datetime, *, other_machine: bool) -> bool:
    """Whether the last scan for missing patches was `hours` ago, was of another machine, or there was none."""
    return last is None or other_machine or now - last >= timedelta(hours=hours)
