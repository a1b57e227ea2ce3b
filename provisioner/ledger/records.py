"""What the parts of the ledger have in common: the database, the clock, and the journal that each write joins."""

import hashlib
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.ledger.database import Database
from provisioner.ledger.schema import journal, to_text
from provisioner.model.clock import Clock
from provisioner.model.json import JsonDict, canonical

FIRST = "0" * 64
"""`previous` of the first entry."""


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
