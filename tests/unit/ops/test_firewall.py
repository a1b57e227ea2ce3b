"""The stateful-change firewall: what it stops, and that a waiver opens exactly one door."""

from datetime import date

import pytest

from provisioner.model import firewall
from provisioner.model.change import Plan, PropertyChange, Step, StepOp
from provisioner.model.errors import ExitCode, RefusedError
from provisioner.model.tenant import Waiver

TODAY = date(2026, 11, 22)
DATABASE = "aws:rds/instance:Instance"


def step(op: StepOp, type_: str = DATABASE, name: str = "database") -> Step:
    return Step(op, f"urn:{name}", type_, name, id="db-1", changes=(PropertyChange("kmsKeyId", replaces=True),))


@pytest.mark.parametrize("type_", sorted(firewall.STATEFUL_TYPES))
@pytest.mark.parametrize("op", [StepOp.REPLACE, StepOp.CREATE_REPLACEMENT, StepOp.DELETE_REPLACED, StepOp.DELETE])
def test_every_stateful_type_and_every_destructive_op_is_refused(type_: str, op: StepOp) -> None:
    with pytest.raises(RefusedError) as refused:
        firewall.check("acme", Plan((step(op, type_),)), (), TODAY)
    assert refused.value.exit_code is ExitCode.REFUSED
    assert type_ in refused.value.message
    assert "tenants/acme/waivers" in (refused.value.hint or "")


@pytest.mark.parametrize("op", [StepOp.SAME, StepOp.CREATE, StepOp.UPDATE, StepOp.READ, StepOp.IMPORT])
def test_harmless_ops_pass(op: StepOp) -> None:
    firewall.check("acme", Plan((step(op),)), (), TODAY)


def test_a_stateless_resource_may_be_replaced() -> None:
    firewall.check("acme", Plan((step(StepOp.REPLACE, "aws:ec2/instance:Instance", "machine"),)), (), TODAY)


def test_one_replace_is_reported_once_with_its_reason() -> None:
    steps = (step(StepOp.CREATE_REPLACEMENT), step(StepOp.REPLACE), step(StepOp.DELETE_REPLACED))
    found = firewall.refusals(Plan(steps), (), TODAY)
    assert [str(r) for r in found] == ["replace of aws:rds/instance:Instance database (because of kmsKeyId)"]


def waiver(**changes: object) -> Waiver:
    values: dict[str, object] = {
        "resource": "database",
        "operation": "replace",
        "name": "ada",
        "reason": "moved to a new key",
        "expires": TODAY,
    }
    return Waiver(**{**values, **changes})  # type: ignore[arg-type]


def test_a_live_waiver_allows_exactly_its_resource_and_operation() -> None:
    firewall.check("acme", Plan((step(StepOp.REPLACE),)), (waiver(),), TODAY)


@pytest.mark.parametrize(
    "changes", [{"resource": "key"}, {"operation": "delete"}, {"expires": date(2026, 11, 21)}], ids=str
)
def test_a_waiver_for_something_else_or_an_expired_one_allows_nothing(changes: dict[str, object]) -> None:
    with pytest.raises(RefusedError):
        firewall.check("acme", Plan((step(StepOp.REPLACE),)), (waiver(**changes),), TODAY)
