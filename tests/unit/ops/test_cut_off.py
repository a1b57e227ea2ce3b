"""A restore that was cut off: it is found whatever came after it, and what it says and keeps is of now."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.change import Event, Plan, Step, StepOp
from provisioner.model.errors import ExitCode, ProvisionError, RefusedError, UsageError
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.recovery import PointKind
from provisioner.ops import backup, offboard, prune, rest, restoring
from provisioner.ops.export import export
from provisioner.ops.plan import plan
from tests.unit.ops.fakes import FakeHouse, tenant
from tests.unit.ops.people import backed_up, made, quiet, restored
from tests.unit.ops.test_apply import change, planned

DATABASE = "aws:rds/instance:Instance"


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    backed_up(house)
    return house


def first(house: FakeHouse) -> str:
    return [p.id for p in house.ledger.points(tenant="acme") if p.kind is PointKind.MANUAL][-1]


def cut(house: FakeHouse, comment: str = "provision verify acme") -> str:
    """A restore that fails where this runs on the machine. Its database is in the state then. Returns its id."""
    cloud: Any = house.fake_cloud
    whole = cloud.run_command

    def fail(machine: str, script: str, **more: Any) -> Any:
        if more["comment"] == comment:
            raise ProvisionError("out of reach")
        return whole(machine, script, **more)

    cloud.run_command = fail
    with pytest.raises(ProvisionError, match="out of reach"):
        restored(house, first(house))
    cloud.run_command = whole
    operation = house.ledger.operations(kinds=("restore",))[0]
    payload: Any = operation.payload
    house.fake_engine.urns = [f"urn:pulumi:acme::tenant::{DATABASE}::database-{payload['made']['suffix']}"]
    return operation.id


def hidden(house: FakeHouse) -> str:
    """A restore that was cut off, and a suspension and resumption after it, as an earlier version let them."""
    restore = cut(house)
    record = house.file.tenant("acme")
    operation = "fffffffffffabcdef"
    payload = backup.propose(house, house.file, record, PointKind.MANUAL, operation)
    rest.carry_out(house, "suspend", "acme", operation, payload, quiet)
    rest.carry_out(house, "resume", "acme", *rest.propose_resume(house, "acme"), quiet)
    assert house.ledger.operations(tenant="acme", limit=1)[0].kind == "resume"
    return restore


def kinds(house: FakeHouse) -> list[str]:
    return [str(p.kind) for p in house.ledger.points(tenant="acme")]


class TestHidden:
    def test_what_would_hide_it_is_refused_and_names_it(self, acme: FakeHouse, tmp_path: Path) -> None:
        restore = hidden(acme)
        for attempt in (
            lambda: rest.propose_suspend(acme, "acme"),
            lambda: offboard.propose(acme, "acme", folder=tmp_path / "x"),
        ):
            with pytest.raises(RefusedError, match=f"its restore {restore} was cut off") as refused:
                attempt()
            assert refused.value.exit_code is ExitCode.REFUSED
            hint = f"provision operations resume {restore}, or provision restore acme --abandon"
            assert refused.value.hint == hint

    def test_another_restore_is_refused(self, acme: FakeHouse) -> None:
        restore = hidden(acme)
        other = backed_up(acme)
        with pytest.raises(UsageError, match="in other words") as refused:
            restoring.propose(acme, "acme", other.id)
        assert restore in str(refused.value.hint)

    def test_it_goes_on(self, acme: FakeHouse) -> None:
        restore = hidden(acme)
        proposal = restoring.propose(acme, "acme", first(acme))
        assert (proposal.operation_id, proposal.resumed) == (restore, True)
        restored(acme, first(acme), proposal=proposal)
        rest.propose_suspend(acme, "acme")

    def test_it_is_given_up(self, acme: FakeHouse) -> None:
        restore = hidden(acme)
        assert restoring.abandon(acme, "acme", quiet) == restore
        acme.fake_engine.urns = []
        rest.propose_suspend(acme, "acme")

    def test_one_whose_database_is_gone_from_the_state_holds_up_nobody(self, acme: FakeHouse) -> None:
        hidden(acme)
        acme.fake_engine.urns = []
        rest.propose_suspend(acme, "acme")
        with pytest.raises(UsageError, match="no restore"):
            restoring.abandon(acme, "acme", quiet)

    def test_a_backup_is_made_and_tells_of_it(self, acme: FakeHouse) -> None:
        """The tenant serves on: its recovery points must not stop."""
        restore, seen = hidden(acme), list[Event]()
        made_now = backup.create_one(acme, acme.file, acme.file.tenant("acme"), seen.append)
        assert made_now.status == "available"
        assert [e for e in seen if e.message and f"its restore {restore} was cut off" in e.message]

    def test_after_the_fence_a_backup_is_refused_and_names_it(self, acme: FakeHouse) -> None:
        restore = cut(acme, "provision fence acme")
        record = acme.ledger.tenant("acme")
        assert record is not None
        assert record.lifecycle is Lifecycle.FAILED
        with pytest.raises(UsageError, match="can't be backed up: it is failed") as refused:
            backed_up(acme)
        assert refused.value.hint == f"provision operations resume {restore}"

    def test_plan_and_apply_name_the_way_out(self, acme: FakeHouse) -> None:
        restore = cut(acme)
        change(acme)
        acme.fake_engine.plans["acme"] = Plan((Step(StepOp.DELETE, "urn:d", DATABASE, "database-r1"),))
        seen = planned(acme)["acme"]
        assert seen.verdict == "refused"
        assert "delete of aws:rds/instance:Instance database-r1" in seen.reason
        assert "provision restore acme --abandon" in str(seen.error and seen.error.hint)
        acme.ledger.set_lifecycle("acme", Lifecycle.RESTORING)
        (seen,) = plan(acme, acme.file, acme.file.tenants())
        assert str(seen.error and seen.error.hint).startswith(f"provision operations resume {restore}")


class TestLater:
    """What is gone on with days after it was cut off."""

    def test_the_loss_is_of_now(self, acme: FakeHouse) -> None:
        cut(acme)
        acme.clock.at += timedelta(days=3, hours=4)
        words = restoring.propose(acme, "acme", first(acme)).loss
        assert words.startswith("3d4h of writes since 2026-11-22 12:00 UTC")
        assert "kept until 2026-12-02" in words

    def test_the_loss_is_told_by_whatever_goes_on_with_it(self, acme: FakeHouse) -> None:
        restore, seen = cut(acme), list[Event]()
        acme.clock.at += timedelta(days=3, hours=4)
        acme.operations.resume(restore, seen.append)
        assert [e for e in seen if e.message and e.message.startswith("3d4h of writes since")]

    def test_after_the_fence_nothing_more_is_lost(self, acme: FakeHouse) -> None:
        cut(acme, "provision migrate acme")
        acme.clock.at += timedelta(days=3)
        assert restoring.propose(acme, "acme", first(acme)).loss.startswith("0s of writes")

    def test_an_old_point_of_the_present_is_followed_by_another(self, acme: FakeHouse) -> None:
        cut(acme)
        acme.clock.at += timedelta(days=3)
        restored(acme, first(acme))
        assert kinds(acme) == ["before-restore", "before-restore", "manual"]
        newest = acme.ledger.points(tenant="acme")[0]
        assert acme.clock.now() - newest.taken_at < timedelta(minutes=15)
        assert newest.expires == acme.clock.now().date() + timedelta(days=37)

    def test_so_is_one_since_which_the_tenant_served_on(self, acme: FakeHouse) -> None:
        cut(acme)
        restored(acme, first(acme))
        assert kinds(acme).count("before-restore") == 2

    def test_one_that_isnt_cut_off_makes_one(self, acme: FakeHouse) -> None:
        restored(acme, first(acme))
        assert kinds(acme) == ["before-restore", "manual"]

    def test_one_that_failed_while_it_closed_makes_another_too(self, acme: FakeHouse) -> None:
        cut(acme, "provision fence acme")
        acme.clock.at += timedelta(days=1)
        restored(acme, first(acme))
        assert kinds(acme).count("before-restore") == 2

    def test_another_that_was_begun_goes_on(self, acme: FakeHouse) -> None:
        cut(acme)
        acme.clock.at += timedelta(days=3)
        cloud: Any = acme.fake_cloud
        cloud.answers["sentinel"] = acme.clock.now().isoformat()
        whole = cloud.make_snapshot

        def dies(*_: object) -> Any:
            raise KeyboardInterrupt

        cloud.make_snapshot = dies
        with pytest.raises(KeyboardInterrupt):
            restored(acme, first(acme))
        cloud.make_snapshot = whole
        restored(acme, first(acme))
        assert kinds(acme).count("before-restore") == 2
        assert {str(p.status) for p in acme.ledger.points(tenant="acme")} == {"available"}


def test_what_a_restore_replaced_and_is_gone_ends_without_being_changed(acme: FakeHouse) -> None:
    restored(acme, first(acme))
    acme.fake_cloud.database_status.pop("acme")
    acme.clock.at += timedelta(days=9)
    acme.fake_engine.calls.clear()
    (done,) = prune.prune(acme, acme.file, acme.file.tenants(), quiet)
    assert (done.error, done.databases) == (None, [""])
    assert acme.fake_engine.calls == [("preview", "acme"), ("up", "acme")]


def test_export_resume_and_stop_bring_no_pending_edit_with_them(acme: FakeHouse, tmp_path: Path) -> None:
    acme.file.entries["acme"] = tenant("acme", tier="trial")
    export(acme, "acme", tmp_path / "x", quiet)
    exported: Any = acme.ledger.operations(kinds=("export",))[0].payload
    assert exported["args"]["tier"] == "standard"
    acme.file.entries["acme"] = tenant("acme")
    operation_id, payload = rest.propose_suspend(acme, "acme")
    rest.carry_out(acme, "suspend", "acme", operation_id, payload, quiet)
    acme.file.entries["acme"] = tenant("acme", tier="trial")
    frozen: Any = rest.propose_resume(acme, "acme")[1]
    assert frozen["args"]["tier"] == "standard"
    rest.stop_again(acme, "acme", quiet)
    stopped: Any = acme.ledger.operations(kinds=("stop",))[0].payload
    assert stopped["args"]["tier"] == "standard"
