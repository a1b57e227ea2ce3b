"""Transactions of the ledger, with errors translated once and migrations done at the door.

There is one writer at a time. Writes take milliseconds and operations minutes, so nobody queues for long, and the
journal's chain, leases and lifecycle need no further locking.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from provisioner.ledger.backends import backend
from provisioner.ledger.schema import HEAD


class Database:
    """One open ledger. Safe from many threads; every transaction has a connection of its own."""

    def __init__(self, url: str) -> None:
        self._backend = backend(url)
        self.name = self._backend.name
        with self.read() as connection:
            current = _revision(connection)
        if current != HEAD:
            from provisioner.ledger import migrate

            with self.write() as connection:
                migrate.upgrade(connection, _revision(connection), self.name)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one moment and changes nothing."""
        with self._translated(), self._backend.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that is the only writer; rolled back when its body raises."""
        with self._translated(), self._backend.write() as connection:
            yield connection

    def check_pages(self) -> None:
        """Raise ProvisionError where the storage is damaged."""
        with self._translated():
            self._backend.check_pages()

    def close(self) -> None:
        """Close all connections."""
        self._backend.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as e:
            text = str(getattr(e, "orig", None) or e).strip().partition("\n")[0]
            raise self._backend.error(text) from e


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)
