"""One tenant of a rollout is taken back: by its code, by a restore, or not at all."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.errors import (
    AuthenticationError,
)
from provisioner.model.ledger import OperationStatus
from provisioner.ops.rollout.step import Ended, UpgradeSteps
from tests.unit.ops.moving import House, moved_in, well
from tests.unit.ops.people import quiet
from tests.unit.ops.rolling import Killed, S
from tests.unit.ops.stepping import AFTER, BEFORE, again, back, fails_of, forward, kinds, planned, state


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    yield house
    house.ledger.close()


class TestBack:
    def test_by_its_code(self, house: House) -> None:
        task = planned(house)
        forward(house, task)
        house.fake_cloud.answers["gate"] = [well("1.0.0", 2)] * 3
        ended = back(house, task)
        assert ended.state is S.REVERTED, ended.cause
        assert (state(house), kinds(house)) == (BEFORE, [("upgrade", "succeeded")] * 2)

    def test_one_that_fell_ill_while_it_was_watched(self, house: House) -> None:
        task = planned(house)
        forward(house, task)
        house.prober.ill = "1.1.0"
        house.fake_cloud.answers["gate"] = [well("1.0.0", 2)] * 3
        ended = back(house, task)
        assert ended.state is S.REVERTED, ended.cause
        assert state(house) == BEFORE

    def test_one_that_fails_is_broken(self, house: House) -> None:
        task = planned(house)
        forward(house, task)
        ended = back(house, task)  # the gate still answers as 1.1.0
        assert ended.state is S.BROKEN
        assert str(ended.cause).startswith("it wasn't taken back: the new release didn't pass the gate")
        assert state(house) == AFTER

    @pytest.mark.parametrize("well_", [True, False])
    def test_by_a_restore_of_the_point_before_it(self, house: House, well_: bool) -> None:
        task = planned(house, "1.2.0")
        house.prober.ill = None if well_ else "1.2.0"
        assert forward(house, task).state is (S.SUCCEEDED if well_ else S.BROKEN)
        ended = back(house, task)
        assert ended.state is S.REVERTED, ended.cause
        assert (state(house), kinds(house)[-1]) == (BEFORE, ("restore", "succeeded"))
        assert back(house, task).state is S.REVERTED, "it is there"
        assert len(kinds(house)) == 2

    def test_a_restore_that_was_cut_off_goes_on(self, house: House) -> None:
        task = planned(house, "1.2.0")
        forward(house, task)
        house.fake_cloud.failing = "verify"
        assert back(house, task).state is S.INCONCLUSIVE
        house.fake_cloud.failing = None
        assert back(house, task).state is S.REVERTED
        assert [k for k, _ in kinds(house)] == ["upgrade", "restore"]

    @pytest.mark.parametrize("version", ["1.2.0", "1.3.0"])
    def test_without_a_way_it_is_left_and_said(self, house: House, version: str) -> None:
        task = planned(house, version)
        forward(house, task)
        for point in house.ledger.points(tenant="acme"):
            house.ledger.save_point(replace(point, status=type(point.status)("failed")))
        ended = back(house, task)
        assert ended.state is S.BROKEN
        assert "it can't go back to 1.0.0" in str(ended.cause)
        assert state(house) == ("active", version)

    def test_who_went_further_by_hand_is_left_there(self, house: House) -> None:
        task = planned(house)
        forward(house, task)
        house.ledger.assign_release("acme", "1.3.0")
        seen = list(house.fake_engine.seen)
        ended = back(house, task)
        assert (ended.state, ended.cause) == (
            S.INCONCLUSIVE,
            "it is on 1.3.0 by now, so it isn't taken back to 1.0.0",
        )
        assert house.fake_engine.seen == seen

    def test_who_was_never_moved_is_as_before(self, house: House) -> None:
        task = planned(house)
        house.fake_engine.broken = "b+a"
        forward(house, task)
        house.fake_engine.seen.clear()
        assert back(house, task).state is S.REVERTED
        assert house.fake_engine.seen == []

    @pytest.mark.parametrize("shape", ["a+b", "b+a", "b"])
    def test_a_move_that_was_cut_off_comes_to_its_end_first(self, house: House, shape: str) -> None:
        """Else the way back would begin in the middle, or leave its second machine standing."""
        task = planned(house)
        house.fake_engine.broken, house.fake_engine.error = shape, AuthenticationError("expired")
        assert forward(house, task).state is S.INCONCLUSIVE
        house.fake_engine.broken = None
        steps = UpgradeSteps(house)
        house.prober.asked.clear()
        real = house.operations.run

        def run(kind: str, operation_id: str, *rest: Any) -> Any:
            if operation_id != task.operation:
                house.fake_cloud.answers["gate"] = [well("1.0.0", 2)] * 3
            return real(kind, operation_id, *rest)

        house.operations.run = run
        ended = steps.back(again(house, task), quiet)
        assert ended.state is S.REVERTED, ended.cause
        assert (state(house), kinds(house)) == (BEFORE, [("upgrade", "succeeded")] * 2)
        assert house.fake_engine.seen[-1] == "a"

    def test_a_database_that_waits_to_be_restored_is(self, house: House) -> None:
        task = planned(house, "1.2.0")
        house.fake_cloud.failing = "migrate"
        real = house.operations.run
        house.operations.run = fails_of("restore", real)
        assert forward(house, task).state is S.BROKEN
        house.operations.run = real
        house.fake_cloud.failing = None
        assert back(house, task).state is S.REVERTED
        assert (state(house), kinds(house)) == (BEFORE, [("upgrade", "undone"), ("restore", "succeeded")])

    def test_after_a_kill_it_goes_on(self, house: House) -> None:
        task = planned(house)
        forward(house, task)
        house.fake_cloud.answers["gate"] = [well("1.0.0", 2)] * 3
        house.fake_engine.broken, house.fake_engine.error = "a+b", Killed()  # type: ignore[assignment]
        steps, way = UpgradeSteps(house), again(house, task)
        with pytest.raises(Killed):
            steps.back(way, quiet)
        house.fake_engine.broken = None
        assert steps.back(way, quiet) == Ended("acme", S.REVERTED, operation=way.operation)
        assert [o.status for o in house.ledger.operations(kinds=("upgrade",))] == [OperationStatus.SUCCEEDED] * 2
