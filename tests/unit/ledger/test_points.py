"""Recovery points, on both databases."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from provisioner.ledger.holder import current_holder
from provisioner.ledger.store import SqlLedger
from provisioner.model.errors import LeaseLostError, RefusedError, UsageError
from provisioner.model.recovery import PointCopy, PointKind, PointStatus, RecoveryPoint, Verdict

NOW = datetime(2026, 11, 25, 2, 0, 0, 123456, tzinfo=UTC)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
TTL = timedelta(seconds=60)


def point(**changes: Any) -> RecoveryPoint:
    made = RecoveryPoint(
        id="acme-20261125-0200-a1b2c3",
        tenant="acme",
        target="sandbox",
        region="eu-west-1",
        kind=PointKind.SCHEDULED,
        status=PointStatus.CREATING,
        database="acme",
        release="1.1.0",
        schema_version=2,
        config_digest="d" * 64,
        key=KEY,
        taken_at=NOW,
        operation_id="op-000001",
    )
    return replace(made, **changes)


FULL = point(
    kind=PointKind.FINAL,
    status=PointStatus.AVAILABLE,
    size_gib=100,
    expires=date(2026, 12, 9),
    copies=(PointCopy("eu-central-1", "acme-20261125-0200-a1b2c3", KEY), PointCopy("us-east-1", "x", None)),
    proven_at=NOW + timedelta(hours=1),
    verdict=Verdict.PASSED,
)


@pytest.mark.parametrize("saved", [point(), point(config_digest=None, operation_id=None), FULL])
def test_a_point_comes_back_as_it_was_saved(ledger: SqlLedger, saved: RecoveryPoint) -> None:
    assert ledger.point(saved.id) is None
    ledger.save_point(saved)
    found = ledger.point(saved.id)
    assert found == saved
    assert isinstance(found.kind, PointKind)
    assert isinstance(found.status, PointStatus)
    assert all(isinstance(copy, PointCopy) for copy in found.copies)


def test_the_newest_record_of_a_point_counts_and_changes_of_status_have_their_lines(ledger: SqlLedger) -> None:
    ledger.save_point(point())
    ledger.save_point(point(size_gib=20))
    ledger.save_point(point(status=PointStatus.AVAILABLE, size_gib=100))
    proven = point(status=PointStatus.AVAILABLE, size_gib=100, proven_at=NOW, verdict=Verdict.PASSED)
    ledger.save_point(proven)
    assert ledger.points() == [proven]
    entries = list(ledger.journal(tenant="acme"))
    assert [(e.kind, e.operation_id) for e in entries] == [
        ("point-available", "op-000001"),
        ("point-creating", "op-000001"),
    ]
    assert [e.detail for e in entries] == [
        {"point": proven.id, "kind": "scheduled", "from": "creating"},
        {"point": proven.id, "kind": "scheduled", "from": None},
    ]
    ledger.verify_journal()


def test_points_are_newest_first_and_deleted_ones_only_on_request(ledger: SqlLedger) -> None:
    for number, (tenant, status) in enumerate(
        [("acme", PointStatus.AVAILABLE), ("globex", PointStatus.FAILED), ("acme", PointStatus.DELETED)]
    ):
        ledger.save_point(
            point(id=f"p-00000{number}", tenant=tenant, status=status, taken_at=NOW + timedelta(hours=number))
        )
    assert [p.id for p in ledger.points()] == ["p-000001", "p-000000"]
    assert [p.id for p in ledger.points(deleted=True)] == ["p-000002", "p-000001", "p-000000"]
    assert [p.id for p in ledger.points(tenant="acme")] == ["p-000000"]
    assert [p.id for p in ledger.points(tenant="acme", deleted=True)] == ["p-000002", "p-000000"]
    assert ledger.points(tenant="initech") == []
    gone = ledger.point("p-000002")
    assert gone is not None
    assert gone.status is PointStatus.DELETED


def test_a_prefix_finds_one_point(ledger: SqlLedger) -> None:
    ledger.save_point(point(id="acme_20261125-a1"))
    ledger.save_point(point(id="acme_20261125-b2", status=PointStatus.DELETED))
    found = ledger.point("acme_20261125-b")
    assert found is not None
    assert found.id == "acme_20261125-b2"
    assert ledger.point("acme_") is None, "too short to be meant"
    assert ledger.point("acmeX2026") is None, "wildcards are plain characters"
    with pytest.raises(UsageError) as caught:
        ledger.point("acme_2026")
    assert caught.value.message == (
        "acme_2026 is the beginning of several recovery points: acme_20261125-a1, acme_20261125-b2"
    )
    assert caught.value.hint == "give more of the id; provision backup list"


def test_deletion_is_final(ledger: SqlLedger) -> None:
    """A drill that read the point before retention deleted it still records what it found."""
    ledger.save_point(point(status=PointStatus.AVAILABLE))
    ledger.save_point(point(status=PointStatus.DELETED))
    ledger.save_point(point(status=PointStatus.AVAILABLE, proven_at=NOW, verdict=Verdict.PASSED))
    assert ledger.points(deleted=True) == [point(status=PointStatus.DELETED, proven_at=NOW, verdict=Verdict.PASSED)]
    assert [e.kind for e in ledger.journal()] == ["point-deleted", "point-available"]


def test_a_point_does_not_change_hands(ledger: SqlLedger) -> None:
    ledger.save_point(point())
    with pytest.raises(RefusedError, match=r"recovery point acme-20261125-0200-a1b2c3 is tenant acme's, not globex's"):
        ledger.save_point(point(tenant="globex"))
    assert ledger.points() == [point()]


def test_no_point_is_saved_under_a_lost_lease(ledger: SqlLedger) -> None:
    stale = ledger.acquire_lease("acme/drill", "op-000001", "a drill", current_holder(), TTL)
    ledger.save_point(point(), lease=stale)
    ledger.release_lease(stale)
    fresh = ledger.acquire_lease("acme/drill", "op-000002", "a drill", current_holder(), TTL)
    with pytest.raises(LeaseLostError, match="held by operation op-000002"):
        ledger.save_point(point(status=PointStatus.AVAILABLE), lease=stale)
    assert ledger.points() == [point()]
    ledger.save_point(point(status=PointStatus.AVAILABLE), lease=fresh)
    assert ledger.points() == [point(status=PointStatus.AVAILABLE)]
