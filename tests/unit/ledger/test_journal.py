"""The journal: every change has its line, nobody edits it, and a tampered one is found."""

import subprocess
import sys
from datetime import timedelta

import pytest

from provisioner.ledger.holder import current_holder
from provisioner.ledger.store import SqlLedger, open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.errors import ProvisionError, RefusedError
from provisioner.model.ledger import OperationStatus, StepStatus
from provisioner.model.lifecycle import Lifecycle
from tests.unit.ledger.tampering import without_triggers


def _story(ledger: SqlLedger) -> None:
    lease = ledger.acquire_lease("acme", "op-000001", "a test", current_holder(), timedelta(seconds=60))
    ledger.begin_operation("op-000001", "new-tenant", "acme", "sandbox", {"größe": "groß"})
    ledger.ensure_tenant("acme", "sandbox")
    ledger.set_lifecycle("acme", Lifecycle.PROVISIONING, operation_id="op-000001")
    ledger.assign_release("acme", "1.0.0", operation_id="op-000001")
    ledger.record_step("op-000001", "stack", StepStatus.STARTED, lease=lease)
    ledger.record_step("op-000001", "stack", StepStatus.DONE, result={"resources": 3}, lease=lease)
    ledger.set_applied("acme", "0" * 64)
    ledger.set_operation("op-000001", OperationStatus.SUCCEEDED, lease=lease)
    ledger.release_lease(lease)


def test_every_change_has_its_line(ledger: SqlLedger) -> None:
    _story(ledger)
    entries = ledger.journal(tenant="acme")
    assert [e.number for e in entries] == list(range(10, 0, -1))
    assert [e.kind for e in reversed(entries)] == [
        "lease-acquired",
        "operation-begun",
        "tenant-requested",
        "lifecycle",
        "release-assigned",
        "step-started",
        "step-done",
        "applied",
        "operation-succeeded",
        "lease-released",
    ]
    assert entries[6].detail == {"from": "requested", "to": "provisioning"}
    assert entries[6].operation_id == "op-000001"
    assert [e.number for e in ledger.journal(limit=2)] == [10, 9]
    assert ledger.journal(tenant="globex") == []
    ledger.verify_journal()


def test_what_is_refused_leaves_no_line(ledger: SqlLedger) -> None:
    ledger.ensure_tenant("acme", "sandbox")
    with pytest.raises(RefusedError):
        ledger.set_lifecycle("acme", Lifecycle.ACTIVE)
    assert [e.kind for e in ledger.journal()] == ["tenant-requested"]


def test_an_empty_journal_is_sound(ledger: SqlLedger) -> None:
    ledger.verify_journal()


@pytest.mark.parametrize("statement", ["UPDATE journal SET kind = 'x'", "DELETE FROM journal WHERE number = 1"])
def test_the_database_itself_forbids_changes(ledger: SqlLedger, statement: str) -> None:
    _story(ledger)
    with pytest.raises(ProvisionError, match="the journal is append-only"), ledger._database.write() as connection:
        connection.exec_driver_sql(statement)
    ledger.verify_journal()


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("""UPDATE journal SET detail = '{"from":null,"to":"6.6.6"}' WHERE number = 5""", 5),
        ("UPDATE journal SET tenant = 'globex' WHERE number = 3", 3),
        ("UPDATE journal SET at = '2026-01-01T00:00:00.000000+00:00' WHERE number = 9", 9),
        ("UPDATE journal SET detail = 'no json' WHERE number = 4", 4),
        ("DELETE FROM journal WHERE number = 7", 7),
        ("UPDATE journal SET number = 11 WHERE number = 1", 1),
    ],
)
def test_tampering_is_found(ledger: SqlLedger, statement: str, first_bad: int) -> None:
    _story(ledger)
    without_triggers(ledger, statement)
    with pytest.raises(ProvisionError, match=rf"journal entry {first_bad} is missing or changed"):
        ledger.verify_journal()


_WRITER = """
import sys
from provisioner.ledger.store import open_ledger
from provisioner.model.clock import SystemClock
ledger = open_ledger(sys.argv[1], SystemClock())
for number in range(25):
    ledger.ensure_tenant(f"t{sys.argv[2]}-{number}", "sandbox")
"""


def test_four_processes_write_one_chain(url: str) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, url, str(n)]) for n in range(4)]
    assert [w.wait() for w in writers] == [0, 0, 0, 0]
    ledger = open_ledger(url, SystemClock())
    ledger.verify_journal()
    assert [e.number for e in ledger.journal(limit=500)] == list(range(100, 0, -1))
    ledger.close()
