"""One tenant's patches over fakes: what is done in which order, what an end means, and going on after a kill."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.cloud import Health
from provisioner.model.errors import ProvisionError, TimedOutError
from provisioner.model.ledger import OperationStatus
from provisioner.model.patch.policy import PatchException
from provisioner.model.patch.scan import PatchState
from provisioner.model.tenant import Window
from provisioner.ops.operations import points_in_use
from provisioner.ops.rollout.step import Ended, Task
from tests.unit.ops.fake_patches import package
from tests.unit.ops.moving import House, moved_in
from tests.unit.ops.patching import again, commands, dies, missing, patched, turn
from tests.unit.ops.rolling import Killed, S
from tests.unit.ops.stepping import BEFORE, kinds, state

STEPS = ("baseline", "scan", "mark", "snapshot", "copy", "install", "database", "reboot", "gate", "rescan", "finish")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    yield house
    house.ledger.close()


def fact(house: House) -> Any:
    found = house.ledger.fact("acme", "patch")
    assert found is not None
    return found.value


def evidence(house: House) -> Any:
    [found] = house.ledger.evidence(tenant="acme", kind="patch")
    return found.body


class TestWell:
    def test_a_point_the_patches_a_look(self, house: House) -> None:
        missing(house, "openssl", "curl")
        task = turn(house)
        assert patched(house, task) == Ended("acme", S.SUCCEEDED, operation=task.operation)
        assert commands(house) == ["Scan", "snapshot", "Install", "Scan"]
        assert state(house) == BEFORE
        assert (fact(house)["critical"], fact(house)["open"]) == (0, [])
        assert fact(house)["patched_at"] == fact(house)["scanned_at"]
        [point] = house.ledger.points(tenant="acme")
        assert (point.kind, point.release) == ("before-patch", "1.0.0")

    def test_a_kernel_takes_a_reboot_which_is_waited_for(self, house: House) -> None:
        missing(house, "kernel", "curl").kernels = {"kernel"}
        assert patched(house, turn(house)).state is S.SUCCEEDED
        assert commands(house)[:5] == ["Scan", "snapshot", "Install", "Scan", "reboot"]
        assert commands(house).count("reboot") == 1
        assert not fact(house)["pending_reboot"]
        assert evidence(house)["rebooted"]

    def test_what_proves_it(self, house: House) -> None:
        missing(house, "openssl")
        house.file.entries["acme"] = replace(
            house.file.entries["acme"],
            patch_exceptions=(PatchException("telnet", "nobody has it", "Jane", date(2027, 1, 1)),),
        )
        task = turn(house)
        patched(house, task)
        found = evidence(house)
        assert (found["before"]["critical"], found["after"]["critical"]) == (1, 0)
        [closed] = found["closed"]
        assert (closed["id"], closed["cves"], closed["in_time"]) == ("openssl", ["CVE-openssl"], True)
        assert (found["rollout"], found["image"], found["baseline"]) == ("r1", "ami-1", "pb-1")
        assert found["exceptions"][0]["reason"] == "nobody has it"
        assert found["point"] == house.ledger.points(tenant="acme")[0].id
        house.ledger.verify_journal()

    def test_where_nothing_is_missing_nothing_is_done(self, house: House) -> None:
        missing(house, "openssl")
        task = turn(house)
        house.fake_cloud.patches.known = []
        assert patched(house, task).state is S.SUCCEEDED
        assert commands(house) == ["Scan"]
        assert state(house) == BEFORE

    def test_hooks_of_its_release_run_around_an_installation(self, house: House) -> None:
        hooks = {"before": "drain", "exit": "undrain"}
        house.file.releases["1.0.0"] = replace(house.file.releases["1.0.0"], patch_hooks=hooks)
        missing(house, "openssl")
        patched(house, turn(house))
        machine = str(house.ledger.fact("acme", "machine").value["id"])  # type: ignore[union-attr]
        asked = [call for call in house.fake_cloud.calls if call.startswith(("Scan", "Install"))]
        assert asked == [f"Scan {machine}", f"Install {machine} drain undrain", f"Scan {machine}"]

    def test_the_point_is_kept_while_the_operation_needs_it(self, house: House) -> None:
        missing(house, "openssl")
        dies(house, "install", "before")
        with pytest.raises(Killed):
            patched(house, turn(house))
        [point] = house.ledger.points(tenant="acme")
        assert points_in_use(house, "acme") == {point.id}


class TestFailures:
    def test_a_package_that_fails_is_named_and_the_tenant_serves(self, house: House) -> None:
        found = missing(house, "openssl", "broken", "kernel")
        found.broken, found.kernels = {"broken": "exit 1"}, {"kernel"}
        ended = patched(house, turn(house))
        assert ended.state is S.FAILED
        assert ended.cause == "package broken:1.0-2 of acme couldn't be installed: exit 1; the tenant serves on"
        assert "reboot" not in commands(house), "nobody reboots what is half way"
        assert state(house) == BEFORE
        assert (fact(house)["critical"], fact(house)["failed"], fact(house)["patched_at"]) == (2, 1, None)
        assert evidence(house)["failed"], "what was tried is proven, too"
        assert kinds(house) == [("patch", "undone")]

    def test_one_that_is_mended_is_tried_again(self, house: House) -> None:
        found = missing(house, "broken")
        found.broken = {"broken": "exit 1"}
        task = turn(house)
        assert patched(house, task).state is S.FAILED
        found.broken = {}
        assert patched(house, again(house, task)).state is S.SUCCEEDED
        assert kinds(house) == [("patch", "undone"), ("patch", "succeeded")]

    def test_a_full_disk_is_the_tenant_s_own(self, house: House) -> None:
        missing(house, "broken").broken = {"broken": "No space left on device"}
        assert patched(house, turn(house)).state is S.QUARANTINED

    def test_one_that_is_ill_after_it_is_broken_until_it_is_well(self, house: House) -> None:
        found = missing(house, "kernel")
        found.kernels = {"kernel"}
        task, real = turn(house), house.prober.probe
        found.on_reboot = lambda: setattr(house.prober, "probe", lambda *_, **__: Health("unhealthy", detail="no"))
        ended = patched(house, task)
        assert ended.state is S.BROKEN
        assert state(house) == ("failed", "1.0.0")
        house.prober.probe = real
        done = patched(house, again(house, task))
        assert (done.state, done.operation) == (S.SUCCEEDED, task.operation), "the same goes on"
        assert state(house) == BEFORE
        assert commands(house).count("reboot") == 1

    def test_one_that_is_ill_before_is_left_alone(self, house: House) -> None:
        missing(house, "openssl")
        task = turn(house)
        house.prober.probe = lambda *_, **__: Health("unhealthy", detail="no")
        ended = patched(house, task)
        assert (ended.state, commands(house)) == (S.QUARANTINED, [])
        assert "it was sick before it was patched" in str(ended.cause)

    def test_before_anything_is_installed_nothing_has_changed(self, house: House) -> None:
        missing(house, "openssl").error = {"Scan": ProvisionError("it says nothing")}
        ended = patched(house, turn(house))
        assert (ended.state, ended.cause, state(house)) == (S.FAILED, "it says nothing", BEFORE)

    def test_the_cloud_s_own_trouble_is_waited_for(self, house: House) -> None:
        missing(house, "openssl").error = {"Scan": ProvisionError("ssm SendCommand: ThrottlingException: slow down")}
        task = turn(house)
        ended = patched(house, task)
        assert ended.state is S.WAITING
        assert ended.not_before is not None
        assert patched(house, again(house, task)).state is S.SUCCEEDED

    def test_an_install_without_an_end_can_not_be_told(self, house: House) -> None:
        missing(house, "openssl").error = {"Install": TimedOutError("it did not end")}
        task = turn(house)
        assert patched(house, task).state is S.INCONCLUSIVE
        assert state(house) == BEFORE, "its product is well"
        assert patched(house, again(house, task)).state is S.SUCCEEDED


class TestWindow:
    WINDOW = Window(("sun",), "11:00", 2)  # it is Sunday, 12:00

    @pytest.fixture
    def task(self, house: House) -> Task:
        house.file.entries["acme"] = replace(house.file.entries["acme"], window=self.WINDOW)
        missing(house, "kernel").kernels = {"kernel"}
        return turn(house)

    def test_outside_of_it_nothing_is_touched(self, house: House, task: Task) -> None:
        house.clock.at += timedelta(hours=2)
        ended = patched(house, task)
        assert (ended.state, commands(house), state(house)) == (S.WAITING, [], BEFORE)
        assert "it may not be changed now" in str(ended.cause)

    def test_one_that_was_cut_off_does_not_install_at_another_hour(self, house: House, task: Task) -> None:
        dies(house, "install", "before")
        with pytest.raises(Killed):
            patched(house, task)
        house.clock.at += timedelta(hours=2)
        assert patched(house, task).state is S.WAITING
        assert "Install" not in commands(house)
        assert state(house) == BEFORE

    def test_the_reboot_waits_for_the_next_one(self, house: House, task: Task) -> None:
        found = house.fake_cloud.patches
        found.on_install = lambda: setattr(house.clock, "at", house.clock.at + timedelta(hours=2))
        ended = patched(house, task)
        assert ended.state is S.WAITING
        assert "acme waits for its reboot" in str(ended.cause)
        assert "reboot" not in commands(house)
        assert fact(house)["pending_reboot"], "and its deadline runs"
        assert state(house) == BEFORE
        found.on_install = None
        house.clock.at += timedelta(days=7) - timedelta(hours=2)
        assert patched(house, again(house, task)).state is S.SUCCEEDED
        assert commands(house).count("reboot") == 1


class TestKills:
    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("step", STEPS)
    def test_killed_anywhere_it_goes_on(self, house: House, step: str, when: str) -> None:
        missing(house, "kernel", "curl").kernels = {"kernel"}
        task = turn(house)
        dies(house, step, when)
        with pytest.raises(Killed):
            patched(house, task)
        ended = patched(house, task)
        assert ended == Ended("acme", S.SUCCEEDED, operation=task.operation)
        assert commands(house).count("reboot") == 1, "nobody is sent down twice"
        assert len(house.ledger.points(tenant="acme")) == 1
        assert len(evidence(house)["closed"]) == 2
        assert (fact(house)["open"], state(house)) == ([], BEFORE)

    def test_killed_while_it_reboots(self, house: House) -> None:
        found = missing(house, "kernel")
        found.kernels, found.on_reboot = {"kernel"}, _killed
        task = turn(house)
        with pytest.raises(Killed):
            patched(house, task)
        found.on_reboot = None
        assert patched(house, task).state is S.SUCCEEDED
        assert commands(house).count("reboot") == 1

    def test_one_whose_end_is_on_the_record_is_not_done_again(self, house: House) -> None:
        missing(house, "broken").broken = {"broken": "exit 1"}
        task = turn(house)
        first = patched(house, task)
        assert patched(house, task) == first
        assert len(kinds(house)) == 1

    def test_what_something_else_came_after_begins_anew(self, house: House) -> None:
        missing(house, "openssl")
        task = turn(house)
        dies(house, "install", "before")
        with pytest.raises(Killed):
            patched(house, task)
        begun = house.ledger.operation(task.operation)
        assert begun is not None
        house.ledger.set_operation(begun.id, OperationStatus.INTERRUPTED)
        payload: Any = {**begun.payload, "waivers": []}
        house.operations.run("apply", "0aa0aa0aa0aa", "acme", payload, lambda _: None)
        ended = patched(house, task)
        assert ended.state is S.SUCCEEDED
        assert ended.operation != task.operation
        [old] = [o for o in house.ledger.operations(kinds=("patch",)) if o.id == task.operation]
        assert old.status is OperationStatus.CANCELLED


def test_one_that_the_baseline_rejects_is_not_wanted(house: House) -> None:
    missing(house, "openssl")
    house.fake_cloud.patches.known = [replace(package("openssl"), state=PatchState.REJECTED)]
    assert patched(house, turn(house)).state is S.SUCCEEDED
    assert fact(house)["rejected"] == 1


def _killed() -> None:
    raise Killed
