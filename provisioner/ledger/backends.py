"""What differs between SQLite and PostgreSQL under the ledger: opening, locking, and what errors mean."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from provisioner.model.errors import ProvisionError, UsageError

_BUSY_SECONDS = 30
_WRITE_LOCK = 0x70726F76  # "prov": any constant that nobody else in this database uses


class Backend(Protocol):
    """One kind of database, opened."""

    name: str
    engine: sa.Engine

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that is the only writer of all threads, processes and hosts."""

    def check_pages(self) -> None:
        """Raise ProvisionError where the storage is damaged, as far as a client can see."""

    def error(self, text: str) -> ProvisionError:
        """What a driver's message means, and what to do."""


class Sqlite:
    """A file, 0600, in WAL mode on a local disk."""

    def __init__(self, url: sa.URL) -> None:
        self.path = Path(url.database or "")
        self.name = f"the ledger {self.path}"
        self._writer = Lock()
        self._sound = False
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600))
        except OSError as e:
            raise self._no_access(e.strerror or str(e)) from e
        self.engine = sa.create_engine(
            url,
            connect_args={"timeout": _BUSY_SECONDS},
            max_overflow=-1,  # a thread more costs a file handle; a queue of threads behind 15 would cost a timeout
            hide_parameters=True,
        )
        sa.event.listen(self.engine, "connect", _prepare)
        sa.event.listen(self.engine, "begin", _begin)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """`BEGIN IMMEDIATE`, behind a lock of this process: SQLite's own waiting sleeps and isn't fair."""
        with self._writer:
            if not self._sound:  # before the first write of a process, so that nothing is built upon damage
                self.check_pages()
                self._sound = True
            connection = self.engine.connect().execution_options(writes=True)
            with connection, connection.begin():
                yield connection

    def check_pages(self) -> None:
        """SQLite's own check of its file."""
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if found != "ok":
            raise self._damaged(" ".join(str(found).split()))

    def error(self, text: str) -> ProvisionError:
        """What SQLite's message means, and what to do."""
        low = text.lower()
        if "malformed" in low or "not a database" in low:
            return self._damaged(text)
        if "locked" in low or "busy" in low:
            message = f"{self.name} was locked by another process for {_BUSY_SECONDS} s"
            return ProvisionError(message, hint=f"see who holds it: fuser {self.path}")
        if "full" in low or "disk i/o" in low:
            hint = f"free some space (df {self.path.parent}), then run the same command again"
            return ProvisionError(f"{self.name} can't be written: {text}", hint=hint)
        if "unable to open" in low or "readonly" in low:
            return self._no_access(text)
        return ProvisionError(f"{self.name} failed: {text}", hint="provision doctor")

    def _damaged(self, detail: str) -> ProvisionError:
        return ProvisionError(
            f"{self.name} is damaged ({detail}); nothing was changed",
            hint=f"keep {self.path} aside and restore its last backup",
        )

    def _no_access(self, detail: str) -> ProvisionError:
        return ProvisionError(f"can't open {self.name}: {detail}", hint=f"ls -l {self.path}")


class Postgresql:
    """A database of its own on a server; several hosts may use it."""

    def __init__(self, url: sa.URL) -> None:
        shown = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database)
        self.name = f"the ledger {shown.render_as_string()}"
        self.engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": 10, "application_name": "provision"},
            pool_pre_ping=True,  # a worker outlives the database's restarts
            max_overflow=20,
            hide_parameters=True,
        )

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """An advisory lock to the transaction's end does what SQLite's write lock does: the chain never forks."""
        with self.engine.connect() as connection, connection.begin():
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITE_LOCK)))
            yield connection

    def check_pages(self) -> None:
        """The server checks its own pages."""

    def error(self, text: str) -> ProvisionError:
        """PostgreSQL's messages say it themselves."""
        return ProvisionError(f"{self.name} failed: {text}", hint="provision doctor")


def backend(url: str) -> Backend:
    """The backend that `url` names. Raises UsageError for any other address, without showing it: it may be secret."""
    try:
        parsed = sa.make_url(url)
    except SQLAlchemyError:
        parsed = None
    if parsed is not None and parsed.database:
        match parsed.get_backend_name():
            case "sqlite":
                return Sqlite(parsed)
            case "postgresql":
                return Postgresql(parsed)
    raise UsageError(
        "the ledger's address is neither sqlite:////absolute/path nor postgresql://user@host/database",
        hint="correct targets/<name>/ledger in the registry",
    )


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `_begin` does
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # an intent must survive a power cut
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: sa.Connection) -> Any:
    writes = connection.get_execution_options().get("writes")
    return connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
