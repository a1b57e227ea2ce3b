"""Retention: reasons, and what holds for any points whatever."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.recovery import BackupPolicy, PointKind, PointStatus, RecoveryPoint, Verdict
from provisioner.model.retention import THINNED, expired, kept
from tests.unit.model.points import NOW, POINTS, POLICIES, SCHEDULED, TIMES, point, policy

DAY = timedelta(days=1)


def nightly(days: int) -> list[RecoveryPoint]:
    """One at 02:00 of each of the last days, named after its day."""
    times = [datetime(2026, 11, 25, 2, tzinfo=UTC) - n * DAY for n in range(days)]
    return [point(str(at.date()), at) for at in times]


def test_reasons() -> None:
    points = nightly(800)
    found = kept(points, policy(daily=3, weekly=2, monthly=3, yearly=3), NOW)
    assert found == {
        "2026-11-25": "newest",
        "2026-11-24": "daily 2026-11-24",
        "2026-11-23": "daily 2026-11-23",
        "2026-11-22": "weekly 2026-W47",
        "2026-10-31": "monthly 2026-10",
        "2026-09-30": "monthly 2026-09",
        "2025-12-31": "yearly 2025",
        "2024-12-31": "yearly 2024",
    }
    gone = expired(points, policy(daily=3, weekly=2, monthly=3, yearly=3), NOW)
    assert {p.id for p in gone} == {p.id for p in points} - set(found)
    assert gone == sorted(gone, key=lambda p: p.taken_at)


def test_weeks_are_iso_8601s_and_days_are_utcs() -> None:
    new_year = point("a", datetime(2027, 1, 1, 12, tzinfo=UTC))
    monday = point("b", datetime(2027, 1, 4, 0, 30, tzinfo=timezone(timedelta(hours=1))))
    found = kept([new_year, monday, point("c", monday.taken_at + DAY)], policy(daily=9, weekly=9), NOW)
    assert found == {"c": "newest", "b": "daily 2027-01-03", "a": "daily 2027-01-01"}
    found = kept([new_year, point("c", monday.taken_at + DAY)], policy(weekly=9), NOW)
    assert found == {"c": "newest", "a": "weekly 2026-W53"}


def test_only_the_newest_of_a_day_counts() -> None:
    points = [point(f"h{hour}", NOW - timedelta(hours=hour)) for hour in (1, 5, 9, 13, 17)]
    assert kept(points, policy(daily=7), NOW) == {"h1": "newest", "h13": "daily 2026-11-24"}


def test_a_pause_of_the_backups_loses_nothing() -> None:
    """Days that have points are counted, and not days of the calendar."""
    points = nightly(5)
    for later in (NOW, NOW + 1000 * DAY):
        assert list(kept(points, policy(daily=3), later)) == ["2026-11-25", "2026-11-24", "2026-11-23"]


@pytest.mark.parametrize("kind", [k for k in PointKind if k not in THINNED])
def test_points_made_for_an_occasion_are_kept_until_they_expire(kind: PointKind) -> None:
    newest = point("new", NOW)
    held = point("held", NOW - DAY, kind=kind, expires=date(2026, 12, 9))
    last = datetime(2026, 12, 9, 23, 59, tzinfo=UTC)
    keeps = policy(daily=7)
    assert kept([newest, held], keeps, last) == {"held": "expires 2026-12-09", "new": "newest"}
    assert kept([newest, held], keeps, last + timedelta(minutes=1)) == {"new": "newest"}
    assert expired([newest, held], keeps, last + timedelta(minutes=1)) == [held]
    for_ever = replace(held, expires=None)
    assert kept([newest, for_ever], keeps, NOW + 10000 * DAY)["held"] == "never expires"


def test_the_newest_is_kept_though_it_has_expired() -> None:
    final = point("final", NOW, kind=PointKind.FINAL, expires=date(2026, 11, 1))
    assert kept([final, point("old", NOW - DAY)], policy(), NOW) == {"final": "newest"}


def test_the_last_proven_one_is_kept() -> None:
    points = nightly(40)
    points[20] = replace(points[20], proven_at=NOW - 3 * DAY, verdict=Verdict.PASSED)
    points[30] = replace(points[30], proven_at=NOW - 9 * DAY, verdict=Verdict.PASSED)
    points[10] = replace(points[10], proven_at=NOW - 1 * DAY, verdict=Verdict.FAILED)
    assert kept(points, policy(daily=1), NOW) == {"2026-11-25": "newest", points[20].id: "last proven"}
    points[20] = replace(points[20], verdict=Verdict.INCONCLUSIVE)
    assert points[20].id in kept(points, policy(daily=1), NOW), "an inconclusive drill takes no proof away"


@pytest.mark.parametrize("status", [s for s in PointStatus if s is not PointStatus.AVAILABLE])
def test_only_available_points_count(status: PointStatus) -> None:
    other = point("other", NOW, status=status, proven_at=NOW, verdict=Verdict.PASSED)
    good = point("good", NOW - timedelta(hours=1))
    assert kept([other, good], policy(daily=1), NOW) == {"good": "newest"}
    assert expired([other, good], policy(daily=1), NOW) == ([other] if status is PointStatus.FAILED else [])


def test_points_of_several_tenants_are_not_thinned_out_together() -> None:
    with pytest.raises(ValueError, match="several tenants"):
        kept([point("a", NOW), replace(point("b", NOW), tenant="globex")], policy(daily=1), NOW)


def test_nothing_is_kept_of_nothing() -> None:
    assert (kept([], BackupPolicy(), NOW), expired([], BackupPolicy(), NOW)) == ({}, [])


@given(POINTS, POLICIES)
def test_the_newest_and_the_last_proven_are_always_kept(points: list[RecoveryPoint], keeps: BackupPolicy) -> None:
    found = kept(points, keeps, NOW)
    available = [p for p in points if p.status is PointStatus.AVAILABLE]
    if available:
        newest = max(p.taken_at for p in available)
        assert any(p.id in found for p in available if p.taken_at == newest)
    proofs = [p.proven_at for p in available if p.proven_at is not None and p.verdict is Verdict.PASSED]
    if proofs:
        assert any(p.id in found for p in available if p.proven_at is not None and p.proven_at >= max(proofs))


@given(POINTS, POLICIES)
def test_each_point_is_kept_or_expired_or_neither_and_why_is_true(
    points: list[RecoveryPoint], keeps: BackupPolicy
) -> None:
    found = kept(points, keeps, NOW)
    gone = {p.id for p in expired(points, keeps, NOW)}
    assert not gone & set(found)
    for p in points:
        if p.status in {PointStatus.CREATING, PointStatus.DELETED}:
            assert p.id not in gone | set(found)
        else:
            assert p.id in gone | set(found)
        if (
            p.kind not in THINNED
            and p.status is PointStatus.AVAILABLE
            and (p.expires is None or p.expires >= NOW.date())
        ):
            assert found[p.id] == ("never expires" if p.expires is None else f"expires {p.expires}")


@given(POINTS, POLICIES)
def test_never_more_than_the_counts_and_two(points: list[RecoveryPoint], keeps: BackupPolicy) -> None:
    found = kept(points, keeps, NOW)
    thinned = [p for p in points if p.id in found and p.kind in THINNED]
    assert len(thinned) <= keeps.daily + keeps.weekly + keeps.monthly + keeps.yearly + 2


@given(SCHEDULED, st.lists(TIMES, max_size=20), POLICIES)
def test_older_points_never_push_a_newer_one_out(
    points: list[RecoveryPoint], times: list[datetime], keeps: BackupPolicy
) -> None:
    oldest = min((p.taken_at for p in points), default=NOW)
    older = [point(f"o{n:03}", oldest - (NOW - at) - timedelta(hours=1)) for n, at in enumerate(times)]
    before, after = kept(points, keeps, NOW), kept(points + older, keeps, NOW)
    assert before.items() <= after.items()


@given(POINTS, POLICIES)
def test_once_is_enough(points: list[RecoveryPoint], keeps: BackupPolicy) -> None:
    found = kept(points, keeps, NOW)
    rest = [p for p in points if p.id in found]
    assert kept(rest, keeps, NOW) == found
    assert expired(rest, keeps, NOW) == []


@given(SCHEDULED, POLICIES)
def test_deleting_as_one_goes_keeps_what_deleting_at_the_end_would(
    points: list[RecoveryPoint], keeps: BackupPolicy
) -> None:
    rest: list[RecoveryPoint] = []
    for p in sorted(points, key=lambda p: (p.taken_at, p.id)):
        found = kept([*rest, p], keeps, p.taken_at)
        rest = [r for r in [*rest, p] if r.id in found]
    assert {p.id for p in rest} == set(kept(points, keeps, NOW))
