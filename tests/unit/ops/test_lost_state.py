"""A tenant that was made and whose state is missing is no new tenant: nothing may be made a second time."""

from typing import Any

import pytest

from provisioner.model.change import Plan, Step, StepOp
from provisioner.model.errors import ExitCode, RefusedError
from provisioner.model.lifecycle import Lifecycle
from provisioner.ops.apply import apply
from provisioner.ops.plan import Intention
from tests.unit.ops.fakes import CREATE, FakeHouse
from tests.unit.ops.people import made
from tests.unit.ops.test_apply import change, planned

WORDS = "tenant acme was made, but target sandbox has no state of its stack: to apply it would make everything a second"
EMPTY = Plan((Step(StepOp.CREATE, "urn:s", "pulumi:pulumi:Stack", "tenant-acme"), *CREATE.steps))


def refused(intention: Intention) -> None:
    error = intention.error
    assert isinstance(error, RefusedError)
    assert error.exit_code is ExitCode.REFUSED
    assert error.message.startswith(WORDS)
    assert error.hint is not None
    assert error.hint.startswith("put the state back (the folder `state` of PROVISION_HOME)")


@pytest.mark.parametrize("kept", [True, False], ids=["an empty stack", "no stack"])
def test_apply_refuses_under_the_lease(house: FakeHouse, kept: bool) -> None:
    made(house, "acme")
    change(house)
    intention = planned(house)["acme"]
    assert intention.verdict == "change"
    if kept:
        house.fake_engine.plans["acme"] = EMPTY
    else:
        house.fake_engine.stacks.clear()
    house.fake_engine.calls.clear()
    [done] = apply(house, [intention], lambda _: None)
    assert done.verdict == "failed"
    refused(done)
    assert ("up", "acme") not in house.fake_engine.calls
    record = house.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.ACTIVE


def test_plan_says_so_before(house: FakeHouse) -> None:
    made(house, "acme")
    change(house)
    house.fake_engine.plans["acme"] = EMPTY
    intention = planned(house)["acme"]
    assert intention.verdict == "refused"
    refused(intention)
    record: Any = house.ledger.tenant("acme")
    assert record.facts["drift"].value["changes"] == 0, "this is no drift"


def test_a_creation_that_was_cut_off_goes_on(house: FakeHouse) -> None:
    """Nothing was applied yet: there may be no state, or an empty one."""
    house.fake_engine.fail_up = RefusedError("no capacity")
    with pytest.raises(RefusedError):
        made(house, "acme")
    house.fake_engine.fail_up = None
    house.fake_engine.stacks.add("acme")
    house.fake_engine.plans["acme"] = EMPTY
    [done] = apply(house, [planned(house)["acme"]], lambda _: None)
    assert done.verdict == "applied"
