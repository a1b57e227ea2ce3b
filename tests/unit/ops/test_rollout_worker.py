"""What a worker does for rollouts: those that nobody drives, and rehearsals that a dead process left."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.ledger import Holder
from provisioner.ops import rehearse
from provisioner.ops.lanes import Patience, done
from provisioner.ops.rollout import verbs
from provisioner.ops.worker import due, reap, tick
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.moving import House, moved_in, well
from tests.unit.ops.people import backed_up, made, quiet
from tests.unit.ops.rolling import Fleet, Killed, Rollout, S


def wanted(house: FakeHouse, *whats: str) -> list[tuple[str, str, str]]:
    return [(j.tenant, j.what, j.why) for j in due(house, house.file) if j.what in whats]


class TestRollout:
    @pytest.fixture
    def rollout(self, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Rollout:
        rollout = fleet.began(3)
        monkeypatch.setattr("provisioner.ops.rollout.drive.UpgradeSteps", lambda _: rollout.steps)
        monkeypatch.setattr("provisioner.ops.worker._of", lambda *_: iter(()))  # no backups here
        return rollout

    def test_one_that_nobody_drives_is_driven_to_its_end(self, fleet: Fleet, rollout: Rollout) -> None:
        assert wanted(fleet, "rollout") == [(rollout.id, "rollout", "nobody drives it")]
        assert [(d.tenant, d.what, d.outcome) for d in tick(fleet, quiet)] == [(rollout.id, "rollout", "done")]
        assert (rollout.status(), rollout.channel) == ("succeeded", "1.1.0")
        assert wanted(fleet, "rollout") == []

    def test_one_that_somebody_drives_is_theirs(self, fleet: Fleet, rollout: Rollout) -> None:
        lease = rollout.somebody()
        assert wanted(fleet, "rollout") == []
        fleet.ledger.release_lease(lease)
        [job] = due(fleet, fleet.file)
        rollout.somebody()
        found = done(job, quiet)
        assert (found.tenant, found.outcome) == (rollout.id, "held")
        assert "is being driven by joe on worker-1" in found.detail
        assert rollout.steps.log == []

    def test_one_that_halts_is_told_and_begun_again_as_soon_as_it_goes_on(self, fleet: Fleet, rollout: Rollout) -> None:
        rollout.steps.ends["t0"] = [(S.FAILED, "it broke")]
        [end] = tick(fleet, quiet)
        assert end.outcome == "paused"
        assert f"rollout {rollout.id} to 1.1.0 is halted: t0 failed: it broke" in end.detail
        assert "provision rollout" in str(end.hint)
        patience = Patience(fleet.clock)
        assert patience.note(end) is None, "nothing has failed that would pass by waiting"
        assert wanted(fleet, "rollout") == []
        verbs.retry(fleet, rollout.record, [])
        [job] = due(fleet, fleet.file)
        assert patience.ready(job)
        assert [d.outcome for d in tick(fleet, quiet)] == ["done"]
        assert rollout.status() == "succeeded"

    def test_a_rollback_is_driven_too(self, fleet: Fleet, rollout: Rollout) -> None:
        tick(fleet, quiet)
        verbs.rollback(fleet, rollout.record)
        assert [d.outcome for d in tick(fleet, quiet)] == ["done"]
        assert rollout.status() == "rolled-back"


def test_rollouts_that_can_not_be_read_stop_no_backup(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    made(house, "acme")

    def newer(*_: object, **__: object) -> None:
        raise TypeError("Strategy.__init__() got an unexpected keyword argument 'mood'")

    monkeypatch.setattr(house.ledger, "rollouts", newer)
    found = tick(house, quiet)
    assert [(d.tenant, d.what, d.outcome) for d in found] == [
        ("rollouts", "look", "failed"),
        ("acme", "backup", "done"),
    ]
    assert "unexpected keyword argument 'mood'" in found[0].detail


class TestRehearsal:
    @pytest.fixture
    def house(self, tmp_path: Path) -> Iterator[House]:
        house = moved_in(tmp_path)
        backed_up(house)
        house.fake_cloud.answers["probe"] = well("1.1.0", 2)
        yield house
        house.ledger.close()

    def killed(self, house: House) -> str:
        """A rehearsal whose process dies while its stack is made. Returns its id."""
        house.fake_engine.broken, house.fake_engine.error = "quarantine", Killed()  # type: ignore[assignment]
        with pytest.raises(Killed):
            rehearse.rehearse_one(house, house.file, house.file.tenant("acme"), "1.1.0", quiet)
        house.fake_engine.broken = None
        [operation] = house.ledger.operations(kinds=("rehearse",))
        return operation.id

    @pytest.mark.parametrize("do", [tick, reap])
    def test_one_that_was_left_goes_on_and_ends(self, house: House, do: Any) -> None:
        operation_id = self.killed(house)
        assert len(house.fake_engine.stacks) == 2, "its stack stands"
        why = f"operation {operation_id} was begun, and nobody is at it"
        assert wanted(house, "rehearse") == [("acme", "rehearse", why)]
        assert ("rehearse", "done") in [(d.what, d.outcome) for d in do(house, quiet)]
        assert house.fake_engine.stacks == {"acme"}
        [operation] = house.ledger.operations(kinds=("rehearse",))
        assert (operation.id, operation.status) == (operation_id, "succeeded")
        assert rehearse.rehearsed(house, "acme", "1.1.0") == "passed"
        assert wanted(house, "rehearse") == []

    def test_it_counts_for_this_very_step_and_not_for_ever(self, house: House) -> None:
        """Of another release, by another program, or on data of last month, it says nothing of what comes."""
        rehearse.rehearse_one(house, house.file, house.file.tenant("acme"), "1.1.0", quiet)
        assert rehearse.rehearsed(house, "acme", "1.1.0") == "passed"
        assert rehearse.rehearsed(house, "acme", "1.2.0") is None
        house.ledger.assign_release("acme", "0.9.0")
        assert rehearse.rehearsed(house, "acme", "1.1.0") is None
        house.ledger.assign_release("acme", "1.0.0")
        house.program_version = "p2"
        assert rehearse.rehearsed(house, "acme", "1.1.0") is None
        house.program_version = "p1"
        [*_, point] = sorted(house.ledger.points(tenant="acme"), key=lambda p: p.taken_at)
        house.clock.at = point.taken_at + timedelta(days=7, hours=-1)
        assert rehearse.rehearsed(house, "acme", "1.1.0") == "passed"
        house.clock.at += timedelta(hours=2)
        assert rehearse.rehearsed(house, "acme", "1.1.0") is None

    def test_one_that_somebody_is_at_is_theirs(self, house: House) -> None:
        operation_id = self.killed(house)
        holder = Holder("worker-1", "", 7, "", "joe")
        house.ledger.acquire_lease("acme/rehearse", operation_id, "it", holder, timedelta(hours=1))
        assert wanted(house, "rehearse") == []

    def test_one_that_lived_too_long_is_only_cleared_up(self, house: House) -> None:
        self.killed(house)
        house.clock.at += timedelta(hours=13)
        reap(house, quiet)
        assert house.fake_engine.stacks == {"acme"}
        assert rehearse.rehearsed(house, "acme", "1.1.0") == "inconclusive"
