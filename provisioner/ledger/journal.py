"""The append-only journal, chained by hash.

The chain shows an edit or a removal in the middle. It can't show that its newest lines were cut off: keep the newest
hash elsewhere (a backup, a mail) where that matters.
"""

from typing import Any

import sqlalchemy as sa

from provisioner.ledger.records import FIRST, Records, entry_hash
from provisioner.ledger.schema import journal
from provisioner.model.errors import ProvisionError
from provisioner.model.ledger import JournalEntry

_BATCH = 1000


class JournalRecords(Records):
    """Reading and checking; writing is part of every other write."""

    def journal(self, *, tenant: str | None = None, limit: int = 100) -> list[JournalEntry]:
        """Newest first."""
        query = sa.select(journal).order_by(journal.c.number.desc()).limit(limit)
        if tenant is not None:
            query = query.where(journal.c.tenant == tenant)
        with self._database.read() as connection:
            return [JournalEntry(**row) for row in connection.execute(query).mappings()]

    def verify_journal(self) -> None:
        """Check the database's pages and walk the whole chain. Raises ProvisionError naming the first bad entry."""
        self._database.check_pages()
        query = sa.select(journal).order_by(journal.c.number)
        with self._database.read() as connection:
            rows = connection.execution_options(yield_per=_BATCH).execute(query).mappings()
            number, previous = 1, FIRST
            while True:
                try:
                    row = next(rows, None)
                    if row is None:
                        return
                    fits = _fits(dict(row), number, previous)
                except ValueError:  # a time or a detail that isn't one any more
                    row, fits = None, False
                if row is None or not fits:
                    raise ProvisionError(
                        f"{self._database.name} was tampered with: journal entry {number} is missing or changed",
                        hint="restore the last backup of the ledger, and find out who had access",
                    )
                number, previous = number + 1, row["hash"]


def _fits(entry: dict[str, Any], number: int, previous: str) -> bool:
    digest = entry.pop("hash")
    return (entry["number"], entry["previous"], digest) == (number, previous, entry_hash(entry))
