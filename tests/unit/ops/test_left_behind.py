"""What a process that is gone has left: who goes on with it, and that it is done once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.errors import LeaseHeldError, ProvisionError
from provisioner.model.ledger import Holder, OperationStatus
from provisioner.model.recovery import PointKind, PointStatus
from provisioner.ops import offboard, prune
from provisioner.ops.drill import drill_one
from provisioner.ops.worker import due, reap, tick
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import backed_up, made, quiet


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


def wanted(house: FakeHouse) -> list[str]:
    """But for what looks only: test_watch.py has that."""
    return [j.what for j in due(house, house.file) if j.what not in ("watch", "forecast")]


def fails_once(house: Any, name: str) -> None:
    """The next call of a method raises; then it is as it was."""
    whole = getattr(house, name)

    def fail(*_: object, **__: object) -> None:
        setattr(house, name, whole)
        raise ProvisionError("out of reach")

    setattr(house, name, fail)


def test_a_recovery_point_that_is_only_begun_does_not_hide_that_one_is_due(acme: FakeHouse) -> None:
    fails_once(acme.fake_cloud, "make_snapshot")
    assert [(d.what, d.outcome) for d in tick(acme, quiet)] == [("backup", "failed")]
    [point] = acme.ledger.points(tenant="acme")
    acme.ledger.save_point(replace(point, status=PointStatus.CREATING))  # as a process leaves it that is killed
    assert "backup" in wanted(acme)
    assert [(d.what, d.outcome) for d in tick(acme, quiet)] == [("backup", "done"), ("drill", "done")]
    assert [p.status for p in acme.ledger.points(tenant="acme")] == [PointStatus.AVAILABLE]
    assert len(acme.ledger.operations(kinds=("backup",))) == 1


def test_a_drill_goes_on_and_is_not_made_a_second_time(acme: FakeHouse) -> None:
    backed_up(acme)
    fails_once(acme.fake_engine, "destroy")
    with pytest.raises(ProvisionError):
        drill_one(acme, acme.file, acme.file.tenant("acme"), quiet)
    assert wanted(acme) == ["drill"]
    assert [d.outcome for d in tick(acme, quiet)] == ["done"]
    assert len(acme.ledger.operations(kinds=("drill",))) == 1
    assert wanted(acme) == []


def test_a_drill_of_another_point_is_ended_first(acme: FakeHouse) -> None:
    first, second = backed_up(acme), backed_up(acme)
    fails_once(acme.fake_engine, "destroy")
    with pytest.raises(ProvisionError):
        drill_one(acme, acme.file, acme.file.tenant("acme"), quiet, point=first.id)
    found = drill_one(acme, acme.file, acme.file.tenant("acme"), quiet, point=second.id)
    assert found["point"] == second.id
    assert [e.body["point"] for e in acme.ledger.evidence(kind="drill")] == [second.id, first.id]


def test_a_cut_off_prune_goes_on_by_the_same_command_and_by_a_worker(acme: FakeHouse) -> None:
    first, _ = backed_up(acme), backed_up(acme)
    policy = acme.file.tenant("acme").backup
    assert prune.look(acme, "acme", policy).gone == [first.id]
    fails_once(acme.fake_cloud, "delete_snapshot")
    assert ("prune", "failed") in [(d.what, d.outcome) for d in tick(acme, quiet)]
    [operation] = acme.ledger.operations(kinds=("prune",))
    assert prune.look(acme, "acme", policy).cut_off == [operation.id]
    [done] = prune.prune(acme, acme.file, acme.file.tenants(), quiet)
    assert (done.error, done.cut_off) == (None, [operation.id])
    assert len(acme.ledger.operations(kinds=("prune",))) == 1
    assert prune.look(acme, "acme", policy).cut_off == []

    acme.clock.at += timedelta(days=2)
    backed_up(acme)
    backed_up(acme)
    fails_once(acme.fake_cloud, "delete_snapshot")
    tick(acme, quiet)
    assert "prune" in wanted(acme)
    tick(acme, quiet)
    assert {o.status for o in acme.ledger.operations(kinds=("prune",))} == {"succeeded"}


def test_the_key_that_an_earlier_tenant_left_ends_with_its_last_point(acme: FakeHouse) -> None:
    """Also where the first try came no further than the points; the key of the tenant that lives stays."""
    expired = (acme.clock.now() - timedelta(days=1)).date()
    old = backed_up(acme)
    acme.ledger.save_point(replace(old, key="arn:old", kind=PointKind.FINAL, expires=expired))
    backed_up(acme)
    fails_once(acme.fake_cloud, "retire_key")
    assert ("prune", "failed") in [(d.what, d.outcome) for d in tick(acme, quiet)]
    assert f"delete {old.id}" in acme.fake_cloud.calls
    assert ("prune", "done") in [(d.what, d.outcome) for d in tick(acme, quiet)]
    assert [c for c in acme.fake_cloud.calls if c.startswith("retire")] == ["retire arn:old in 30"]


def test_a_key_stays_while_another_point_needs_it(acme: FakeHouse, tmp_path: Path) -> None:
    """Of a retired tenant: each key goes with the last point that it reads."""
    goodbye(acme, tmp_path / "x")
    goodbye(acme, tmp_path / "x")
    [final] = acme.ledger.points(tenant="acme")
    day = timedelta(days=1)
    for number, key in enumerate(("arn:key", "arn:other")):
        another = replace(final, id=f"acme-another{number}", key=key, expires=acme.clock.now().date() - day)
        acme.ledger.save_point(another)
    tick(acme, quiet)
    assert [c for c in acme.fake_cloud.calls if c.startswith("retire")] == ["retire arn:other in 30"]
    acme.clock.at += timedelta(days=40)
    tick(acme, quiet)
    assert acme.fake_cloud.calls[-1] == "retire arn:other in 30"
    assert "retire arn:key in 30" in acme.fake_cloud.calls


def test_what_another_worker_has_ended_meanwhile_is_no_failure(acme: FakeHouse) -> None:
    backed_up(acme)
    fails_once(acme.fake_engine, "destroy")
    with pytest.raises(ProvisionError):
        drill_one(acme, acme.file, acme.file.tenant("acme"), quiet)
    ours, theirs = (next(j for j in due(acme, acme.file) if j.what == "drill") for _ in range(2))
    theirs.run(quiet)
    ours.run(quiet)
    assert len(acme.ledger.evidence(kind="drill")) == 1


class TestGoodbye:
    """What an offboarding's process left that is gone."""

    @pytest.fixture
    def killed(self, acme: FakeHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHouse:
        """In the middle of its drill: its step is only begun, and nobody is at it."""
        with monkeypatch.context() as patch:
            patch.setattr(acme.fake_cloud, "ensure_password", die)  # its last step before the end
            with pytest.raises(Killed):
                goodbye(acme, tmp_path / "x")
        assert acme.fake_engine.calls[-1][0] == "up"
        return acme

    def test_its_quarantine_ends_and_the_same_command_makes_another(self, killed: FakeHouse, tmp_path: Path) -> None:
        [operation] = killed.ledger.operations(kinds=("offboard",))
        assert "reap" in wanted(killed)
        assert [(d.what, d.outcome) for d in reap(killed, quiet)] == [("reap", "done")]
        quarantine = killed.fake_engine.calls[-1]
        assert (quarantine[0], quarantine[1][:6]) == ("destroy", "acme-d")
        assert reap(killed, quiet) == []
        proposed = offboard.propose(killed, "acme", folder=tmp_path / "x")
        assert (proposed.operation_id, proposed.resumed) == (operation.id, True), "it waits for whoever began it"
        killed.fake_engine.calls.clear()
        offboard.carry_out(killed, proposed, quiet)
        assert killed.fake_engine.calls == [("up", quarantine[1]), quarantine]
        [proof] = killed.ledger.evidence(kind="drill")
        assert proof.body["verdict"] == "passed"
        assert reap(killed, quiet) == []

    def test_an_end_that_was_cut_off_goes_on(self, killed: FakeHouse) -> None:
        fails_once(killed.fake_engine, "destroy")
        assert [(d.what, d.outcome) for d in reap(killed, quiet)] == [("reap", "failed")]
        assert [(d.what, d.outcome) for d in reap(killed, quiet)] == [("reap", "done")]
        assert len(killed.ledger.operations(kinds=("reap",))) == 1

    def test_one_that_somebody_is_at_is_left_alone(self, killed: FakeHouse) -> None:
        killed.ledger.acquire_lease("acme", "another", "it is being offboarded", HOLDER, timedelta(hours=1))
        assert reap(killed, quiet) == []

    def test_one_that_failed_and_is_begun_anew(self, acme: FakeHouse, tmp_path: Path) -> None:
        """Nobody goes on with it: its tenant was opened again."""
        fails_once(acme.fake_engine, "destroy")
        with pytest.raises(ProvisionError):
            goodbye(acme, tmp_path / "x")
        goodbye(acme, tmp_path / "x")
        made = {name for op, name in acme.fake_engine.calls if op == "up"}
        assert [(d.what, d.outcome) for d in reap(acme, quiet)] == [("reap", "done")]
        assert {name for op, name in acme.fake_engine.calls if op == "destroy"} == made

    def test_the_end_of_the_tenant_ends_them_all(self, acme: FakeHouse, tmp_path: Path) -> None:
        backed_up(acme)
        for _ in range(2):
            fails_once(acme.fake_engine, "destroy")
            with pytest.raises(ProvisionError):
                goodbye(acme, tmp_path / "x")
        fails_once(acme.fake_engine, "destroy")
        with pytest.raises(ProvisionError):
            drill_one(acme, acme.file, acme.file.tenant("acme"), quiet)
        goodbye(acme, tmp_path / "x")
        made = {name for op, name in acme.fake_engine.calls if op == "up"}
        assert len(made) == 4
        assert goodbye(acme, tmp_path / "x")["state"] == "retired"
        assert {name for op, name in acme.fake_engine.calls if op == "destroy"} == made | {"acme"}
        assert acme.fake_engine.calls[-1] == ("destroy", "acme")
        left = {o.status for o in acme.ledger.operations(kinds=("drill", "offboard"))}
        assert left == {OperationStatus.CANCELLED, OperationStatus.SUCCEEDED}
        assert wanted(acme) == []

    def test_a_drill_that_began_since_is_waited_for(self, acme: FakeHouse, tmp_path: Path) -> None:
        goodbye(acme, tmp_path / "x")
        fails_once(acme.fake_engine, "destroy")
        with pytest.raises(ProvisionError):
            drill_one(acme, acme.file, acme.file.tenant("acme"), quiet)
        [drill] = acme.ledger.operations(kinds=("drill",))
        lease = acme.ledger.acquire_lease("acme/drill", drill.id, "a restore", HOLDER, timedelta(hours=1))
        with pytest.raises(LeaseHeldError, match=f"drill {drill.id} of acme is under way, by ci on build-7"):
            goodbye(acme, tmp_path / "x")
        assert ("destroy", "acme") not in acme.fake_engine.calls
        acme.ledger.release_lease(lease)
        assert goodbye(acme, tmp_path / "x")["state"] == "retired"


class Killed(BaseException):
    """As the end of a process: nothing is recorded after it."""


def die(*_: object) -> None:
    raise Killed


def goodbye(house: FakeHouse, folder: Path) -> Any:
    return offboard.carry_out(house, offboard.propose(house, "acme", folder=folder, now=True), quiet)


HOLDER = Holder("build-7", "boot", 4242, "1", "ci")
