"""Recovery points to think about, and any that hypothesis comes up with."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from provisioner.model.recovery import BackupPolicy, PointKind, PointStatus, RecoveryPoint, Verdict

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def point(point_id: str, taken_at: datetime, **changes: Any) -> RecoveryPoint:
    """A scheduled one that is available."""
    made = RecoveryPoint(
        id=point_id,
        tenant="acme",
        target="sandbox",
        region="eu-west-1",
        kind=PointKind.SCHEDULED,
        status=PointStatus.AVAILABLE,
        database="acme",
        release="1.1.0",
        schema_version=2,
        config_digest=None,
        key="arn:aws:kms:eu-west-1:123456789012:key/k",
        taken_at=taken_at,
    )
    return replace(made, **changes)


def policy(**counts: int) -> BackupPolicy:
    """One that keeps nothing but what `counts` say."""
    none: dict[str, Any] = {"daily": 0, "weekly": 0, "monthly": 0, "yearly": 0}
    return replace(BackupPolicy(), **(none | counts))


POLICIES = st.builds(policy, daily=st.integers(0, 8), weekly=st.integers(0, 6), monthly=st.integers(0, 6))
TIMES = st.integers(0, 3 * 365 * 24).map(lambda hours: NOW - timedelta(hours=hours))
SCHEDULED = st.lists(TIMES, max_size=60).map(lambda times: [point(f"p{n:03}", at) for n, at in enumerate(times)])
_ANY: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    kind=st.sampled_from(PointKind),
    status=st.sampled_from(PointStatus),
    expires=st.none() | st.integers(-30, 30).map(lambda days: date(2026, 11, 25) + timedelta(days=days)),
    proven_at=st.none() | TIMES,
    verdict=st.none() | st.sampled_from(Verdict),
)
POINTS = st.lists(st.tuples(TIMES, _ANY), max_size=40).map(
    lambda made: [point(f"p{n:03}", at, **changes) for n, (at, changes) in enumerate(made)]
)
