"""What is due, and that the same work has the same operation, whoever finds it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.model.errors import EngineError
from provisioner.model.ledger import OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.recovery import PointKind, PointStatus
from provisioner.ops import offboard, rest
from provisioner.ops.lanes import NOTHING
from provisioner.ops.worker import due, tick
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import backed_up, made, quiet


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


def wanted(house: FakeHouse) -> list[str]:
    """But for what looks only: test_watch.py has that."""
    return [j.what for j in due(house, house.file) if j.what not in ("watch", "forecast")]


def test_a_backup_then_a_drill_then_nothing(acme: FakeHouse) -> None:
    assert wanted(acme) == ["backup"]
    assert [d.outcome for d in tick(acme, quiet)] == ["done"]
    assert wanted(acme) == ["drill"]
    assert [d.outcome for d in tick(acme, quiet)] == ["done"]
    assert wanted(acme) == []
    (point,) = acme.ledger.points(tenant="acme")
    assert point.kind is PointKind.SCHEDULED


def test_both_at_once_are_two_operations(acme: FakeHouse) -> None:
    tick(acme, quiet)
    acme.clock.at += timedelta(days=40)
    assert wanted(acme) == ["backup", "drill", "drift", "scan"]
    assert [d.outcome for d in tick(acme, quiet)] == ["done"] * 4
    assert wanted(acme) == []


def test_the_schedules_come_again(acme: FakeHouse) -> None:
    tick(acme, quiet)
    tick(acme, quiet)
    acme.clock.at += timedelta(hours=25)
    assert wanted(acme) == ["backup", "drift", "scan"]
    tick(acme, quiet)
    assert len(acme.ledger.points(tenant="acme")) == 2


def test_two_workers_have_one_operation(acme: FakeHouse) -> None:
    """Both find it due; the second one gets what the first one recorded."""
    jobs = [*due(acme, acme.file), *due(acme, acme.file)]
    for job in jobs:
        job.run(quiet)
    assert len(acme.ledger.operations(kinds=("backup",))) == 1
    assert len(acme.ledger.points(tenant="acme")) == 1


def test_a_goodbye_whose_day_has_come_is_carried_out(acme: FakeHouse, tmp_path: Path) -> None:
    offboard.carry_out(acme, offboard.propose(acme, "acme", folder=tmp_path / "x"), quiet)
    assert wanted(acme) == []
    acme.clock.at += timedelta(days=15)
    assert wanted(acme) == ["retire"]
    tick(acme, quiet)
    record = acme.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.RETIRED
    acme.clock.at += timedelta(days=60)
    assert wanted(acme) == ["prune"]
    tick(acme, quiet)
    assert wanted(acme) == []


def test_a_database_that_rds_started_again_is_stopped_again(acme: FakeHouse) -> None:
    operation_id, payload = rest.propose_suspend(acme, "acme")
    rest.carry_out(acme, "suspend", "acme", operation_id, payload, quiet)
    assert wanted(acme) == [], "RDS lets it rest for a week"
    acme.clock.at += timedelta(days=7)
    assert tick(acme, quiet) == [], "it was asked, and there was nothing to do"
    acme.fake_cloud.database_status["acme"] = "available"
    assert [(d.what, d.outcome) for d in tick(acme, quiet)] == [("stop", "done")]
    assert acme.fake_cloud.database_status["acme"] == "stopped"


def test_what_was_handed_over_and_not_begun_is_begun(acme: FakeHouse) -> None:
    tick(acme, quiet)
    tick(acme, quiet)
    (old,) = acme.ledger.operations(kinds=("backup",))
    payload = {**old.payload, "point": {**old.payload["point"], "id": "acme-another"}}  # type: ignore[dict-item]
    acme.ledger.begin_operation("handedover01", "backup", "acme", "sandbox", payload, queued=True)
    assert wanted(acme) == [], "its own process has a moment"
    acme.clock.at += timedelta(minutes=1)
    assert wanted(acme) == ["backup"]
    tick(acme, quiet)
    found = acme.ledger.operation("handedover01")
    assert found is not None
    assert found.status is OperationStatus.SUCCEEDED


def test_what_fails_is_told_and_stops_no_other(acme: FakeHouse) -> None:
    made(acme, "beta")
    acme.fake_cloud.make_snapshot = _fails  # type: ignore[method-assign, assignment]
    assert [(d.tenant, d.outcome) for d in tick(acme, quiet)] == [("acme", "failed"), ("beta", "failed")]


def test_a_fault_of_ours_and_a_silent_cloud_stop_no_other(acme: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    made(acme, "beta", "gamma")
    acme.ledger.set_lifecycle("beta", Lifecycle.SUSPENDED)
    acme.ledger.observe("gamma", "drill", {"verdict": "nobody knows this one"})
    acme.clock.at += timedelta(days=7)

    def bug(*_: object) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(acme.fake_cloud, "databases", _fails)
    monkeypatch.setattr(acme.fake_cloud, "make_snapshot", bug)
    assert [(d.tenant, d.what, d.detail) for d in tick(acme, quiet)] == [
        ("acme", "backup", "KeyError: 'bug'"),
        ("acme", "drift", "every 24 h"),
        ("acme", "scan", "every 24 h"),
        ("beta", "stop", "rds CreateDBSnapshot: SnapshotQuotaExceeded"),
        ("gamma", "look", "ValueError: 'nobody knows this one' is not a valid Verdict"),
    ]


def test_a_look_asks_no_cloud(acme: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    acme.ledger.set_lifecycle("acme", Lifecycle.SUSPENDED)
    acme.clock.at += timedelta(days=7)
    monkeypatch.setattr(acme, "cloud", _fails)
    assert wanted(acme) == ["stop"]


def test_a_backup_that_was_made_since_the_look_is_enough(acme: FakeHouse) -> None:
    [job] = [j for j in due(acme, acme.file) if j.what == "backup"]
    backed_up(acme)
    assert job.run(quiet) is NOTHING
    assert len(acme.ledger.points(tenant="acme")) == 1


def test_a_drill_that_could_not_tell_is_tried_again_the_next_day(acme: FakeHouse) -> None:
    backed_up(acme)
    acme.fake_engine.fail_up = EngineError("no capacity")
    assert [d.outcome for d in tick(acme, quiet)] == ["done"]
    assert wanted(acme) == []
    acme.clock.at += timedelta(hours=25)
    acme.fake_engine.fail_up = None
    backed_up(acme)
    assert wanted(acme) == ["drill", "drift", "scan"]
    tick(acme, quiet)
    acme.clock.at += timedelta(hours=25)
    backed_up(acme)
    assert wanted(acme) == ["drift", "scan"], "no drill"
    assert [e.body["verdict"] for e in acme.ledger.evidence(kind="drill")] == ["passed", "inconclusive"]


def test_without_a_point_that_could_be_restored_no_drill_is_due(acme: FakeHouse) -> None:
    point = backed_up(acme)
    acme.ledger.save_point(replace(point, status=PointStatus.FAILED))
    assert wanted(acme) == ["backup", "prune"]


def _fails(*_: object) -> None:
    from provisioner.model.errors import ProvisionError

    raise ProvisionError("rds CreateDBSnapshot: SnapshotQuotaExceeded")
