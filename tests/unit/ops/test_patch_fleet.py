"""Patches across the fleet: scans, the report, what a worker does, and a rollout that is driven as any other."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from provisioner.model.errors import LeaseHeldError, ProvisionError, RefusedError, UsageError
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.policy import PatchException, Severity
from provisioner.model.rollout.states import RolloutStatus
from provisioner.model.rollout.strategy import Strategy
from provisioner.ops.lanes import NOTHING
from provisioner.ops.patch.look import scan, scan_one
from provisioner.ops.patch.propose import PatchWords, propose
from provisioner.ops.patch.report import TenantPatches, page, report, sheet
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.drive import drive
from provisioner.ops.rollout.find import find
from provisioner.ops.rollout.since import edited
from provisioner.ops.rollout.step import Ended
from provisioner.ops.worker import due, tick
from tests.unit.ops.fake_patches import package
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.moving import House, moved_in
from tests.unit.ops.patching import missing, turn
from tests.unit.ops.people import made, quiet
from tests.unit.ops.rolling import Fleet, Rollout, S


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


def standing(house: FakeHouse, tenant_id: str = "acme") -> TenantPatches:
    [found] = [t for t in report(house, house.file.tenants()) if t.tenant == tenant_id]
    return found


class TestScan:
    def test_it_is_on_the_record_with_its_deadlines(self, acme: FakeHouse) -> None:
        acme.fake_cloud.patches.known = [package("openssl"), package("curl", Severity.LOW)]
        found = scan_one(acme, acme.file.tenant("acme"), quiet)
        assert (found["critical"], found["low"], found["deadline_missed"], found["machine"]) == (1, 1, 0, "i-1")
        due_at = acme.clock.at + timedelta(days=7)
        assert abs(standing(acme).next_due - due_at) < timedelta(seconds=1)  # type: ignore[operator]
        acme.clock.at += timedelta(days=8)
        assert scan_one(acme, acme.file.tenant("acme"), quiet)["deadline_missed"] == 1

    def test_one_that_can_not_be_scanned_stops_no_other(self, acme: FakeHouse) -> None:
        made(acme, "beta", "gamma")
        acme.ledger.set_lifecycle("beta", Lifecycle.SUSPENDED)
        with acme.operations.hold("gamma", "op-1", "it is being moved"):
            found = scan(acme, acme.file.tenants(), quiet)
        assert [type(s.error) for s in found] == [type(None), UsageError, LeaseHeldError]
        assert "it is suspended" in found[1].error.message  # type: ignore[union-attr]


class TestReport:
    def test_a_missed_deadline_and_an_exception(self, acme: FakeHouse) -> None:
        acme.fake_cloud.patches.known = [package("openssl", cve="CVE-2026-1")]
        for days in (0, 8):
            acme.clock.at += timedelta(days=days)
            scan_one(acme, acme.file.tenant("acme"), quiet)
        [words] = standing(acme).breaches
        assert "1 past the deadline: openssl:1.0-2 (critical, missing" in words
        allowed = PatchException("CVE-2026-1", "no fix for it yet", "Jane", date(2026, 12, 31))
        acme.file.entries["acme"] = replace(acme.file.entries["acme"], patch_exceptions=(allowed,))
        assert (standing(acme).breaches, standing(acme).exceptions) == ((), (allowed,))
        acme.clock.at += timedelta(days=40)
        assert len(standing(acme).breaches) == 2, "it has expired, and so has the scan"

    def test_of_a_machine_that_is_new_nothing_is_known(self, acme: FakeHouse) -> None:
        acme.ledger.observe("acme", "machine", {"id": "i-2", "suffix": "b"})
        assert standing(acme).breaches == ("its machine was replaced, and wasn't scanned since",)

    def test_who_has_no_machine_that_runs_promises_nothing(self, acme: FakeHouse) -> None:
        acme.ledger.set_lifecycle("acme", Lifecycle.SUSPENDED)
        assert report(acme, acme.file.tenants()) == []

    def test_as_a_page_and_a_sheet_which_nothing_of_a_machine_can_steer(self, acme: FakeHouse) -> None:
        evil = replace(package("x"), id="=cmd()", title="=cmd()<script>")
        acme.fake_cloud.patches.known = [evil]
        allowed = PatchException("=cmd()", "+1", "Jane", date(2027, 1, 1))
        acme.file.entries["acme"] = replace(acme.file.entries["acme"], patch_exceptions=(allowed,))
        for days in (0, 8):
            acme.clock.at += timedelta(days=days)
            scan_one(acme, acme.file.tenant("acme"), quiet)
        [line] = list(csv.DictReader(io.StringIO(sheet(report(acme, acme.file.tenants())))))
        assert (line["tenant"], line["critical"], line["failed"]) == ("acme", "1", "0")
        assert line["exceptions"].startswith("'=cmd() until")
        acme.file.entries["acme"] = replace(acme.file.entries["acme"], patch_exceptions=())
        found = page(report(acme, acme.file.tenants()), acme.clock.now())
        assert "1 tenants, 1 of them with a deadline that isn't kept" in found
        assert "=cmd()&lt;script&gt;" in found


class TestWorker:
    def jobs(self, house: FakeHouse) -> list[str]:
        return [j.why for j in due(house, house.file) if j.what == "scan"]

    def test_it_scans_once_a_day(self, acme: FakeHouse) -> None:
        assert self.jobs(acme) == []
        acme.clock.at += timedelta(hours=24)
        assert self.jobs(acme) == ["every 24 h"]
        acme.fake_cloud.patches.known = [package("openssl")]
        assert ("scan", "done") in [(d.what, d.outcome) for d in tick(acme, quiet)]
        assert (self.jobs(acme), standing(acme).counts["critical"]) == ([], 1)

    def test_a_new_machine_is_scanned_at_once(self, acme: FakeHouse) -> None:
        acme.ledger.observe("acme", "machine", {"id": "i-2", "suffix": "b"})
        assert self.jobs(acme) == ["every 24 h"]

    def test_what_is_being_changed_waits_and_isn_t_told(self, acme: FakeHouse) -> None:
        acme.clock.at += timedelta(hours=24)
        first, second = (next(j for j in due(acme, acme.file) if j.what == "scan") for _ in "12")
        with acme.operations.hold("acme", "op-1", "it is being moved"):
            assert first.run(quiet) is NOTHING
        assert first.run(quiet) is not NOTHING
        assert second.run(quiet) is NOTHING, "another worker was faster"

    def test_one_that_fails_is_told(self, acme: FakeHouse) -> None:
        acme.clock.at += timedelta(hours=24)
        acme.fake_cloud.patches.error["Scan"] = ProvisionError("the agent is away")
        assert ("scan", "failed") in [(d.what, d.outcome) for d in tick(acme, quiet)]


class TestRollout:
    @pytest.fixture
    def house(self, tmp_path: Path) -> Iterator[House]:
        house = moved_in(tmp_path)
        yield house
        house.ledger.close()

    def test_it_is_driven_as_any_other(self, house: House) -> None:
        missing(house, "kernel", "curl").kernels = {"kernel"}
        record = verbs.start(house, turn(house).plan, "jane@laptop")
        assert record.id.startswith("patches-2026-11-22-")
        done = drive(house, record.id, quiet)
        assert (done.status, done.cause) == (RolloutStatus.SUCCEEDED, "1 patched")
        [found] = house.ledger.evidence(tenant="acme", kind="patch")
        assert (found.body["by"], found.body["rollout"]) == ("jane@laptop", record.id)
        with pytest.raises(RefusedError, match="patches can't be taken back"):
            verbs.rollback(house, done)

    def test_a_package_that_fails_halts_it_and_retry_goes_on(self, house: House) -> None:
        found = missing(house, "broken")
        found.broken = {"broken": "exit 1"}
        record = verbs.start(house, turn(house).plan, "jane")
        halted = drive(house, record.id, quiet)
        assert halted.status is RolloutStatus.HALTED
        assert "acme failed: package broken:1.0-2 of acme couldn't be installed: exit 1" in halted.cause
        found.broken = {}
        verbs.retry(house, halted, [])
        assert drive(house, record.id, quiet).status is RolloutStatus.SUCCEEDED

    def test_where_nothing_is_missing_there_is_nothing_to_start(self, house: House) -> None:
        plan = propose(house, house.file, house.file.tenants(), PatchWords())
        with pytest.raises(RefusedError, match=r"nobody would be patched \(already there\)") as caught:
            verbs.start(house, plan, "jane")
        assert caught.value.hint == "why, of each tenant: provision patch plan"


class TestWaves:
    @pytest.fixture
    def rollout(self, fleet: Fleet) -> Rollout:
        """Of six tenants; t0 and t1 are ring 0. All are on 1.0.0, and stay there."""
        began = fleet.began(6)
        verbs.abort(fleet, began.record, "jane")
        began.drive()
        fleet.file.strategies[None] = Strategy(waves=("ring 0", "rest"), bake_minutes=(3,))
        for name in fleet.file.tenant_ids():
            fleet.ledger.observe(name, "schema", {"version": 1})
        plan = propose(fleet, fleet.file, fleet.file.tenants(), PatchWords())
        rollout = Rollout(fleet, verbs.start(fleet, plan, "jane").id)
        rollout.steps.ends = {name: [Ended(name, S.SUCCEEDED)] for name in fleet.file.tenant_ids()}
        return rollout

    def test_they_are_watched_on_the_release_that_they_keep(self, fleet: Fleet, rollout: Rollout) -> None:
        before = dict(fleet.file.channels)
        assert rollout.drive() == "succeeded"
        assert set(fleet.prober.asked) >= {"t0", "t1"}
        assert rollout.record.cause == "6 patched"
        assert fleet.file.channels == before
        assert {r.assigned_release for r in fleet.records()} == {"1.0.0"}

    def test_a_failure_stops_the_wave(self, fleet: Fleet, rollout: Rollout) -> None:
        first = rollout.order[0]
        rollout.steps.ends[first] = [(S.FAILED, f"package x of {first} couldn't be installed")]
        assert rollout.drive() == "halted"
        assert rollout.states() == f"{first} failed"

    def test_one_that_falls_ill_while_it_is_watched_is_broken(self, fleet: Fleet, rollout: Rollout) -> None:
        rollout.when("t1", lambda: fleet.prober.ill.update(t0="it broke", t1="it broke"))
        assert rollout.drive() == "halted"
        assert "broken" in rollout.states()
        assert all(not name.startswith("-") for name in rollout.steps.log), "nobody is taken back"

    def test_what_the_registry_says_otherwise_by_now_is_told(self, fleet: Fleet, rollout: Rollout) -> None:
        assert edited(fleet, fleet.file, rollout.record) == []
        fleet.file.entries["t3"] = replace(fleet.file.entries["t3"], ring=3)
        assert edited(fleet, fleet.file, rollout.record) == ["t3: is in ring 3, and was in ring 1"]

    def test_it_is_found_by_name(self, fleet: Fleet, rollout: Rollout) -> None:
        assert find(fleet, None).id == rollout.id
