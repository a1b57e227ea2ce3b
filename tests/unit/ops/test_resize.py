"""`resize`: in the registry at once, in the cloud when it may be; never smaller; a worker goes on with it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.model.change import Plan, PropertyChange, Step, StepOp
from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.ledger import OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.tenant import Window
from provisioner.ops import resize
from provisioner.ops.worker import due, tick
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import made, quiet

MONDAY = Window(("mon",), "02:00", 4)
"""The fakes' time is a Sunday at noon."""


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    house.file.entries["acme"] = replace(house.file.entries["acme"], window=MONDAY)
    return house


def asked(house: FakeHouse, **settings: str | int) -> None:
    tenant = house.file.tenant("acme")
    resize.ask(house, tenant, resize.propose(house, tenant, settings), "jane", "it fills up")
    grow = Step(StepOp.UPDATE, "urn:machine", "aws:ec2/instance:Instance", "machine")
    house.fake_engine.plans["acme"] = Plan((grow,))


def resizes(house: FakeHouse) -> list[str]:
    return [j.why for j in due(house, house.file) if j.what == "resize"]


@pytest.mark.parametrize(("setting", "what"), [("root_disk_gib", "disk"), ("database_storage_gib", "storage")])
def test_smaller_is_refused_with_the_reason(acme: FakeHouse, setting: str, what: str) -> None:
    with pytest.raises(RefusedError, match=f"{what}.* of acme has 20 GiB; .* never shrinks"):
        resize.propose(acme, acme.file.tenant("acme"), {setting: 19})


def test_storage_that_rds_has_enlarged_by_itself_is_not_made_smaller(acme: FakeHouse) -> None:
    found = acme.fake_cloud.database("acme")
    assert found is not None
    acme.fake_cloud.database = lambda identifier: replace(found, storage_gib=60)  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="has 60 GiB"):
        resize.propose(acme, acme.file.tenant("acme"), {"database_storage_gib": 40})


def test_the_limit_of_storage_grows_along_where_it_must(acme: FakeHouse) -> None:
    tenant = acme.file.tenant("acme")
    assert resize.propose(acme, tenant, {"database_storage_gib": 50}) == {"database_storage_gib": 50}
    grown = resize.propose(acme, tenant, {"database_storage_gib": 100})
    assert grown == {"database_storage_gib": 100, "database_max_storage_gib": 111}


def test_nothing_said_and_nobody_there_are_refused(acme: FakeHouse) -> None:
    with pytest.raises(UsageError, match="nothing was said"):
        resize.propose(acme, acme.file.tenant("acme"), {})
    acme.ledger.set_lifecycle("acme", Lifecycle.SUSPENDED)
    with pytest.raises(UsageError, match="can't be resized: it is suspended"):
        resize.propose(acme, acme.file.tenant("acme"), {"root_disk_gib": 40})


def test_a_worker_does_it_in_the_window_and_once(acme: FakeHouse) -> None:
    asked(acme, root_disk_gib=40)
    assert acme.file.tenant("acme").sizing.root_disk_gib == 40
    assert resizes(acme) == []
    acme.clock.at = acme.clock.at.replace(hour=2) + timedelta(days=1)
    assert resizes(acme) == ["root_disk_gib 40 was asked for, and its window is open"]
    assert ("resize", "done") in [(d.what, d.outcome) for d in tick(acme, quiet)]
    assert ("up", "acme") in acme.fake_engine.calls
    assert resizes(acme) == []


def test_what_the_registry_does_not_want_any_more_is_not_done(acme: FakeHouse) -> None:
    asked(acme, root_disk_gib=40)
    acme.file.override("acme", {"root_disk_gib": 50}, name="john", reason="by hand")
    acme.clock.at = acme.clock.at.replace(hour=2) + timedelta(days=1)
    assert resizes(acme) == []


def test_one_that_was_cut_off_is_gone_on_with(acme: FakeHouse) -> None:
    asked(acme, root_disk_gib=40)
    acme.clock.at = acme.clock.at.replace(hour=2) + timedelta(days=1)
    acme.ledger.begin_operation("cutoff000001", "apply", "acme", "sandbox", {})
    acme.ledger.set_operation("cutoff000001", OperationStatus.INTERRUPTED)
    acme.ledger.set_lifecycle("acme", Lifecycle.UPDATING)
    assert resizes(acme) == ["root_disk_gib 40 was asked for, and was cut off"]
    tick(acme, quiet)
    record = acme.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.ACTIVE
    assert resizes(acme) == []


def test_one_that_fails_still_waits(acme: FakeHouse) -> None:
    asked(acme, root_disk_gib=40)
    acme.clock.at = acme.clock.at.replace(hour=2) + timedelta(days=1)
    replaced = Step(
        StepOp.REPLACE,
        "urn:database",
        "aws:rds/instance:Instance",
        "database",
        changes=(PropertyChange("x", replaces=True),),
    )
    acme.fake_engine.plans["acme"] = Plan((replaced,))
    assert ("resize", "failed") in [(d.what, d.outcome) for d in tick(acme, quiet)]
    assert len(resizes(acme)) == 1
