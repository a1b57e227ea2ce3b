"""Retention: which recovery points are kept, and why. Pure.

Manual and scheduled points are thinned out as restic does it: each rule looks at all of them, from the newest back, and
keeps the newest of each of the last N days (weeks, months, years) *that have points*: a pause of the backups loses
nothing. One point may count for several rules. So deleting as one goes keeps what deleting once at the end would.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from provisioner.model.recovery import BackupPolicy, PointKind, PointStatus, RecoveryPoint, Verdict

THINNED = frozenset({PointKind.MANUAL, PointKind.SCHEDULED})
"""Kinds that the policy thins out; the others are kept until they expire."""

_DELETABLE = {PointStatus.AVAILABLE, PointStatus.FAILED}


def kept(points: Sequence[RecoveryPoint], policy: BackupPolicy, now: datetime) -> dict[str, str]:
    """Ids of one tenant's available points that are kept, each with its first reason: "newest", "daily 2026-11-25",
    "weekly 2026-W48", "monthly 2026-11", "yearly 2026", "last proven", "expires 2026-12-09", "never expires".

    The newest and the one that was last found good are always kept. Raises ValueError for points of several tenants:
    thinned out together, they would drop each other's.
    """
    if len({p.tenant for p in points}) > 1:
        raise ValueError("recovery points of several tenants can't be thinned out together")
    available = sorted((p for p in points if p.status is PointStatus.AVAILABLE), key=_order, reverse=True)
    thinned = [p for p in available if p.kind in THINNED]
    found: dict[str, str] = {p.id: _expiry(p) for p in available if p.kind not in THINNED and _holds(p, now)}
    if available:
        found.setdefault(available[0].id, "newest")
    for word, count, period in _rules(policy):
        for name, point in _newest_of_each(thinned, period)[:count]:
            found.setdefault(point.id, f"{word} {name}")
    proven = max((p for p in available if _is_proven(p)), key=_proof, default=None)
    if proven is not None:
        found.setdefault(proven.id, "last proven")
    return found


def expired(points: Sequence[RecoveryPoint], policy: BackupPolicy, now: datetime) -> list[RecoveryPoint]:
    """What may be deleted, oldest first: one tenant's available points that aren't kept, and failed ones."""
    keep = kept(points, policy, now)
    return sorted((p for p in points if p.status in _DELETABLE and p.id not in keep), key=_order)


def _rules(policy: BackupPolicy) -> tuple[tuple[str, int, Callable[[datetime], str]], ...]:
    return (
        ("daily", policy.daily, lambda at: at.strftime("%Y-%m-%d")),
        ("weekly", policy.weekly, lambda at: at.strftime("%G-W%V")),
        ("monthly", policy.monthly, lambda at: at.strftime("%Y-%m")),
        ("yearly", policy.yearly, lambda at: at.strftime("%Y")),
    )


def _newest_of_each(
    newest_first: Sequence[RecoveryPoint], period: Callable[[datetime], str]
) -> list[tuple[str, RecoveryPoint]]:
    found: dict[str, RecoveryPoint] = {}
    for point in newest_first:
        found.setdefault(period(point.taken_at.astimezone(UTC)), point)
    return list(found.items())


def _holds(point: RecoveryPoint, now: datetime) -> bool:
    return point.expires is None or point.expires >= now.astimezone(UTC).date()


def _expiry(point: RecoveryPoint) -> str:
    return "never expires" if point.expires is None else f"expires {point.expires}"


def _is_proven(point: RecoveryPoint) -> bool:
    """An inconclusive drill after a good one says nothing about the backup, and takes no proof away."""
    return point.proven_at is not None and point.verdict is not Verdict.FAILED


def _proof(point: RecoveryPoint) -> tuple[datetime, datetime, str]:
    return (point.proven_at or point.taken_at, *_order(point))


def _order(point: RecoveryPoint) -> tuple[datetime, str]:
    return point.taken_at, point.id
