"""What the parts of the ledger have in common: the database, the clock, and the journal that each write joins."""

import hashlib
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.ledger.database import Database
from provisioner.ledger.schema import journal, to_text
from provisioner.model.clock import Clock
from provisioner.model.errors import UsageError
from provisioner.model.json import JsonDict, canonical

FIRST = "0" * 64
"""`previous` of the first entry."""

_SHORTEST_PREFIX = 6


class Records:
    """Base of the parts. A write takes one transaction, and its line in the journal is in the same one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def _now(self) -> datetime:
        return self._clock.now()

    def _append(
        self, connection: sa.Connection, kind: str, detail: JsonDict, *, tenant: str | None, operation_id: str | None
    ) -> None:
        """One more line of the journal. The caller's transaction is the only writer, so the chain can't fork."""
        last = connection.execute(
            sa.select(journal.c.number, journal.c.hash).order_by(journal.c.number.desc()).limit(1)
        )
        number, previous = last.one_or_none() or (0, FIRST)
        entry: dict[str, Any] = {
            "number": number + 1,
            "at": self._now(),
            "tenant": tenant,
            "operation_id": operation_id,
            "kind": kind,
            "detail": detail,
            "previous": previous,
        }
        connection.execute(sa.insert(journal).values(**entry, hash=entry_hash(entry)))


def entry_hash(entry: dict[str, Any]) -> str:
    """SHA-256 over the canonical JSON of all other columns, `previous` among them."""
    return hashlib.sha256(canonical(entry | {"at": to_text(entry["at"])}).encode()).hexdigest()


def by_prefix(connection: sa.Connection, table: sa.Table, given: str, things: str, hint: str) -> sa.RowMapping | None:
    """The row whose id is `given`, or else begins with it, where that has 6 characters or more. Raises UsageError,
    with `things` in its words and the command `hint`, where several do."""
    query = sa.select(table).order_by(table.c.id)
    row = connection.execute(query.where(table.c.id == given)).mappings().one_or_none()
    if row is not None or len(given) < _SHORTEST_PREFIX:
        return row
    rows = connection.execute(query.where(table.c.id.startswith(given, autoescape=True)).limit(5)).mappings().all()
    if len(rows) > 1:
        raise UsageError(
            f"{given} is the beginning of several {things}: " + ", ".join(r["id"] for r in rows),
            hint=f"give more of the id; {hint}",
        )
    return rows[0] if rows else None
