"""A stack during an upgrade: a second machine beside the one that serves, the switch to it, the end of the old one."""

from dataclasses import replace

import pytest

from provisioner.model.stack import OtherMachine, StackArgs
from tests.stacks.compare import changed, product_environment
from tests.stacks.recorder import Recording, record
from tests.stacks.shapes import SHAPES, recording

NEW = OtherMachine("b", "1.1.0", 2, "ami-new")
FRONTS = {"address": "guarded-address-aws", "balancer": "standard-aws"}


def before(front: str) -> StackArgs:
    return SHAPES[FRONTS[front]]


def beside(front: str, *, attached: bool = False) -> StackArgs:
    return replace(before(front), other=replace(NEW, attached=attached))


def switched(front: str) -> StackArgs:
    """The new machine serves, the old one is still there."""
    args = before(front)
    old = OtherMachine("", args.release, args.schema_version, args.image_id)
    return replace(args, machine="b", release="1.1.0", schema_version=2, image_id="ami-new", other=old)


def alarms(found: Recording) -> list[str]:
    return [a.name for a in found.of("cloudwatch:MetricAlarm") if a.name.startswith("machine")]


@pytest.mark.parametrize("front", FRONTS)
def test_beside_only_adds_a_machine(front: str) -> None:
    found = record(beside(front))
    assert changed(recording(FRONTS[front]), found) == {"machine-b": {"+"}}
    old, new = (found.named(name, "ec2:Instance").inputs for name in ("machine", "machine-b"))
    same = {"subnetId", "vpcSecurityGroupIds", "iamInstanceProfile", "instanceType", "metadataOptions"}
    assert {k: new[k] for k in same} == {k: old[k] for k in same}
    assert new["ami"] == "ami-new"
    assert new["tags"]["provision:resource"] == "machine-b"
    assert new["tags"]["provision:release"] == "1.1.0"
    told, knew = (product_environment(machine["userData"]) for machine in (new, old))
    assert {k: v for k, v in told.items() if knew[k] != v} == {"RELEASE": "1.1.0", "SCHEMA_VERSION": "2"}
    assert (found.outputs["machine_id"], found.outputs["other_machine_id"]) == ("machine-id", "machine-b-id")


def test_a_balancer_sends_requests_to_both_before_it_leaves_the_old_one() -> None:
    assert changed(record(beside("balancer")), record(beside("balancer", attached=True))) == {
        "targets-machine-b": {"+"}
    }


def test_an_address_leads_to_one_machine() -> None:
    assert changed(record(beside("address")), record(beside("address", attached=True))) == {}


@pytest.mark.parametrize("front", FRONTS)
def test_the_switch_turns_front_alarms_and_outputs_and_touches_no_machine(front: str) -> None:
    old, new = record(beside(front, attached=True)), record(switched(front))
    turned = {"address": {"address-machine": {"instanceId"}}, "balancer": {"targets-machine": {"-"}}}
    assert changed(old, new) == turned[front] | {alarm: {"dimensions"} for alarm in alarms(new)}
    assert (new.outputs["machine_id"], new.outputs["other_machine_id"]) == ("machine-b-id", "machine-id")


@pytest.mark.parametrize("front", FRONTS)
def test_at_its_end_the_old_machine_goes_alone(front: str) -> None:
    assert changed(record(switched(front)), record(replace(switched(front), other=None))) == {"machine": {"-"}}


@pytest.mark.parametrize("front", FRONTS)
def test_a_machine_s_way_out_is_settled_when_it_boots(front: str) -> None:
    """An address that comes or goes later must not replace it; without one, SSM couldn't reach it before the switch."""
    machine = record(beside(front)).named("machine-b", "ec2:Instance")
    assert machine.inputs.get("associatePublicIpAddress") is (True if front == "address" else None)
    assert "associatePublicIpAddress" in machine.ignore_changes
