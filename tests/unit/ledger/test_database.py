"""Opening, migrating, and what goes wrong with databases."""

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from provisioner.ledger import backends, database, migrate
from provisioner.ledger.schema import HEAD, metadata
from provisioner.ledger.store import SqlLedger, open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.errors import ProvisionError, UsageError
from tests.unit.ledger.conftest import FakeClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "ledger.db"


def _open(path: Path) -> SqlLedger:
    return open_ledger(f"sqlite:///{path}", SystemClock())


def test_migrations_build_what_the_code_uses(ledger: SqlLedger) -> None:
    with ledger._database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD


@pytest.mark.parametrize("revision", ["0001", "0002", "0003"])
def test_a_ledger_of_an_earlier_revision_is_migrated_and_keeps_what_it_holds(
    url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, revision: str
) -> None:
    with monkeypatch.context() as then:
        then.setattr(database, "HEAD", revision)
        then.setattr(migrate, "HEAD", revision)
        old = open_ledger(url, clock)
        assert _revision(old) == revision
        old.ensure_tenant("acme", "sandbox")
        old.observe("acme", "url", {"url": "http://127.0.0.1:8080"})
        old.begin_operation("op-000001", "apply", "acme", "sandbox", {"ring": 2})
        tenants, journal = old.tenants(), old.journal()
        with pytest.raises(ProvisionError):
            old.notices()
        old.close()
    ledger = open_ledger(url, clock)
    assert _revision(ledger) == HEAD
    assert (ledger.tenants(), ledger.journal()) == (tenants, journal)
    assert (ledger.points(deleted=True), ledger.rollouts(), ledger.notices()) == ([], [], [])
    ledger.add_evidence("acme", "drill", {"verdict": "passed"}, operation_id="op-000001")
    ledger.verify_journal()
    with pytest.raises(ProvisionError, match="append-only"), ledger._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM journal")
    ledger.close()
    again = open_ledger(url, clock)
    assert [e.number for e in again.journal()] == [3, 2, 1]
    again.close()


def _revision(ledger: SqlLedger) -> object:
    with ledger._database.read() as connection:
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def test_a_newer_ledger_is_refused(ledger: SqlLedger, url: str) -> None:
    with ledger._database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(ProvisionError, match=r"written by a newer provision \(revision 9999\)") as caught:
        open_ledger(url, SystemClock())
    assert caught.value.hint == "install the newer version of provision"


def test_the_file_is_its_owners_alone(path: Path) -> None:
    ledger = _open(path)
    ledger.ensure_tenant("acme", "sandbox")
    assert {p.name: oct(p.stat().st_mode & 0o777) for p in path.parent.iterdir()} == {
        "ledger.db": "0o600",
        "ledger.db-wal": "0o600",
        "ledger.db-shm": "0o600",
    }
    assert path.parent.stat().st_mode & 0o777 == 0o700
    ledger.close()


@pytest.mark.parametrize("damage", ["truncated", "overwritten", "no database"])
def test_a_damaged_file_is_refused_and_kept(path: Path, damage: str) -> None:
    ledger = _open(path)
    for number in range(200):
        ledger.ensure_tenant(f"t{number}", "sandbox")
    ledger.close()
    content = path.read_bytes()
    broken = {
        "truncated": content[: len(content) // 2],
        "overwritten": content[:12288] + b"\xa5" * (len(content) - 16384) + content[-4096:],
        "no database": b"\xa5" * len(content),
    }[damage]
    path.write_bytes(broken)
    with pytest.raises(ProvisionError, match=r"is damaged \(.*\); nothing was changed") as caught:
        _open(path).ensure_tenant("another", "sandbox")
    assert caught.value.hint == f"keep {path} aside and restore its last backup"
    assert path.read_bytes() == broken


def test_a_locked_file_says_who_to_look_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_BUSY_SECONDS", 0.1)
    ledger = _open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ProvisionError, match="was locked by another process") as caught:
        ledger.ensure_tenant("acme", "sandbox")
    assert caught.value.hint == f"see who holds it: fuser {path}"
    assert ledger.tenants() == [], "readers go on"
    other.execute("ROLLBACK")
    ledger.ensure_tenant("acme", "sandbox")
    other.close()
    ledger.close()


def test_a_full_disk_is_loud_and_passes(path: Path) -> None:
    ledger = _open(path)
    ledger.ensure_tenant("acme", "sandbox")
    with ledger._database.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ProvisionError, match="can't be written: database or disk is full") as caught:
        ledger.observe("acme", "big", {"text": "x" * 500_000})
    assert caught.value.hint is not None
    assert "run the same command again" in caught.value.hint
    with ledger._database.read() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    ledger.observe("acme", "big", {"text": "x" * 500_000})
    ledger.verify_journal()
    ledger.close()


def test_a_place_that_can_not_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProvisionError, match="can't open the ledger"):
        _open(tmp_path / "file" / "ledger.db")


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "nonsense hunter2", "sqlite://", "postgresql://u:hunter2@h"])
def test_other_addresses_are_refused_without_showing_them(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_ledger(url, SystemClock())
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


def test_a_server_out_of_reach_is_named_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match=r"the ledger postgresql://ops@127.0.0.1:1/ledger failed") as caught:
        open_ledger("postgresql://ops:hunter2@127.0.0.1:1/ledger", SystemClock())
    assert "hunter2" not in str(caught.value)


def test_many_threads_write_at_once(ledger: SqlLedger) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for round_ in range(5):
                ledger.ensure_tenant(f"t{number}", "sandbox")
                ledger.observe(f"t{number}", "stack", {"round": round_})
        except BaseException as e:  # noqa: BLE001 - shown by the assertion
            failures.append(e)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(ledger.tenants()) == 40
    ledger.verify_journal()


def test_the_light_path_imports_neither_alembic_nor_the_orm(path: Path) -> None:
    _open(path).close()
    code = (
        "import sys; from provisioner.ledger.store import open_ledger; "
        "from provisioner.model.clock import SystemClock; "
        f"open_ledger('sqlite:///{path}', SystemClock()).tenants(); "
        "print([m for m in ('alembic', 'sqlalchemy.orm', 'psycopg', 'dbos') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_sqlalchemy_errors_never_show_parameters(ledger: SqlLedger) -> None:
    with pytest.raises(ProvisionError) as caught, ledger._database.read() as connection:
        connection.execute(sa.text("SELECT no_such_column FROM tenants WHERE id = :id"), {"id": "hunter2"})
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"
