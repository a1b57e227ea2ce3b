"""An installation whose commands share a ledger on PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.forks import Forked
from tests.unit.ledger.postgres import server


class Shared(Forked):
    """Its ledger is at this URL."""

    def __init__(self, folder: Path, url: str) -> None:
        self._url = url
        super().__init__(folder)

    def environment(self, **more: str) -> dict[str, str]:
        """Of a command."""
        return super().environment(PROVISION_LEDGER=self._url, **more)


@contextmanager
def on_postgresql(folder: Path) -> Iterator[Shared]:
    """One in this folder, with a PostgreSQL of its own, until the body ends."""
    with server() as socket:
        with psycopg.connect(f"postgresql://postgres@/postgres?host={socket}", autocommit=True) as connection:
            connection.execute("CREATE DATABASE ledger")
        made = Shared(folder, f"postgresql://postgres@/ledger?host={socket}")
        try:
            yield made
        finally:
            made.end()
