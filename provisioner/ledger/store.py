"""The door of the ledger."""

from provisioner.ledger.database import Database
from provisioner.ledger.evidence import EvidenceRecords
from provisioner.ledger.journal import JournalRecords
from provisioner.ledger.notices import NoticeRecords
from provisioner.ledger.operations import OperationRecords
from provisioner.ledger.points import PointRecords
from provisioner.ledger.rollouts import RolloutRecords
from provisioner.ledger.tenants import TenantRecords
from provisioner.model.clock import Clock


class SqlLedger(
    OperationRecords,
    PointRecords,
    RolloutRecords,
    TenantRecords,
    EvidenceRecords,
    JournalRecords,
    NoticeRecords,
):
    """The port `Ledger` on SQLite or PostgreSQL."""

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


def open_ledger(url: str, clock: Clock) -> SqlLedger:
    """Open the ledger at `url`, make or migrate it where needed.

    `sqlite:////absolute/path` (the file is made, 0600) or `postgresql://user@host/database` (a database of its own).
    Raises UsageError for another address, ProvisionError for a ledger that is damaged, out of reach, or newer than
    this program.
    """
    return SqlLedger(Database(url), clock)
