"""Tenants as decided and as observed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.ledger import glance, schema
from provisioner.ledger.glance import read_tenants
from provisioner.ledger.store import SqlLedger, open_ledger
from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.ledger import Fact
from provisioner.model.lifecycle import Lifecycle
from tests.unit.ledger.conftest import FakeClock


def test_a_tenants_record(ledger: SqlLedger, clock: FakeClock) -> None:
    assert ledger.tenant("acme") is None
    ledger.ensure_tenant("acme", "sandbox")
    ledger.set_lifecycle("acme", Lifecycle.PROVISIONING)
    ledger.set_lifecycle("acme", Lifecycle.PROVISIONING)
    ledger.assign_release("acme", "1.0.0")
    clock.sleep(3)
    ledger.set_lifecycle("acme", Lifecycle.FAILED, cause="no capacity")
    ledger.set_applied("acme", "d" * 64)
    record = ledger.ensure_tenant("acme", "elsewhere")
    assert record == ledger.tenant("acme")
    assert (record.target, record.lifecycle, record.cause) == ("sandbox", Lifecycle.FAILED, "no capacity")
    assert (record.assigned_release, record.applied_digest) == ("1.0.0", "d" * 64)
    assert record.updated_at == clock.now()
    ledger.set_lifecycle("acme", Lifecycle.PROVISIONING)
    ledger.set_applied("acme", None)
    record = ledger.ensure_tenant("acme", "sandbox")
    assert (record.cause, record.applied_digest) == (None, None)


def test_illegal_transitions_are_refused(ledger: SqlLedger) -> None:
    ledger.ensure_tenant("acme", "sandbox")
    with pytest.raises(RefusedError, match="acme is requested and can't become active"):
        ledger.set_lifecycle("acme", Lifecycle.ACTIVE)


def test_a_retired_tenant_starts_again_from_nothing(ledger: SqlLedger) -> None:
    ledger.ensure_tenant("acme", "sandbox")
    ledger.assign_release("acme", "1.0.0")
    ledger.observe("acme", "url", {"url": "http://127.0.0.1:8080"})
    ledger.set_lifecycle("acme", Lifecycle.OFFBOARDING)
    ledger.set_lifecycle("acme", Lifecycle.RETIRED)
    record = ledger.ensure_tenant("acme", "aws")
    assert (record.lifecycle, record.target, record.assigned_release) == (Lifecycle.REQUESTED, "aws", None)
    assert record.facts == {}


def test_the_newest_fact_counts(ledger: SqlLedger, clock: FakeClock) -> None:
    ledger.ensure_tenant("acme", "sandbox")
    assert ledger.fact("acme", "health") is None
    ledger.observe("acme", "health", {"status": "healthy"})
    ledger.observe("acme", "health", {"status": "unhealthy"}, clock.now() - timedelta(seconds=1))
    assert ledger.fact("acme", "health") == Fact({"status": "healthy"}, clock.now())
    clock.sleep(1)
    ledger.observe("acme", "health", {"status": "unreachable"})
    record = ledger.tenant("acme")
    assert record is not None
    assert record.facts == {"health": Fact({"status": "unreachable"}, clock.now())}


def test_unknown_tenants_are_refused(ledger: SqlLedger) -> None:
    changes: tuple[Callable[[], None], ...] = (
        lambda: ledger.set_lifecycle("acme", Lifecycle.ACTIVE),
        lambda: ledger.assign_release("acme", "1.0.0"),
        lambda: ledger.set_applied("acme", None),
        lambda: ledger.observe("acme", "url", {}),
    )
    for change in changes:
        with pytest.raises(UsageError, match="the ledger has no tenant acme"):
            change()


def test_all_tenants_by_id_and_at_a_glance(ledger: SqlLedger, url: str) -> None:
    for tenant in ("globex", "acme", "initech"):
        ledger.ensure_tenant(tenant, "sandbox")
    ledger.observe("globex", "url", {"url": "http://127.0.0.1:8080"})
    ledger.observe("globex", "stack", {"resources": 21})
    records = ledger.tenants()
    assert [r.id for r in records] == ["acme", "globex", "initech"]
    assert sorted(records[1].facts) == ["stack", "url"]
    assert read_tenants(url) == (records if url.startswith("sqlite") else None)


def test_a_glance_tells_when_it_can_not(tmp_path: Path, clock: FakeClock) -> None:
    assert glance.REVISION == schema.HEAD, "a migration must look at the queries of glance.py too"
    path = tmp_path / "ledger.db"
    assert read_tenants(f"sqlite:///{path}") is None
    assert not path.exists()
    path.write_bytes(b"no database at all" * 100)
    assert read_tenants(f"sqlite:///{path}") is None
    path.unlink()
    ledger = open_ledger(f"sqlite:///{path}", clock)
    assert read_tenants(f"sqlite:///{path}") == []
    with ledger._database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert read_tenants(f"sqlite:///{path}") is None
    ledger.close()
