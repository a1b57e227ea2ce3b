"""Evidence: lines of the journal, appended once, found again, and not to be changed unseen."""

from datetime import timedelta

import pytest

from provisioner.ledger.store import SqlLedger
from provisioner.model.errors import ProvisionError
from provisioner.model.json import JsonDict
from provisioner.model.recovery import Evidence
from tests.unit.ledger.conftest import FakeClock
from tests.unit.ledger.tampering import without_triggers

BODY: JsonDict = {
    "point": "acme-20261125-0200-a1b2c3",
    "verdict": "passed",
    "seconds": {"restore": 12.5, "größe": 0.1},
    "checks": [{"name": "sentinel", "passed": True}, {"name": "floors", "passed": None}],
}


def test_evidence_is_a_line_of_the_journal(ledger: SqlLedger, clock: FakeClock) -> None:
    ledger.ensure_tenant("acme", "sandbox")
    made = ledger.add_evidence("acme", "drill", BODY, operation_id="op-000001")
    entry = next(iter(ledger.journal()))
    assert made == Evidence(2, clock.now(), "acme", "drill", dict(BODY), entry.hash)
    assert (entry.kind, entry.detail, entry.operation_id) == ("evidence:drill", BODY, "op-000001")
    assert ledger.evidence() == [made]
    ledger.verify_journal()


def test_the_same_again_returns_what_is_there(ledger: SqlLedger, clock: FakeClock) -> None:
    made = ledger.add_evidence("acme", "drill", BODY, operation_id="op-000001")
    clock.sleep(60)
    turned = dict(reversed(BODY.items()))
    assert ledger.add_evidence("acme", "drill", turned, operation_id="op-000001") == made
    assert [e.number for e in ledger.journal()] == [1]
    others = [
        ledger.add_evidence("acme", "drill", BODY | {"verdict": "failed"}, operation_id="op-000001"),
        ledger.add_evidence("acme", "drill", BODY, operation_id="op-000002"),
        ledger.add_evidence("acme", "retirement", BODY, operation_id="op-000001"),
    ]
    assert [e.number for e in others] == [2, 3, 4]


def test_it_is_read_newest_first_by_tenant_and_kind(ledger: SqlLedger, clock: FakeClock) -> None:
    ledger.ensure_tenant("acme", "sandbox")
    for number, (tenant, kind) in enumerate([("acme", "drill"), ("globex", "drill"), ("acme", "retirement")]):
        ledger.add_evidence(tenant, kind, {"number": number}, operation_id=f"op-00000{number}")
        clock.sleep(1)
    assert [e.body["number"] for e in ledger.evidence()] == [2, 1, 0]
    assert [e.body["number"] for e in ledger.evidence(tenant="acme")] == [2, 0]
    assert [e.body["number"] for e in ledger.evidence(kind="drill")] == [1, 0]
    assert [e.body["number"] for e in ledger.evidence(tenant="acme", kind="drill")] == [0]
    assert [e.body["number"] for e in ledger.evidence(limit=1)] == [2]
    assert ledger.evidence(kind="dri") == []
    assert [e.at - ledger.evidence(kind="drill")[1].at for e in ledger.evidence(kind="drill")] == [
        timedelta(seconds=1),
        timedelta(0),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        """UPDATE journal SET detail = replace(detail, '"failed"', '"passed"') WHERE number = 2""",
        "UPDATE journal SET kind = 'evidence:retirement' WHERE number = 2",
        "DELETE FROM journal WHERE number = 2",
    ],
)
def test_evidence_that_was_changed_is_found(ledger: SqlLedger, statement: str) -> None:
    ledger.add_evidence("acme", "drill", BODY, operation_id="op-000001")
    ledger.add_evidence("acme", "drill", {"verdict": "failed"}, operation_id="op-000002")
    ledger.add_evidence("acme", "drill", BODY, operation_id="op-000003")
    ledger.verify_journal()
    without_triggers(ledger, statement)
    with pytest.raises(ProvisionError, match="journal entry 2 is missing or changed"):
        ledger.verify_journal()


def test_secrets_are_refused_and_nothing_is_written(ledger: SqlLedger) -> None:
    body: JsonDict = {"checks": [{"name": "login", "password": "hunter2"}]}
    with pytest.raises(ProvisionError) as caught:
        ledger.add_evidence("acme", "drill", body, operation_id="op-000001")
    assert caught.value.message == (
        "refused to record evidence drill.checks[0].password: its name says that it is a secret"
    )
    assert ledger.journal() == []
