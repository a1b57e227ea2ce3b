"""Brings the database to the release's schema. One runs at a time; each step is all there or not at all."""

import sys
import time

import psycopg

from notes.database import Database, UnavailableError
from notes.schema import MIGRATIONS
from notes.settings import load

_LOCK = 0x6E6F746573  # "notes"
_PATIENCE = 60.0


def migrate() -> int:
    """Exit code: 0 when the schema is this release's or newer, 1 with the reason on stderr."""
    database = Database(load())
    try:
        version = _migrate(database)
    except (UnavailableError, psycopg.Error) as error:
        print(f"migrate: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    finally:
        database.close()
    print(f"schema_version={version}")  # noqa: T201 - a command's output
    return 0


def schema_version(connection: psycopg.Connection) -> int:
    """The version that the database has; 0 for an empty one."""
    if connection.execute("SELECT to_regclass('schema_migrations')").fetchone() == (None,):
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone()
    return int(row[0]) if row else 0


def _migrate(database: Database) -> int:
    _wait(database)
    version = 0
    for number, step in enumerate(MIGRATIONS, start=1):
        with database.connection() as connection:
            # Ends with the transaction, so a migration that was killed leaves no lock behind.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            version = schema_version(connection)
            if version >= number:
                continue
            # Waiting for a lock stops everybody who comes after; the work itself may take its time.
            connection.execute("SET LOCAL lock_timeout = '3s'")
            connection.execute("SET LOCAL statement_timeout = 0")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations ("
                "version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
            connection.execute(step)
            connection.execute("INSERT INTO schema_migrations (version) VALUES (%s)", [number])
            version = number
    return version


def _wait(database: Database) -> None:
    """The password, the role or the database may be a moment late."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            with database.connection():
                return
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
