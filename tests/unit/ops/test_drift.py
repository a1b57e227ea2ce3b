"""`drift`: who is looked at, what is drift and what is planned, what is on the record, and what mends it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from provisioner.model.change import Difference, Plan, PropertyChange, Step, StepOp
from provisioner.model.cloud import GroupRule
from provisioner.model.errors import EngineError
from provisioner.model.ledger import Holder
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import RunOptions, Stack
from provisioner.ops import rest
from provisioner.ops.apply import apply
from provisioner.ops.drift import Drift, TenantDrift, look, mendable
from provisioner.ops.lanes import NOTHING
from provisioner.ops.plan import plan
from provisioner.ops.worker import due, tick
from tests.unit.ops.fakes import SIZING, FakeHouse, tenant
from tests.unit.ops.people import made, quiet

RDS, EC2, GROUP = "aws:rds/instance:Instance", "aws:ec2/instance:Instance", "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
UNPROTECTED = Difference(RDS, "database", "urn::database", "deletionProtection", True, False)
MEND = Step(StepOp.UPDATE, "urn::database", RDS, "database", changes=(PropertyChange("deletionProtection"),))
RESIZE = Step(StepOp.UPDATE, "urn::machine", EC2, "machine", changes=(PropertyChange("instanceType"),))
HAND_MADE = Plan((MEND,), (UNPROTECTED,))
OPENED = GroupRule("sgr-9", "sg-1", False, "tcp", 22, 22, "0.0.0.0/0")
OWN = GroupRule("sgr-1", "sg-1", False, "tcp", 8080, 8080, "0.0.0.0/0")


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    """One tenant, whose state has a machine, a database, and a group with a rule."""
    made(house, "acme")
    resources: list[dict[str, Any]] = [
        {"type": EC2, "urn": "urn::machine", "id": "i-1"},
        {"type": RDS, "urn": "urn::database", "id": "db-acme", "outputs": {"identifier": "acme"}},
        {"type": GROUP, "urn": "urn::machine-group", "id": "sg-1"},
        {"type": INGRESS, "urn": "urn::machine-from-anywhere-8080", "id": "sgr-1"},
    ]
    house.fake_engine.export = lambda stack: {"deployment": {"resources": resources}}  # type: ignore[method-assign]
    house.fake_cloud.rules = [OWN]
    return house


def looked(house: FakeHouse) -> Drift:
    return look(house, house.file, house.file.tenants(), parallel=2)


def one(house: FakeHouse) -> TenantDrift:
    [found] = looked(house).tenants
    return found


def recorded(house: FakeHouse) -> Any:
    fact = house.ledger.fact("acme", "drift")
    assert fact is not None
    return fact.value


def mend(house: FakeHouse) -> list[str]:
    """Apply what `--fix` would; the engine's part of the drift goes with it."""
    todo = mendable(looked(house))
    house.fake_engine.plans.clear()
    return [i.verdict for i in apply(house, todo, quiet)]


def test_what_is_as_applied_is_clean_and_on_the_record(acme: FakeHouse) -> None:
    acme.clock.at += timedelta(hours=5)
    assert (one(acme).standing, one(acme).findings) == ("clean", ())
    assert recorded(acme) == {
        "changes": 0, "regression": 0, "outage": 0, "unknown": 0, "harmless": 0, "planned": 0
    }  # fmt: skip
    fact = acme.ledger.fact("acme", "drift")
    assert fact is not None
    assert acme.clock.now() - fact.at < timedelta(minutes=1)


def test_the_must_show_in_small(acme: FakeHouse) -> None:
    """A port, a protection, a tag and a machine: found, judged, mended, and then it is clean."""
    tagged = Difference(EC2, "machine", "urn::machine", "tags.owner", None, "me")
    retag = Step(StepOp.UPDATE, "urn::machine", EC2, "machine", changes=(PropertyChange("tags.owner"),))
    acme.fake_engine.plans["acme"] = Plan((MEND, retag), (UNPROTECTED, tagged))
    acme.fake_cloud.rules.append(OPENED)
    acme.fake_cloud.machine_state = "stopped"
    assert [(str(f.weight), f.name, f.path, f.after) for f in one(acme).findings] == [
        ("security regression", "machine-group", "ingress", "tcp 22 from 0.0.0.0/0"),
        ("security regression", "database", "deletionProtection", False),
        ("outage", "machine", "instanceState", "stopped"),
        ("harmless", "machine", "tags.owner", "me"),
    ]
    assert acme.fake_cloud.calls[-1] not in ("start i-1", "revoke sgr-9"), "looking changes nothing"
    assert recorded(acme) | {"planned": 0} == {
        "changes": 4, "regression": 2, "outage": 1, "unknown": 0, "harmless": 1, "planned": 0
    }  # fmt: skip
    assert mend(acme) == ["applied"]
    assert acme.fake_cloud.machine_state == "running"
    assert acme.fake_cloud.rules == [OWN]
    assert one(acme).standing == "clean"


def test_what_no_engine_sees_is_mended_though_the_plan_is_empty(acme: FakeHouse) -> None:
    acme.fake_cloud.rules.append(OPENED)
    [intention] = plan(acme, acme.file, acme.file.tenants(), refresh=True)
    assert intention.verdict == "change"
    assert mend(acme) == ["applied"]
    assert acme.fake_cloud.rules == [OWN]


def test_what_was_stopped_is_started_before_the_engine_changes_it(acme: FakeHouse) -> None:
    """RDS refuses to change what is stopped."""
    seen: list[str] = []
    up = acme.fake_engine.up

    def watched(stack: Stack, options: RunOptions) -> Any:
        seen.append(acme.fake_cloud.database_status["acme"])
        return up(stack, options)

    acme.fake_engine.up = watched  # type: ignore[method-assign, assignment]
    acme.fake_cloud.database_status["acme"] = "stopped"
    assert [(f.path, str(f.weight)) for f in one(acme).findings] == [("status", "outage")]
    assert mend(acme) == ["applied"]
    assert seen == ["available"]


def test_rules_of_groups_that_are_not_of_the_stack_are_left_alone(acme: FakeHouse) -> None:
    theirs = replace(OPENED, group="sg-2")
    acme.fake_cloud.rules.append(theirs)
    acme.fake_engine.plans["acme"] = HAND_MADE
    assert [f.path for f in one(acme).findings] == ["deletionProtection"]
    mend(acme)
    assert theirs in acme.fake_cloud.rules


def test_what_the_registry_wants_is_planned_and_is_no_drift(acme: FakeHouse) -> None:
    acme.file.entries["acme"] = tenant("acme", sizing=replace(SIZING, instance_type="m7g.large"))
    acme.fake_engine.plans["acme"] = Plan((RESIZE,))
    found = one(acme)
    assert (found.standing, found.findings, found.planned) == ("clean", (), (RESIZE,))
    assert recorded(acme)["changes"] == 0
    assert recorded(acme)["planned"] == 1
    assert mendable(looked(acme)) == [], "that is what apply is for"
    acme.file.entries["acme"] = tenant("acme")
    assert [i.verdict for i in plan(acme, acme.file, acme.file.tenants())] == ["unchanged"]


def test_both_at_once_are_told_apart(acme: FakeHouse) -> None:
    acme.file.entries["acme"] = tenant("acme", sizing=replace(SIZING, instance_type="m7g.large"))
    acme.fake_engine.plans["acme"] = Plan((MEND, RESIZE), (UNPROTECTED,))
    found = one(acme)
    assert ([f.path for f in found.findings], found.planned) == (["deletionProtection"], (RESIZE,))


def test_a_state_that_somebody_refreshed_by_hand_is_not_clean(acme: FakeHouse) -> None:
    acme.fake_engine.plans["acme"] = Plan((MEND,))
    assert [(str(f.weight), f.path) for f in one(acme).findings] == [("unknown", "deletionProtection")]


def test_the_same_drift_of_several_tenants_is_one_group(acme: FakeHouse) -> None:
    made(acme, "beta", "gamma")
    acme.fake_engine.plans["acme"] = acme.fake_engine.plans["gamma"] = HAND_MADE
    found = looked(acme)
    assert [(g.finding.path, g.tenants) for g in found.groups] == [("deletionProtection", ("acme", "gamma"))]
    assert [t.standing for t in found.tenants] == ["drift", "clean", "drift"]
    assert [i.tenant for i in mendable(found)] == ["acme", "gamma"]


def test_one_that_can_not_be_looked_at_stops_no_other_and_keeps_what_was_known(acme: FakeHouse) -> None:
    made(acme, "beta")
    before = acme.ledger.fact("acme", "drift")
    acme.fake_engine.plans.update({"acme": EngineError("throttled"), "beta": HAND_MADE})
    first, second = looked(acme).tenants
    assert (first.standing, first.reason) == ("failed", "throttled")
    assert first.error is not None
    assert second.standing == "drift"
    assert acme.ledger.fact("acme", "drift") == before, "a look that failed is no look"


def test_one_whose_mending_is_refused_was_looked_at(acme: FakeHouse) -> None:
    replaces = Step(StepOp.REPLACE, "urn::database", RDS, "database", changes=(PropertyChange("kmsKeyId", True),))
    acme.fake_engine.plans["acme"] = Plan((replaces,), (replace(UNPROTECTED, path="kmsKeyId", before="a", after="b"),))
    found = one(acme)
    assert (found.standing, [str(f.weight) for f in found.findings]) == ("drift", ["security regression"])
    assert found.refused is not None
    assert "replace of aws:rds" in found.refused
    assert found.error is None
    assert [i.verdict for i in apply(acme, mendable(looked(acme)), quiet)] == ["refused"]
    assert ("up", "acme") not in acme.fake_engine.calls


def test_who_was_never_made_or_is_suspended_is_skipped_without_an_error(acme: FakeHouse) -> None:
    acme.file.entries["beta"] = tenant("beta")
    operation_id, payload = rest.propose_suspend(acme, "acme")
    rest.carry_out(acme, "suspend", "acme", operation_id, payload, quiet)
    acme.fake_engine.calls.clear()
    assert [(t.tenant, t.standing, t.reason) for t in looked(acme).tenants] == [
        ("acme", "skipped", "it is suspended"),
        ("beta", "skipped", "it was never made"),
    ]
    assert acme.fake_engine.calls == []


def test_who_is_being_changed_is_not_looked_at(acme: FakeHouse) -> None:
    """What is half done isn't drift: an offline upgrade stops the machine itself."""
    acme.fake_cloud.machine_state = "stopped"
    with acme.operations.hold("acme", "op-1", "it is being moved"):
        found = one(acme)
    assert (found.standing, found.findings) == ("skipped", ())
    assert found.reason == "operation op-1 is changing it (it is being moved)"
    assert recorded(acme)["changes"] == 0


def test_what_changed_during_the_look_is_not_told(acme: FakeHouse) -> None:
    preview = acme.fake_engine.preview

    def disturbed(stack: Stack, options: RunOptions) -> Plan:
        holder = Holder("there", "", 1, "", "other")
        acme.ledger.acquire_lease("acme", "op-2", "it is being moved", holder, timedelta(days=1))
        return preview(stack, options)

    acme.fake_engine.preview = disturbed  # type: ignore[method-assign, assignment]
    acme.fake_engine.plans["acme"] = HAND_MADE
    found = one(acme)
    assert (found.standing, found.reason) == ("skipped", "it was changed while it was looked at")
    assert recorded(acme)["changes"] == 0


class TestKilled:
    """`--fix` that was cut off: the same command goes on."""

    def cut_off(self, house: FakeHouse, step: str) -> None:
        """The process dies before a step; the engine's run may have read the drift into the state by then."""
        house.fake_engine.plans["acme"] = HAND_MADE
        todo = mendable(looked(house))
        operation_id, payload = "op-cut-off", todo[0].payload or {}
        house.ledger.begin_operation(operation_id, "apply", "acme", "sandbox", payload)
        house.ledger.set_lifecycle("acme", Lifecycle.UPDATING, operation_id=operation_id)
        assert step in ("stack", "health")
        house.fake_engine.plans["acme"] = Plan((MEND,) if step == "stack" else ())

    def test_what_the_state_took_over_is_still_to_be_mended(self, acme: FakeHouse) -> None:
        self.cut_off(acme, "stack")
        assert [(str(f.weight), f.path) for f in one(acme).findings] == [("unknown", "deletionProtection")]
        assert mend(acme) == ["applied"]
        assert one(acme).standing == "clean"

    def test_what_came_after_the_engine_s_run_is_still_to_be_done(self, acme: FakeHouse) -> None:
        self.cut_off(acme, "health")
        assert (one(acme).standing, one(acme).reason) == ("unfinished", "it is updating")
        assert mend(acme) == ["applied"]
        assert one(acme).standing == "clean"

    def test_another_operation_s_rest_is_not_mended_as_drift(self, acme: FakeHouse) -> None:
        operation_id, payload = rest.propose_suspend(acme, "acme")
        acme.ledger.begin_operation(operation_id, "restore", "acme", "sandbox", payload)
        acme.ledger.set_lifecycle("acme", Lifecycle.RESTORING, operation_id=operation_id)
        assert (one(acme).standing, one(acme).reason) == ("skipped", f"restore {operation_id} is unfinished")


class TestWorker:
    def waits(self, house: FakeHouse) -> list[str]:
        return [j.what for j in due(house, house.file) if j.what == "drift"]

    def test_it_looks_once_a_day(self, acme: FakeHouse) -> None:
        assert self.waits(acme) == [], "apply has just looked"
        acme.clock.at += timedelta(hours=24)
        assert self.waits(acme) == ["drift"]
        acme.fake_engine.plans["acme"] = HAND_MADE
        assert ("drift", "done") in [(d.what, d.outcome) for d in tick(acme, quiet)]
        assert self.waits(acme) == []
        assert recorded(acme)["regression"] == 1
        assert ("up", "acme") not in acme.fake_engine.calls, "it never mends by itself"

    def test_the_tier_says_how_often(self, acme: FakeHouse) -> None:
        acme.file.entries["acme"] = tenant("acme", drift_hours=2)
        acme.clock.at += timedelta(hours=3)
        assert self.waits(acme) == ["drift"]

    def test_the_second_of_two_workers_finds_nothing_to_do(self, acme: FakeHouse) -> None:
        acme.clock.at += timedelta(hours=24)
        first, second = (next(j for j in due(acme, acme.file) if j.what == "drift") for _ in "12")
        assert first.run(quiet) is not NOTHING
        assert second.run(quiet) is NOTHING

    def test_a_look_that_fails_is_told_and_one_that_waits_is_not(self, acme: FakeHouse) -> None:
        acme.clock.at += timedelta(hours=24)
        [job] = [j for j in due(acme, acme.file) if j.what == "drift"]
        with acme.operations.hold("acme", "op-1", "it is being moved"):
            assert job.run(quiet) is NOTHING
        acme.fake_engine.plans["acme"] = EngineError("throttled")
        with pytest.raises(EngineError):
            job.run(quiet)

    def test_nobody_looks_at_who_is_not_active(self, acme: FakeHouse) -> None:
        operation_id, payload = rest.propose_suspend(acme, "acme")
        rest.carry_out(acme, "suspend", "acme", operation_id, payload, quiet)
        acme.clock.at += timedelta(hours=48)
        assert self.waits(acme) == []
        record = acme.ledger.tenant("acme")
        assert record is not None
        assert record.lifecycle is Lifecycle.SUSPENDED
