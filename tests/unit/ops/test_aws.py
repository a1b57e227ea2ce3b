"""Operations on AWS: who works where is compared and told before anything changes, and there must be room."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.cli import running
from provisioner.model.change import Event
from provisioner.model.cloud import Quota
from provisioner.model.errors import AuthenticationError, CancelledError, ExitCode, RefusedError, UsageError
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.tenant import CloudKind, Target
from provisioner.ops import offboard
from provisioner.ops.apply import apply
from provisioner.ops.desired import callers
from provisioner.ops.new_tenant import carry_out, propose
from provisioner.ops.operations import resume
from provisioner.ops.plan import plan
from provisioner.ops.requests import NewTenantRequest
from tests.unit.ops.fakes import CREATE, FakeHouse, FakeRegistry, tenant

AWS = Target("production", CloudKind.AWS, ("eu-west-1",), "example.com", account="123456789012")
ACME = NewTenantRequest("acme", tier="standard")


@pytest.fixture(autouse=True)
def _on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRegistry, "resolve_new", lambda _, tenant_id, __: tenant(tenant_id, target=AWS))


def untouched(house: FakeHouse) -> bool:
    return not house.fake_engine.calls and not house.file.entries and house.ledger.tenant("acme") is None


def made(house: FakeHouse) -> None:
    carry_out(house, propose(house, ACME), lambda _: None)


@pytest.mark.parametrize("wrong", [{"account": "999999999999"}, {"region": "us-east-1"}])
def test_another_account_or_region_changes_nothing(house: FakeHouse, wrong: dict[str, Any]) -> None:
    house.fake_cloud = replace(house.fake_cloud, **wrong)
    with pytest.raises(AuthenticationError) as caught:
        propose(house, ACME)
    assert caught.value.exit_code == ExitCode.AUTHENTICATION
    assert untouched(house)
    assert house.ledger.operations() == []


def test_who_works_where_is_told(house: FakeHouse) -> None:
    events: list[Event] = []
    carry_out(house, propose(house, ACME), events.append)
    said = f"{events[0].name}: {events[0].message}"
    assert said == "target production: works in account 123456789012, region eu-west-1, as arn:operator"


def test_it_is_told_once_for_all_who_share_it_before_anything_begins(house: FakeHouse) -> None:
    payloads = [propose(house, NewTenantRequest(name, tier="standard")).payload for name in ("acme", "beta")]
    works = "target production works in account 123456789012, region eu-west-1, as arn:operator"
    assert callers(house, payloads) == [f"{works} (2 tenants)"]
    assert callers(house, payloads[:1]) == [works]
    assert callers(house, [tenant("acme", target=AWS), payloads[1]]) == [f"{works} (2 tenants)"]
    assert callers(house, [tenant()]) == []
    own: Any = {**payloads[1], "target": {**payloads[1]["target"], "role": "arn:aws:iam::1:role/own"}}  # type: ignore[dict-item]
    assert callers(house, [payloads[0], own]) == [works, works]
    sandbox: Any = {**payloads[0], "target": {**payloads[0]["target"], "cloud": "sandbox"}}  # type: ignore[dict-item]
    assert callers(house, [sandbox]) == []
    house.fake_cloud.account = "999999999999"
    with pytest.raises(AuthenticationError, match="999999999999"):
        callers(house, payloads)


@pytest.mark.parametrize("unfinished", [False, True])
def test_and_before_anybody_is_asked(
    house: FakeHouse, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], unfinished: bool
) -> None:
    """On a terminal a question stands between the plan and the work: who answers it must know where."""
    house.fake_engine.fail_up = RefusedError("not now") if unfinished else None
    with suppress(RefusedError):
        made(house)
    house.ledger.set_applied("acme", None)
    house.fake_engine.plans["acme"] = CREATE
    intentions = plan(house, house.file, house.file.tenants())
    assert [i.verdict for i in intentions] == ["resume" if unfinished else "change"]
    said: list[str] = []

    def confirm(question: str, *, yes: bool) -> None:
        said.append(capsys.readouterr().err)
        raise CancelledError(question)

    monkeypatch.setattr(running, "confirm", confirm)
    session: Any = SimpleNamespace(app=house, yes=False)
    with pytest.raises(CancelledError):
        running.apply_all(session, intentions, parallel=1)
    assert "works in account 123456789012, region eu-west-1, as arn:operator" in said[0]


def test_credentials_that_changed_since_the_plan_stop_a_new_tenant(house: FakeHouse) -> None:
    proposal = propose(house, ACME)
    house.fake_cloud.account = "999999999999"
    with pytest.raises(AuthenticationError, match="999999999999"):
        carry_out(house, proposal, lambda _: None)
    assert house.ledger.tenant("acme") is None
    assert house.ledger.lease("acme") is None


def test_and_stop_what_goes_on(house: FakeHouse) -> None:
    house.fake_engine.fail_up = RefusedError("not now")
    with pytest.raises(RefusedError):
        made(house)
    (operation,) = house.ledger.operations()
    house.fake_engine.fail_up = None
    house.fake_cloud.account = "999999999999"
    before = (house.ledger.tenant("acme"), list(house.fake_engine.calls))
    with pytest.raises(AuthenticationError):
        resume(house, operation.id, lambda _: None)
    assert (house.ledger.tenant("acme"), house.fake_engine.calls) == before


def test_and_stop_apply_and_offboard(house: FakeHouse, tmp_path: Path) -> None:
    made(house)
    house.ledger.set_applied("acme", None)
    house.fake_engine.plans["acme"] = CREATE
    intentions = plan(house, house.file, house.file.tenants())
    goodbye = offboard.propose(house, "acme", folder=tmp_path / "export")
    house.fake_cloud.account = "999999999999"
    (answer,) = apply(house, intentions, lambda _: None)
    assert isinstance(answer.error, AuthenticationError)
    with pytest.raises(AuthenticationError):
        offboard.carry_out(house, goodbye, lambda _: None)
    record = house.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.ACTIVE


def test_a_tenant_of_another_ledger_is_not_changed(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease is in the other one: nobody would keep two commands apart."""
    elsewhere = replace(AWS, ledger="postgresql://provision@db.example.com/ledger")
    monkeypatch.setattr(FakeRegistry, "resolve_new", lambda _, tenant_id, __: tenant(tenant_id, target=elsewhere))
    with pytest.raises(UsageError, match="lives on target production, whose ledger") as caught:
        propose(house, ACME)
    assert caught.value.hint == "add --target production"
    assert untouched(house)
    house.ledger_name = elsewhere.ledger
    made(house)


def test_no_room_is_refused_by_name(house: FakeHouse) -> None:
    full = Quota("vpcs", "VPCs", "vpc", "L-F678F1CE", 5, 5)
    enough = Quota("vcpus", "vCPUs", "ec2", "L-1216C47A", 32, 30)
    house.fake_cloud.limits = [full, enough]
    with pytest.raises(RefusedError) as caught:
        propose(house, ACME)
    assert "VPCs: 5 of 5 are used, and tenant acme needs 1" in caught.value.message
    assert "vCPUs" not in caught.value.message
    assert str(caught.value.hint).startswith("aws service-quotas request-service-quota-increase --region eu-west-1")
    assert untouched(house)


def test_a_machine_with_more_processors_than_are_left_is_refused(house: FakeHouse) -> None:
    house.fake_cloud.limits = [Quota("vcpus", "vCPUs", "ec2", "L-1216C47A", 32, 31)]
    with pytest.raises(RefusedError, match="31 of 32 are used, and tenant acme needs 2"):
        propose(house, ACME)


def test_a_full_account_stops_no_tenant_that_is_there(house: FakeHouse) -> None:
    made(house)
    house.ledger.set_applied("acme", None)
    house.fake_cloud.limits = [Quota("vpcs", "VPCs", "vpc", "L-F678F1CE", 5, 5)]
    (answer,) = plan(house, house.file, house.file.tenants())
    assert answer.error is None
