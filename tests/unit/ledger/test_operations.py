"""Operations and their steps, on both databases."""

import pytest

from provisioner.ledger.store import SqlLedger
from provisioner.model.errors import ProvisionError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import OperationStatus, StepStatus
from tests.unit.ledger.conftest import FakeClock


def _begin(ledger: SqlLedger, operation_id: str = "op-000001", tenant: str = "acme") -> None:
    ledger.begin_operation(operation_id, "apply", tenant, "sandbox", {"zones": ["a", "b"], "ring": 2})


def test_the_first_payload_stays(ledger: SqlLedger) -> None:
    _begin(ledger)
    again = ledger.begin_operation("op-000001", "apply", "acme", "sandbox", {"ring": 3})
    assert again.payload == {"zones": ["a", "b"], "ring": 2}
    assert again.status is OperationStatus.RUNNING


def test_steps_keep_their_order_attempts_and_results(ledger: SqlLedger, clock: FakeClock) -> None:
    _begin(ledger)
    ledger.record_step("op-000001", "stack", StepStatus.STARTED)
    ledger.record_step("op-000001", "stack", StepStatus.FAILED, error="no capacity")
    clock.sleep(5)
    ledger.record_step("op-000001", "stack", StepStatus.STARTED)
    clock.sleep(2)
    ledger.record_step("op-000001", "stack", StepStatus.DONE, result={"resources": 21})
    ledger.record_step("op-000001", "health", StepStatus.STARTED)
    operation = ledger.operation("op-000001")
    assert operation is not None
    stack, health = operation.steps
    assert (stack.name, stack.attempts, stack.status, stack.error) == ("stack", 2, StepStatus.DONE, None)
    assert stack.result == {"resources": 21}
    assert stack.ended_at is not None
    assert (stack.ended_at - stack.started_at).total_seconds() == 2
    assert (health.name, health.attempts, health.status, health.ended_at) == ("health", 1, StepStatus.STARTED, None)


def test_an_end_is_recorded_and_taken_back(ledger: SqlLedger, clock: FakeClock) -> None:
    _begin(ledger)
    ledger.set_operation("op-000001", OperationStatus.FAILED, error="broken", hint="mend it")
    failed = ledger.operation("op-000001")
    assert failed is not None
    assert (failed.status, failed.error, failed.hint, failed.ended_at) == ("failed", "broken", "mend it", clock.now())
    ledger.set_operation("op-000001", OperationStatus.RUNNING)
    running = ledger.operation("op-000001")
    assert running is not None
    assert (running.status, running.error, running.hint, running.ended_at) == ("running", None, None, None)


def test_lists_are_newest_first_and_filtered(ledger: SqlLedger, clock: FakeClock) -> None:
    for number, tenant in enumerate(["acme", "globex", "acme"]):
        _begin(ledger, f"op-00000{number}", tenant)
        clock.sleep(1)
    ledger.set_operation("op-000000", OperationStatus.FAILED, error="broken")
    assert [o.id for o in ledger.operations()] == ["op-000002", "op-000001", "op-000000"]
    assert [o.id for o in ledger.operations(tenant="acme")] == ["op-000002", "op-000000"]
    assert [o.id for o in ledger.operations(statuses=[OperationStatus.FAILED])] == ["op-000000"]
    assert [o.id for o in ledger.operations(limit=1)] == ["op-000002"]


def test_a_prefix_finds_one_operation(ledger: SqlLedger) -> None:
    _begin(ledger, "18f2a%3b_c1")
    _begin(ledger, "18f2a%3b_d2")
    found = ledger.operation("18f2a%3b_c")
    assert found is not None
    assert found.id == "18f2a%3b_c1"
    assert ledger.operation("18f2a") is None, "too short to be meant"
    assert ledger.operation("18f2a_3b_") is None, "wildcards are plain characters"
    with pytest.raises(UsageError, match=r"18f2a%3b_c1, 18f2a%3b_d2"):
        ledger.operation("18f2a%3b")


def test_unknown_operations_are_refused(ledger: SqlLedger) -> None:
    assert ledger.operation("op-missing") is None
    with pytest.raises(UsageError, match="no operation op-missing"):
        ledger.set_operation("op-missing", OperationStatus.SUCCEEDED)
    with pytest.raises(UsageError, match="no operation op-missing"):
        ledger.record_step("op-missing", "stack", StepStatus.STARTED)
    _begin(ledger)
    with pytest.raises(UsageError, match="ended before it was started"):
        ledger.record_step("op-000001", "stack", StepStatus.DONE)


def test_secrets_are_refused_and_nothing_is_written(ledger: SqlLedger) -> None:
    payload: JsonDict = {"database": {"password": "hunter2hunter2"}}
    with pytest.raises(ProvisionError, match=r"payload\.database\.password: its name says"):
        ledger.begin_operation("op-000001", "apply", "acme", "sandbox", payload)
    assert ledger.operation("op-000001") is None
    _begin(ledger)
    ledger.record_step("op-000001", "stack", StepStatus.STARTED)
    with pytest.raises(ProvisionError) as caught:
        ledger.record_step("op-000001", "stack", StepStatus.DONE, result={"answers": [{"SecretString": "hunter2"}]})
    assert "hunter2" not in str(caught.value)
    operation = ledger.operation("op-000001")
    assert operation is not None
    assert operation.steps[0].status is StepStatus.STARTED
