"""Offboarding: nothing with data is destroyed before its last recovery point was proven and handed over."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.change import Plan, Step, StepOp
from provisioner.model.cloud import Health
from provisioner.model.errors import LeaseHeldError, ProvisionError, RefusedError, UsageError
from provisioner.model.ledger import Holder
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.recovery import PointStatus
from provisioner.ops import drill, offboard, rest, restoring
from provisioner.ops.closing import closed
from provisioner.ops.prune import prune_retired
from provisioner.ops.worker import due
from tests.unit.ops.fake_cloud import SOUND
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import backed_up, made, quiet


def left(house: FakeHouse, folder: Path, *, now: bool = False) -> Any:
    """The next operation of acme's goodbye, carried out."""
    return offboard.carry_out(house, offboard.propose(house, "acme", folder=folder, now=now), quiet)


def lifecycle(house: FakeHouse) -> Lifecycle:
    record = house.ledger.tenant("acme")
    assert record is not None
    return record.lifecycle


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


def test_first_it_is_proven_exported_and_suspended(acme: FakeHouse, tmp_path: Path) -> None:
    result = left(acme, tmp_path / "x")
    assert lifecycle(acme) is Lifecycle.SUSPENDED
    assert acme.fake_engine.calls[0][1].startswith("acme-d")
    assert {name for _, name in acme.fake_engine.calls} == {acme.fake_engine.calls[0][1]}, "only the quarantine"
    assert [c for c in acme.fake_cloud.calls if c.startswith("stop")] == ["stop i-1", "stop acme"]
    assert (tmp_path / "x" / "database.dump").read_bytes() == b"dump"
    assert result["due"] == (acme.clock.now().date() + timedelta(days=14)).isoformat()
    (evidence,) = acme.ledger.evidence(tenant="acme", kind="drill")
    assert evidence.number == result["evidence"]


def test_before_its_day_it_rests_and_can_come_back(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x")
    with pytest.raises(UsageError, match="will be retired on"):
        offboard.propose(acme, "acme", folder=tmp_path / "y")
    operation_id, payload = rest.propose_resume(acme, "acme")
    rest.carry_out(acme, "resume", "acme", operation_id, payload, quiet)
    assert lifecycle(acme) is Lifecycle.ACTIVE
    assert offboard.propose(acme, "acme", folder=tmp_path / "y").kind == "offboard", "it begins anew"


def test_on_its_day_it_is_destroyed_but_for_the_last_point_and_its_key(acme: FakeHouse, tmp_path: Path) -> None:
    older = backed_up(acme)
    final = str(left(acme, tmp_path / "x")["point"])
    acme.clock.at += timedelta(days=15)
    result = left(acme, tmp_path / "x")
    assert result["state"] == "retired"
    assert acme.fake_engine.calls[-2:] == [("up", "acme"), ("destroy", "acme")]
    assert [p.id for p in acme.ledger.points(tenant="acme")] == [final]
    assert f"delete {older.id}" in acme.fake_cloud.calls
    (certificate,) = acme.ledger.evidence(tenant="acme", kind="retirement")
    kept: Any = certificate.body["kept"]
    assert [k["kind"] for k in kept] == ["snapshot", "key"]
    assert acme.file.tenant_ids() == []
    with pytest.raises(UsageError, match="retired already"):
        offboard.propose(acme, "acme", folder=tmp_path)


def test_what_is_kept_ends_on_its_day_and_the_key_with_it(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x", now=True)
    left(acme, tmp_path / "x", now=True)
    prune_retired(acme, "acme", quiet)
    assert len(acme.ledger.points(tenant="acme")) == 1, "not yet"
    acme.clock.at += timedelta(days=31)
    prune_retired(acme, "acme", quiet)
    assert acme.ledger.points(tenant="acme") == []
    assert "retire arn:key in 30" in acme.fake_cloud.calls


def test_a_point_that_is_not_good_stops_everything(acme: FakeHouse, tmp_path: Path) -> None:
    damaged = deepcopy(SOUND)
    damaged["sentinel"]["value"]["tenant"] = "beta"
    acme.fake_cloud.answers["verify"] = damaged
    with pytest.raises(RefusedError, match="the data is of tenant beta"):
        left(acme, tmp_path / "x")
    assert lifecycle(acme) is Lifecycle.ACTIVE
    assert "stop i-1" not in acme.fake_cloud.calls
    assert not (tmp_path / "x").exists()
    acme.fake_cloud.answers["verify"] = SOUND
    assert left(acme, tmp_path / "x")["tenant"] == "acme", "another point is made and proven"
    states = [p.status for p in acme.ledger.points(tenant="acme")]
    assert states == [PointStatus.AVAILABLE] * 2


def test_one_that_leaves_something_has_failed_and_goes_on(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x", now=True)
    acme.fake_cloud.left = ["arn:left"]
    with pytest.raises(ProvisionError, match="1 resource"):
        left(acme, tmp_path / "x", now=True)
    assert acme.file.tenant_ids() == ["acme"]
    acme.fake_cloud.left = []
    assert left(acme, tmp_path / "x", now=True)["state"] == "retired"


def test_a_tenant_that_never_had_data_goes_at_once(house: FakeHouse, tmp_path: Path) -> None:
    house.fake_engine.fail_up = ProvisionError("no capacity")
    with pytest.raises(ProvisionError):
        made(house, "acme")
    house.fake_engine.fail_up = None
    assert left(house, tmp_path / "x")["state"] == "retired"
    assert not house.ledger.points(tenant="acme", deleted=True)


def test_one_without_an_entry_can_go_too(acme: FakeHouse, tmp_path: Path) -> None:
    acme.file.entries.clear()
    left(acme, tmp_path / "x", now=True)
    assert left(acme, tmp_path / "x", now=True)["state"] == "retired"


def test_a_retired_name_can_be_used_again(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x", now=True)
    left(acme, tmp_path / "x", now=True)
    made(acme, "acme")
    assert lifecycle(acme) is Lifecycle.ACTIVE


def test_one_that_came_back_after_the_look_is_not_destroyed(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x", now=True)
    seen = offboard.propose(acme, "acme", folder=tmp_path / "x", now=True)
    assert seen.kind == "retire"
    operation_id, payload = rest.propose_resume(acme, "acme")
    rest.carry_out(acme, "resume", "acme", operation_id, payload, quiet)
    with pytest.raises(RefusedError, match="doesn't wait for its destruction"):
        offboard.carry_out(acme, seen, quiet)
    late = {**seen.payload, "final": None}
    with pytest.raises(RefusedError, match="no proven last recovery point"):
        acme.operations.run("retire", "another", "acme", late, quiet)
    assert ("destroy", "acme") not in acme.fake_engine.calls
    assert lifecycle(acme) is Lifecycle.ACTIVE


def test_a_resume_that_fails_has_called_the_goodbye_off(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x", now=True)
    operation_id, payload = rest.propose_resume(acme, "acme")
    acme.prober.answers = [Health("unreachable")]
    with pytest.raises(ProvisionError):
        rest.carry_out(acme, "resume", "acme", operation_id, payload, quiet)
    assert [j.what for j in due(acme, acme.file)] == []
    with pytest.raises(UsageError, match="can't be offboarded"):
        offboard.propose(acme, "acme", folder=tmp_path / "y", now=True)


def test_the_last_point_must_be_there_when_it_begins(acme: FakeHouse, tmp_path: Path) -> None:
    final = acme.ledger.point(str(left(acme, tmp_path / "x", now=True)["point"]))
    assert final is not None
    acme.ledger.save_point(replace(final, status=PointStatus.FAILED))
    with pytest.raises(RefusedError, match="isn't proven"):
        left(acme, tmp_path / "x", now=True)
    assert lifecycle(acme) is Lifecycle.SUSPENDED


def test_a_ledger_that_does_not_know_a_tenant_with_a_database_destroys_nothing(acme: FakeHouse, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = FakeHouse(tmp_path / "other")
    other.fake_engine, other.file = acme.fake_engine, acme.file
    with pytest.raises(RefusedError, match="this ledger doesn't know acme"):
        offboard.propose(other, "acme", folder=tmp_path / "x", now=True)


def test_no_edit_of_the_registry_rides_along(acme: FakeHouse, tmp_path: Path) -> None:
    acme.file.entries["acme"] = replace(acme.file.entries["acme"], tier="enterprise")
    assert offboard.propose(acme, "acme", folder=tmp_path / "x").payload["args"]["tier"] == "standard"  # type: ignore[index,call-overload]
    left(acme, tmp_path / "x", now=True)
    seen = offboard.propose(acme, "acme", folder=tmp_path / "x", now=True)
    assert seen.payload["args"]["tier"] == "standard"  # type: ignore[index,call-overload]
    step = Step(StepOp.REPLACE, "urn:db", "aws:rds/instance:Instance", "database")
    acme.fake_engine.plans["acme"] = Plan((step,))
    with pytest.raises(RefusedError, match="firewall refused 1 stateful change"):
        offboard.carry_out(acme, seen, quiet)
    assert ("up", "acme") not in acme.fake_engine.calls


def test_without_its_key_a_last_point_is_none(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x", now=True)
    acme.fake_cloud.key = "PendingDeletion"
    with pytest.raises(RefusedError, match="is PendingDeletion"):
        left(acme, tmp_path / "x", now=True)
    acme.fake_cloud.key = "Enabled"
    assert left(acme, tmp_path / "x", now=True)["state"] == "retired"


def fences(house: FakeHouse) -> list[str]:
    words = ("provision fence", "snapshot acme as", "provision export", "stop i-1", "start i-1")
    return [w for c in house.fake_cloud.calls for w in words if c.startswith(w)]


def test_it_is_closed_before_its_last_point_and_opened_when_it_comes_back(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x")
    once = ["provision fence", "snapshot acme as", "provision export", "stop i-1"]
    assert fences(acme) == once
    operation_id, payload = rest.propose_resume(acme, "acme")
    rest.carry_out(acme, "resume", "acme", operation_id, payload, quiet)
    assert fences(acme) == [*once, "start i-1", "provision fence"]
    assert not closed(acme, "acme")


def test_one_that_fails_serves_on_and_is_not_gone_on_with(acme: FakeHouse, tmp_path: Path) -> None:
    seen = offboard.propose(acme, "acme", folder=tmp_path / "x")
    acme.fake_cloud.answers["export"] = {"size": 4, "sha256": "another"}
    with pytest.raises(ProvisionError, match="did not arrive whole"):
        offboard.carry_out(acme, seen, quiet)
    assert not closed(acme, "acme")
    with pytest.raises(RefusedError, match="served again since"):
        offboard.carry_out(acme, seen, quiet)
    assert offboard.propose(acme, "acme", folder=tmp_path / "y").operation_id != seen.operation_id


def test_a_drill_under_way_is_waited_for(acme: FakeHouse, tmp_path: Path) -> None:
    left(acme, tmp_path / "x", now=True)
    holder = Holder("build-7", "boot", 4242, "1", "ci")
    lease = acme.ledger.acquire_lease("acme/drill", "019drill", "a restore", holder, timedelta(hours=1))
    with pytest.raises(LeaseHeldError, match="drill 019drill of acme is under way, by ci on build-7"):
        left(acme, tmp_path / "x", now=True)
    acme.ledger.release_lease(lease)
    assert left(acme, tmp_path / "x", now=True)["state"] == "retired"


def test_a_folder_with_something_in_it_is_refused(acme: FakeHouse, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        offboard.propose(acme, "acme", folder=tmp_path)


def test_another_folder_is_no_word_while_one_goes_on(acme: FakeHouse, tmp_path: Path) -> None:
    acme.fake_cloud.refuse_stop = ProvisionError("no answer")
    with pytest.raises(ProvisionError, match="no answer"):
        left(acme, tmp_path / "x")
    elsewhere = f"with its data in {tmp_path / 'x'}: {tmp_path / 'y'} would get none"
    with pytest.raises(UsageError, match=elsewhere):
        offboard.propose(acme, "acme", folder=tmp_path / "y")
    assert offboard.propose(acme, "acme").resumed
    acme.fake_cloud.refuse_stop = None
    left(acme, tmp_path / "x")
    with pytest.raises(UsageError, match=elsewhere):
        offboard.propose(acme, "acme", folder=tmp_path / "y", now=True)
    assert offboard.propose(acme, "acme", folder=tmp_path / "x", now=True).kind == "retire"


def test_without_room_it_serves_on_and_the_same_command_goes_on(acme: FakeHouse, tmp_path: Path) -> None:
    acme.fake_cloud.full = True
    with pytest.raises(ProvisionError, match=r"x: No space left on device; nothing is lost"):
        left(acme, tmp_path / "x")
    assert not closed(acme, "acme")
    acme.fake_cloud.full = False
    left(acme, tmp_path / "x")
    assert (tmp_path / "x" / "database.dump").read_bytes() == b"dump"
    assert lifecycle(acme) is Lifecycle.SUSPENDED


class TestSameId:
    """Another tenant of the same id: another customer, perhaps."""

    @pytest.fixture
    def second(self, acme: FakeHouse, tmp_path: Path) -> FakeHouse:
        left(acme, tmp_path / "x", now=True)
        acme.clock.at += timedelta(seconds=1)
        left(acme, tmp_path / "x", now=True)
        acme.clock.at += timedelta(seconds=1)
        acme.fake_cloud.database_status["acme"] = "available"
        made(acme, "acme")
        return acme

    def test_the_point_of_the_one_before_is_no_proof(self, second: FakeHouse) -> None:
        registered = second.file.tenant("acme")
        with pytest.raises(UsageError, match="has no recovery point that could be restored"):
            drill.drill_one(second, second.file, registered, quiet)
        (earlier,) = second.ledger.points(tenant="acme")
        assert drill.drill_one(second, second.file, registered, quiet, point=earlier.id)["verdict"] == "passed"
        assert second.ledger.fact("acme", "drill") is None, "it says nothing about this one"
        own = backed_up(second)
        assert drill.drill_one(second, second.file, registered, quiet)["point"] == own.id
        assert second.ledger.fact("acme", "drill") is not None

    def test_it_cannot_be_restored(self, second: FakeHouse) -> None:
        (earlier,) = second.ledger.points(tenant="acme")
        with pytest.raises(RefusedError, match="is of an earlier tenant acme, which was retired at 2026-11-22"):
            restoring.propose(second, "acme", earlier.id)
