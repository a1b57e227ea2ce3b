"""What is due now, and which period of the schedule it is."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.due import backup_due, drill_due, slot
from provisioner.model.recovery import BackupPolicy, PointKind, PointStatus, Verdict
from tests.unit.model.points import NOW, TIMES, point

POLICY = BackupPolicy(every_hours=6, drill_days=14)
HOUR = timedelta(hours=1)


def test_a_backup_is_due_when_there_is_none() -> None:
    assert backup_due([], POLICY, NOW)


@pytest.mark.parametrize("kind", [PointKind.SCHEDULED, PointKind.MANUAL])
@pytest.mark.parametrize("status", [PointStatus.AVAILABLE])
def test_a_backup_is_due_when_the_newest_is_a_period_old(kind: PointKind, status: PointStatus) -> None:
    old = point("old", NOW - 100 * HOUR)
    newest = point("new", NOW - 6 * HOUR, kind=kind, status=status)
    assert backup_due([newest, old], POLICY, NOW)
    assert not backup_due([newest, old], POLICY, NOW - timedelta(seconds=1))


def test_a_point_that_is_being_made_counts_for_a_few_hours() -> None:
    making = point("new", NOW - 3 * HOUR, status=PointStatus.CREATING)
    assert not backup_due([making], POLICY, NOW)
    assert backup_due([making], POLICY, NOW + 1 * HOUR)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (PointKind.SCHEDULED, PointStatus.FAILED),
        (PointKind.SCHEDULED, PointStatus.DELETED),
        (PointKind.BEFORE_RESTORE, PointStatus.AVAILABLE),
        (PointKind.REPLACED, PointStatus.AVAILABLE),
        (PointKind.FINAL, PointStatus.AVAILABLE),
    ],
)
def test_what_failed_or_was_made_for_an_occasion_stands_for_no_schedule(kind: PointKind, status: PointStatus) -> None:
    assert backup_due([point("new", NOW, kind=kind, status=status)], POLICY, NOW)


def test_a_slot_is_a_period_of_the_schedule() -> None:
    day = BackupPolicy(every_hours=24)
    midnight = NOW.replace(hour=0)
    assert slot(day, midnight) == slot(day, midnight + 24 * HOUR - timedelta(microseconds=1))
    assert slot(day, midnight + 24 * HOUR) == slot(day, midnight) + 1
    assert slot(POLICY, midnight + 6 * HOUR) == slot(POLICY, midnight) + 1


@given(TIMES, st.integers(1, 168), st.integers(0, 10_000))
def test_two_points_that_were_due_are_never_of_one_slot(at: datetime, hours: int, later: int) -> None:
    policy = BackupPolicy(every_hours=hours)
    next_ = at + hours * HOUR + timedelta(minutes=later)
    assert backup_due([point("p", at)], policy, next_)
    assert slot(policy, next_) > slot(policy, at)


@pytest.mark.parametrize(("verdict", "days"), [(Verdict.PASSED, 14), (Verdict.FAILED, 14), (Verdict.INCONCLUSIVE, 1)])
def test_a_drill_is_due_when_the_last_one_is_long_ago(verdict: Verdict, days: int) -> None:
    assert drill_due(None, None, POLICY, NOW)
    assert drill_due(NOW - timedelta(days=days), verdict, POLICY, NOW)
    assert not drill_due(NOW - timedelta(days=days) + timedelta(seconds=1), verdict, POLICY, NOW)
