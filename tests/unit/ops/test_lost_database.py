"""A database that is gone, or that the cloud says is broken: restored from a point, and never made again empty."""

from typing import Any

import pytest

from provisioner.model.change import Plan, Step, StepOp
from provisioner.model.errors import ExitCode, ProvisionError, RefusedError
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import RunOptions, Stack
from provisioner.ops import restoring
from provisioner.ops.apply import apply
from provisioner.ops.desired import known_databases
from tests.unit.ops.fakes import CREATE, FakeHouse
from tests.unit.ops.people import backed_up, made, quiet, restored
from tests.unit.ops.test_apply import change, planned

DATABASE, BUCKET = "aws:rds/instance:Instance", "aws:s3/bucket:Bucket"
SAME = Step(StepOp.SAME, "urn:stack", "pulumi:pulumi:Stack", "tenant-acme")


def creates(type_: str, name: str) -> Plan:
    return Plan((SAME, Step(StepOp.CREATE, f"urn:{name}", type_, name)))


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


class TestFirewall:
    """What held data isn't made again empty."""

    def test_plan_and_apply_refuse_an_empty_database(self, acme: FakeHouse) -> None:
        change(acme)
        intention = planned(acme)["acme"]
        acme.fake_engine.plans["acme"] = creates(DATABASE, "database")
        seen = planned(acme)["acme"]
        assert seen.verdict == "refused"
        assert "create of aws:rds/instance:Instance database" in seen.reason
        [done] = apply(acme, [intention], quiet)
        for error in (seen.error, done.error):
            assert isinstance(error, RefusedError)
            assert error.exit_code is ExitCode.REFUSED
            assert (error.hint or "").startswith("provision restore acme --to ")
        assert ("up", "acme") not in acme.fake_engine.calls

    def test_a_bucket_that_was_there_isnt_made_again(self, acme: FakeHouse) -> None:
        change(acme)
        acme.fake_engine.plans["acme"] = creates(BUCKET, "files")
        assert planned(acme)["acme"].verdict == "change", "a new program may have a bucket more"
        acme.fake_engine.urns = ["urn:files"]
        seen = planned(acme)["acme"]
        assert seen.verdict == "refused"
        assert "operation create" in str(seen.error and seen.error.hint)

    def test_a_first_creation_passes_and_so_does_one_that_goes_on(self, house: FakeHouse) -> None:
        house.fake_engine.plans["acme"] = Plan((*CREATE.steps, *creates(DATABASE, "database").steps))
        house.fake_engine.fail_up = ProvisionError("no capacity")
        with pytest.raises(ProvisionError, match="no capacity"):
            made(house, "acme")
        house.fake_engine.fail_up = None
        house.fake_engine.stacks.add("acme")
        [done] = apply(house, [planned(house)["acme"]], quiet)
        assert done.verdict == "applied"


class TestRestore:
    """Of a tenant without a database that could be kept."""

    @pytest.fixture(params=[None, "storage-full", "failed", "incompatible-parameters"], ids=str)
    def lost(self, acme: FakeHouse, request: pytest.FixtureRequest) -> Any:
        point = backed_up(acme)
        status: str | None = request.param
        acme.fake_cloud.database_status.pop("acme")
        if status:
            acme.fake_cloud.database_status["acme"] = status
        acme.fake_cloud.calls.clear()
        return acme, point, status or "gone"

    def test_it_says_so_and_restores(self, lost: Any) -> None:
        house, point, state = lost
        words = restoring.propose(house, "acme", point.id).loss
        assert f"the present can't be kept: database acme is {state}" in words
        assert "in a recovery point of the present" not in words
        result = restored(house, point.id)
        assert not [c for c in house.fake_cloud.calls if c.startswith(("snapshot", "provision fence"))]
        (operation,) = house.ledger.operations(kinds=("restore",))
        steps = {s.name: s.result for s in house.ledger.operation(operation.id).steps}
        for step in ("snapshot", "fence"):
            assert steps[step]["skipped"] == f"database acme is {state}"
        assert [p.id for p in house.ledger.points(tenant="acme")] == [point.id]
        assert house.ledger.tenant("acme").lifecycle is Lifecycle.ACTIVE
        databases = known_databases(house, "acme")
        if state == "gone":
            assert [d.kept for d in databases] == [False]
            assert (result["old_database"], result["kept_until"]) == (None, None)
        else:
            assert [(d.kept, d.broken) for d in databases] == [(True, True), (False, False)]
            assert result["old_database"] == "acme"

    def test_the_state_isnt_read_anew_while_it_stands_beside(self, lost: Any) -> None:
        """What isn't read stays in the state, and is neither made again nor makes another machine."""
        house, point, _ = lost
        seen: list[tuple[str, bool]] = []
        whole = {name: getattr(house.fake_engine, name) for name in ("preview", "up")}

        def watch(name: str) -> Any:
            def call(stack: Stack, options: RunOptions = RunOptions()) -> Any:  # noqa: B008 - as in the port
                seen.append((name, options.refresh))
                return whole[name](stack, options)

            return call

        for name in whole:
            setattr(house.fake_engine, name, watch(name))
        restored(house, point.id)
        assert seen == [("preview", False), ("up", False), ("preview", True), ("up", True)]

    def test_only_its_own_database_may_be_made(self, acme: FakeHouse) -> None:
        point = backed_up(acme)
        acme.fake_engine.plans["acme"] = creates(DATABASE, "database")
        with pytest.raises(RefusedError, match="create of aws:rds/instance:Instance database"):
            restored(acme, point.id)
        del acme.fake_engine.plans["acme"]
        restoring.abandon(acme, "acme", quiet)
        proposal = restoring.propose(acme, "acme", point.id)
        suffix = proposal.payload["made"]["suffix"]  # type: ignore[index,call-overload]
        acme.fake_engine.plans["acme"] = creates(DATABASE, f"database-{suffix}")
        assert restored(acme, point.id, proposal=proposal)["tenant"] == "acme"

    def test_one_that_is_lost_while_it_is_restored(self, acme: FakeHouse) -> None:
        point = backed_up(acme)
        acme.fake_engine.fail_up = ProvisionError("throttled")
        with pytest.raises(ProvisionError):
            restored(acme, point.id)
        acme.fake_engine.fail_up = None
        acme.fake_cloud.database_status.pop("acme")
        assert "database acme is gone" in restoring.propose(acme, "acme", point.id).loss
        assert restored(acme, point.id)["old_database"] is None
