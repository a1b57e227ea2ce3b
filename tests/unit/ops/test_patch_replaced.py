"""Patches by replacement: an upgrade to the same release on another OS release, its proof, and its way back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.errors import RefusedError
from provisioner.model.patch.policy import PatchPolicy
from provisioner.model.rollout.frozen import Why
from provisioner.model.rollout.states import RolloutStatus
from provisioner.model.rollout.strategy import Strategy
from provisioner.ops.desired import known_os, last_applied, stack_args
from provisioner.ops.patch.propose import PatchWords, propose
from provisioner.ops.patch.turn import PatchSteps
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.drive import drive
from provisioner.ops.rollout.step import Ended, Task
from tests.unit.ops.moving import GATE, House, moved_in, well
from tests.unit.ops.patching import again, missing, patched, turn
from tests.unit.ops.people import quiet
from tests.unit.ops.rolling import S
from tests.unit.ops.stepping import BEFORE, kinds, state
from tests.unit.ops.upgrading import upgraded

OS = "2026.11"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """acme is in ring 2, which shall be on 2026.11; its packages are older."""
    house = moved_in(tmp_path)
    house.file.entries["acme"] = replace(house.file.entries["acme"], patch=PatchPolicy(way="replace"))
    house.file.os_releases = {2: OS}
    house.file.releases["1.0.0"] = replace(house.file.releases["1.0.0"], rebuilds={OS: {"sandbox": "/images/1-os"}})
    house.fake_cloud.answers["gate"] = [well()] * 3
    missing(house, "openssl")
    yield house
    house.ledger.close()


@pytest.fixture
def task(house: House) -> Task:
    found = turn(house)
    house.fake_cloud.patches.known = []  # as the new machine is
    return found


def left_out(house: House) -> list[tuple[Why, str]]:
    house.file.strategies[None] = Strategy(gate=GATE)
    plan = propose(house, house.file, house.file.tenants(), PatchWords())
    return [(item.why, item.detail) for item in plan.left_out]


def image(house: House) -> str:
    found = last_applied(house, "acme")
    assert found is not None
    return found.image_id


def test_the_machine_is_another_and_the_release_the_same(house: House, task: Task) -> None:
    ended = patched(house, task)
    assert ended == Ended("acme", S.SUCCEEDED, operation=task.operation)
    assert house.fake_engine.seen == ["a+b", "b+a", "b"]
    assert (state(house), known_os(house, "acme", "1.0.0"), image(house)) == (BEFORE, OS, f"ami-{OS}")
    assert kinds(house) == [("upgrade", "succeeded")]
    assert left_out(house) == [(Why.THERE, f"is on {OS}")]


def test_an_apply_keeps_it_whatever_the_registry_wants_by_now(house: House, task: Task) -> None:
    patched(house, task)
    house.file.os_releases = {2: "2026.12"}
    args = stack_args(house, house.file, house.file.tenant("acme"), "1.0.0")
    assert args.image_id == f"ami-{OS}"
    assert stack_args(house, house.file, house.file.tenant("acme"), "1.1.0").image_id == "ami-1", (
        "another release's own"
    )


def test_what_it_closed_is_proven_once(house: House, task: Task) -> None:
    patched(house, task)
    assert patched(house, again(house, task)).state is S.SUCCEEDED
    [found] = house.ledger.evidence(tenant="acme", kind="patch")
    body: Any = found.body
    assert ([c["id"] for c in body["closed"]], body["os_release"], body["machine"]) == (["openssl"], OS, "i-b")
    fact = house.ledger.fact("acme", "patch")
    assert fact is not None
    assert fact.value["patched_at"] == fact.value["scanned_at"]
    house.ledger.verify_journal()


def test_a_machine_that_does_not_come_up_leaves_the_old_one(house: House, task: Task) -> None:
    house.fake_engine.broken = "a+b"
    ended = patched(house, task)
    assert ended.state is S.FAILED
    assert (state(house), known_os(house, "acme", "1.0.0")) == (BEFORE, None)


def test_it_goes_back_to_where_it_was(house: House, task: Task) -> None:
    patched(house, task)
    ended = PatchSteps(house).back(again(house, task), quiet)
    assert ended.state is S.REVERTED
    assert (state(house), known_os(house, "acme", "1.0.0"), image(house)) == (BEFORE, None, "ami-1")


def test_one_that_was_moved_meanwhile_is_left_where_it_is(house: House, task: Task) -> None:
    upgraded(house, "1.1.0")
    ended = patched(house, task)
    assert ended.state is S.QUARANTINED
    assert "it is on 1.1.0, and was on 1.0.0" in str(ended.cause)


def test_an_upgrade_takes_its_ring_s_image_of_the_new_release_where_there_is_one(house: House, task: Task) -> None:
    patched(house, task)
    new = house.file.releases["1.1.0"]
    house.file.releases["1.1.0"] = replace(new, rebuilds={OS: {"sandbox": "/images/1.1-os"}})
    upgraded(house, "1.1.0")
    assert (known_os(house, "acme", "1.1.0"), image(house)) == (OS, f"ami-{OS}")


def test_it_is_a_rollout_that_can_be_taken_back(house: House, task: Task) -> None:
    record = verbs.start(house, task.plan, "jane")
    done = drive(house, record.id, quiet)
    assert done.status is RolloutStatus.SUCCEEDED
    verbs.rollback(house, done)
    assert drive(house, record.id, quiet).status is RolloutStatus.ROLLED_BACK
    assert image(house) == "ami-1"


class TestLeftOut:
    def test_a_ring_without_an_os_release(self, house: House) -> None:
        house.file.os_releases = {}
        assert left_out(house) == [(Why.NO_IMAGE, "no OS release is set for its ring: os_releases/ring_2")]

    def test_a_release_without_a_rebuild(self, house: House) -> None:
        house.file.releases["1.0.0"] = replace(house.file.releases["1.0.0"], rebuilds={})
        [(why, words)] = left_out(house)
        assert (why, words) == (Why.NO_IMAGE, f"there is none of 1.0.0 on it: add releases/1.0.0/rebuilds/{OS}/sandbox")

    def test_what_is_installed_can_not_be_taken_back(self, house: House, task: Task) -> None:
        house.file.entries["acme"] = replace(house.file.entries["acme"], patch=PatchPolicy())
        missing(house, "openssl")
        record = verbs.start(house, turn(house).plan, "jane")
        done = drive(house, record.id, quiet)
        with pytest.raises(RefusedError, match="acme: patches can't be taken back"):
            verbs.rollback(house, done)
