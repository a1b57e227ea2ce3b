"""What a process that is gone has left: who goes on with it, and that it is done once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provisioner.model.errors import ProvisionError
from provisioner.model.recovery import PointStatus
from provisioner.ops import prune
from provisioner.ops.drill import drill_one
from provisioner.ops.worker import due, tick
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import backed_up, made, quiet


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


def wanted(house: FakeHouse) -> list[str]:
    return [j.what for j in due(house, house.file)]


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
    assert [d.outcome for d in tick(acme, quiet)] == ["done", "done"]
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


def test_what_another_worker_has_ended_meanwhile_is_no_failure(acme: FakeHouse) -> None:
    backed_up(acme)
    fails_once(acme.fake_engine, "destroy")
    with pytest.raises(ProvisionError):
        drill_one(acme, acme.file, acme.file.tenant("acme"), quiet)
    [ours], [theirs] = due(acme, acme.file), due(acme, acme.file)
    theirs.run(quiet)
    ours.run(quiet)
    assert len(acme.ledger.evidence(kind="drill")) == 1
