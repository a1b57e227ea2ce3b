"""`new-tenant`: what is checked before anything changes, what is done, and how it goes on."""

from dataclasses import replace
from typing import Any

import pytest

from provisioner.model.change import Plan, Step, StepOp
from provisioner.model.cloud import CommandResult, Health
from provisioner.model.errors import (
    AuthenticationError,
    EngineError,
    ProvisionError,
    RefusedError,
    TimedOutError,
    UsageError,
)
from provisioner.model.lifecycle import Lifecycle
from provisioner.ops import views
from provisioner.ops.new_tenant import carry_out, propose
from provisioner.ops.requests import NewTenantRequest
from tests.unit.ops.fakes import TARGET, FakeHouse, FakeRegistry, tenant

ACME = NewTenantRequest("acme", tier="standard")


def make(house: FakeHouse, request: NewTenantRequest = ACME) -> dict[str, object]:
    return dict(carry_out(house, propose(house, request), lambda _: None))


def on_target(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """New tenants land on a target with these changes."""
    target = replace(TARGET, **changes)
    monkeypatch.setattr(FakeRegistry, "resolve_new", lambda _, tenant_id, __: tenant(tenant_id, target=target))


def test_a_new_tenant_ends_active_with_url_facts_and_entry(house: FakeHouse) -> None:
    result = make(house)
    assert result == {"tenant": "acme", "url": "http://127.9.1.1:8080", "release": "1.0.0"}
    assert house.file.tenant_ids() == ["acme"]
    view = views.show(house, "acme")
    assert (view.state, view.url, view.machine, view.stack["name"]) == (
        "active",
        "http://127.9.1.1:8080",
        {"id": "i-1", "suffix": ""},
        "acme",
    )
    assert (view.release.desired, view.release.assigned, view.release.observed) == ("1.0.0", "1.0.0", "1.0.0")
    assert view.health.status == "healthy"
    assert view.health.checked_at is not None


def test_the_master_secret_is_readable_only_round_the_bootstrap(house: FakeHouse) -> None:
    make(house)
    assert house.fake_cloud.calls == [
        "password product",
        "allow arn:master",
        "provision bootstrap acme",
        "forbid",
        "provision migrate acme",
    ]


def test_a_failed_bootstrap_takes_the_permission_back_and_is_resumed(house: FakeHouse) -> None:
    house.fake_cloud.result = CommandResult("Failed", 7, "", "psql: no route")
    with pytest.raises(ProvisionError, match=r"bootstrap on i-1 ended with Failed, exit code 7: psql: no route"):
        make(house)
    assert house.fake_cloud.calls[-1] == "forbid"
    record = house.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.FAILED
    assert "psql: no route" in (record.cause or "")

    house.fake_cloud.result = CommandResult("Success", 0, "", "")
    proposal = propose(house, ACME)
    assert proposal.resumed
    carry_out(house, proposal, lambda _: None)
    assert [c for c in house.fake_engine.calls if c[0] == "up"] == [("up", "acme")], "the stack was made once"
    assert views.show(house, "acme").state == "active"


def test_the_same_name_in_other_words_does_not_go_on_with_the_unfinished_one(house: FakeHouse) -> None:
    house.fake_engine.fail_up = EngineError("vm failed")
    with pytest.raises(EngineError):
        make(house)
    with pytest.raises(UsageError, match="tier: 'standard' then, 'trial' now"):
        propose(house, NewTenantRequest("acme", tier="trial"))


def test_a_complete_tenant_is_not_made_again(house: FakeHouse) -> None:
    make(house)
    with pytest.raises(UsageError, match=r"tenant acme exists already \(active\)") as error:
        propose(house, ACME)
    assert "provision show acme" in (error.value.hint or "")
    assert error.value.exit_code == 2


def test_an_entry_that_was_never_made_points_to_apply(house: FakeHouse) -> None:
    house.file.entries["acme"] = tenant()
    with pytest.raises(UsageError, match="was never made") as error:
        propose(house, ACME)
    assert error.value.hint == "provision apply acme"


def test_the_quota_of_the_target_holds(house: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    make(house)
    on_target(monkeypatch, max_tenants=1)
    with pytest.raises(RefusedError, match="has 1 tenants, and max_tenants is 1"):
        propose(house, NewTenantRequest("beta"))


def test_a_yanked_release_is_refused_before_anything_is_asked_of_the_cloud(house: FakeHouse) -> None:
    house.file.releases["1.0.0"] = replace(house.file.releases["1.0.0"], yanked="loses notes")
    with pytest.raises(UsageError, match=r"release 1\.0\.0 was yanked: loses notes"):
        propose(house, ACME)
    assert house.started == []


def test_another_account_than_the_registry_says_changes_nothing(
    house: FakeHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_target(monkeypatch, account="999999999999")
    with pytest.raises(AuthenticationError, match="account 999999999999, but these credentials belong to 123456789012"):
        propose(house, ACME)
    assert house.fake_engine.calls == []


def test_a_preview_that_touches_state_is_refused_and_leaves_no_trace(house: FakeHouse) -> None:
    bad = Step(StepOp.REPLACE, "urn:db", "aws:rds/instance:Instance", "database", id="db-1")
    house.fake_engine.plans["acme"] = Plan((bad,))
    with pytest.raises(RefusedError):
        propose(house, ACME)
    assert house.ledger.tenants() == []
    assert house.file.tenant_ids() == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Health("unreachable", detail="refused"), r"unreachable \(refused\)"),
        (Health("healthy", "0.9.0", 1, "acme"), "release is 0.9.0, not 1.0.0"),
        (Health("healthy", "1.0.0", 2, "acme"), "schema_version is 2, not 1"),
        (Health("healthy", "1.0.0", 1, "beta"), "tenant is beta, not acme"),
    ],
)
def test_it_does_not_end_before_the_right_product_answers(house: FakeHouse, answer: Health, why: str) -> None:
    house.prober.answers = [answer]
    with pytest.raises(TimedOutError, match=why):
        make(house)


def test_health_is_waited_for(house: FakeHouse) -> None:
    house.prober.answers = [Health("unreachable"), Health("unhealthy"), Health("healthy", "1.0.0", 1, "acme")]
    make(house)
    assert views.show(house, "acme", probe=False).health.status == "healthy"
