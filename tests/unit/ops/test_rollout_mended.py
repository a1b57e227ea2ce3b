"""Rollouts of a release that mends: who is ill on what an earlier one brought is moved, too."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.frozen import RolloutPlan, Why
from provisioner.ops.operations import new_id
from provisioner.ops.rollout.propose import Words, propose
from provisioner.ops.rollout.step import Task
from tests.unit.ops.moving import RELEASES, House, moved_in, well
from tests.unit.ops.rolling import S
from tests.unit.ops.stepping import forward, planned, state


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    yield house
    house.ledger.close()


def mending(house: House, *, mend: bool = True) -> Task:
    house.file.releases["1.6.0"] = replace(RELEASES["1.1.0"], version="1.6.0", schema_version=2, migration="none")
    house.fake_cloud.answers["gate"] = [well("1.6.0", 2)] * 3
    plan = propose(house, house.file, house.file.tenants(), Words("1.6.0", mend=mend))
    return Task("r2", plan, "acme", new_id(house.clock))


@pytest.mark.parametrize("version", ["1.1.0", "1.3.0"])
def test_it_is_moved_where_the_plan_is_to_mend(house: House, version: str) -> None:
    first = planned(house, version)
    house.prober.ill = version if version == "1.3.0" else None
    forward(house, first)
    house.prober.ill = version
    house.ledger.observe("acme", "health", {"status": "unhealthy", "detail": "503"})
    [left_out] = mending(house, mend=False).plan.left_out
    assert left_out.why in {Why.SICK, Why.FAILED}
    task = mending(house)
    assert RolloutPlan.of(task.plan.json()).tenants["acme"].mends
    assert forward(house, task).state is S.SUCCEEDED
    assert state(house) == ("active", "1.6.0")


def test_who_is_well_is_moved_as_ever(house: House) -> None:
    task = mending(house)
    assert not task.plan.tenants["acme"].mends
    house.prober.ill, house.prober.asked = "1.0.0", ["1.0.0"]
    assert forward(house, task).state is S.QUARANTINED, "it fell ill since, and that isn't the release's to mend"


def test_any_other_one_that_failed_is_left_out(house: House) -> None:
    for lifecycle in (Lifecycle.UPDATING, Lifecycle.FAILED):
        house.ledger.set_lifecycle("acme", lifecycle)
    assert mending(house).plan.left_out[0].why is Why.FAILED
