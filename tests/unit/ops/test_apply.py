"""`plan` and `apply`: who is looked at, who is changed, and that one tenant's failure stays its own."""

from dataclasses import replace
from typing import Any

import pytest

from provisioner.model.change import Plan, PropertyChange, Step, StepOp
from provisioner.model.errors import EngineError
from provisioner.model.lifecycle import Lifecycle
from provisioner.ops.apply import apply
from provisioner.ops.plan import Intention, plan
from tests.unit.ops.fakes import SIZING, FakeHouse, tenant
from tests.unit.ops.people import made

UPDATE = Plan((Step(StepOp.UPDATE, "urn:m", "aws:ec2/instance:Instance", "machine", id="i-1"),))
REPLACE_DATABASE = Plan(
    (
        Step(
            StepOp.REPLACE, "urn:d", "aws:rds/instance:Instance", "database", "db-1",
            changes=(PropertyChange("kmsKeyId", replaces=True),),
        ),
    )
)  # fmt: skip


def planned(house: FakeHouse, *, refresh: bool = False) -> dict[str, Intention]:
    return {i.tenant: i for i in plan(house, house.file, house.file.tenants(), refresh=refresh, parallel=2)}


def change(house: FakeHouse, tenant_id: str = "acme") -> None:
    house.file.entries[tenant_id] = tenant(tenant_id, sizing=replace(SIZING, instance_type="m7g.large"))
    house.fake_engine.plans[tenant_id] = UPDATE


def test_an_unchanged_tenant_is_skipped_without_asking_cloud_or_engine(house: FakeHouse) -> None:
    made(house, "acme")
    house.started.clear()
    assert planned(house)["acme"].verdict == "unchanged"
    assert house.fake_engine.calls == []
    assert house.started == []


def test_a_changed_entry_is_planned_and_applied(house: FakeHouse) -> None:
    made(house, "acme")
    change(house)
    intention = planned(house)["acme"]
    assert (intention.verdict, intention.reason) == ("change", "its desired state was changed")
    [done] = apply(house, [intention], lambda _: None)
    assert done.verdict == "applied"
    assert planned(house)["acme"].verdict == "unchanged"


def test_a_new_program_makes_apply_look_again_and_an_empty_plan_settles_it(house: FakeHouse) -> None:
    made(house, "acme")
    house.program_version = "p2"
    intention = planned(house)["acme"]
    assert (intention.verdict, intention.reason) == ("unchanged", "the cloud is as desired")
    apply(house, [intention], lambda _: None)
    house.fake_engine.calls.clear()
    planned(house)
    assert house.fake_engine.calls == []


def test_drift_that_plan_saw_makes_apply_act(house: FakeHouse) -> None:
    made(house, "acme")
    house.fake_engine.plans["acme"] = UPDATE
    assert planned(house)["acme"].verdict == "unchanged", "nobody looked at the cloud yet"
    assert planned(house, refresh=True)["acme"].verdict == "change"
    assert planned(house)["acme"].reason.startswith("drift was seen at")


def test_the_firewall_refuses_a_replaced_database_and_nothing_is_changed(house: FakeHouse) -> None:
    made(house, "acme")
    change(house)
    house.fake_engine.plans["acme"] = REPLACE_DATABASE
    intention = planned(house)["acme"]
    assert intention.verdict == "refused"
    assert intention.error is not None
    assert intention.error.exit_code == 6
    apply(house, [intention], lambda _: None)
    assert ("up", "acme") not in house.fake_engine.calls
    record = house.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.ACTIVE


def test_the_firewall_is_asked_again_under_the_lease(house: FakeHouse) -> None:
    made(house, "acme")
    change(house)
    intention = planned(house)["acme"]
    house.fake_engine.plans["acme"] = REPLACE_DATABASE  # somebody edited between the plan and the apply
    [done] = apply(house, [intention], lambda _: None)
    assert done.verdict == "failed"
    assert done.error is not None
    assert done.error.exit_code == 6
    assert ("up", "acme") not in house.fake_engine.calls
    record = house.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.ACTIVE


def test_one_failed_tenant_stops_no_other(house: FakeHouse) -> None:
    made(house, "acme", "beta")
    change(house, "acme")
    change(house, "beta")
    house.fake_engine.plans["acme"] = EngineError("acme is broken")
    found = planned(house)
    assert (found["acme"].verdict, found["beta"].verdict) == ("failed", "change")
    done = {i.tenant: i for i in apply(house, list(found.values()), lambda _: None)}
    assert (done["acme"].verdict, done["beta"].verdict) == ("failed", "applied")


def test_apply_keeps_the_assigned_release(house: FakeHouse) -> None:
    made(house, "acme")
    house.file.releases["2.0.0"] = replace(house.file.releases["1.0.0"], version="2.0.0")
    house.file.entries["acme"] = tenant("acme", desired_release="2.0.0")
    assert planned(house)["acme"].verdict == "unchanged"
    record = house.ledger.tenant("acme")
    assert record is not None
    assert record.assigned_release == "1.0.0"


def test_an_unfinished_creation_is_resumed_by_apply(house: FakeHouse) -> None:
    house.fake_engine.fail_up = EngineError("no capacity")
    with pytest.raises(EngineError):
        made(house, "acme")
    house.fake_engine.fail_up = None
    intention = planned(house)["acme"]
    assert intention.verdict == "resume"
    [done] = apply(house, [intention], lambda _: None)
    assert done.verdict == "applied"


def test_a_failed_change_of_a_living_tenant_goes_on(house: FakeHouse) -> None:
    made(house, "acme")
    change(house)
    intention = planned(house)["acme"]
    house.fake_engine.fail_up = EngineError("throttled")
    [failed] = apply(house, [intention], lambda _: None)
    assert failed.verdict == "failed"
    house.fake_engine.fail_up = None
    again = planned(house)["acme"]
    assert (again.verdict, again.reason) == ("change", "it is failed")
    [done] = apply(house, [again], lambda _: None)
    assert done.verdict == "applied"


def test_a_zone_that_opens_later_moves_nobody(house: FakeHouse) -> None:
    made(house, "acme")
    house.fake_cloud.zones = lambda: ("eu-west-1-new", "eu-west-1a")  # type: ignore[method-assign]
    change(house)
    intention = planned(house)["acme"]
    assert intention.payload is not None
    args: Any = intention.payload["args"]
    assert list(args["zones"]) == ["eu-west-1a", "eu-west-1b"]
