"""Evidence: lines of the journal that prove something, so that nobody edits them and the chain covers them."""

import sqlalchemy as sa

from provisioner.ledger.guard import refuse_secrets
from provisioner.ledger.records import Records
from provisioner.ledger.schema import journal
from provisioner.model.json import JsonDict
from provisioner.model.recovery import Evidence

_PREFIX = "evidence:"


class EvidenceRecords(Records):
    """Drills, retirements: the journal's kind is `evidence:KIND`, its detail the body."""

    def add_evidence(self, tenant: str, kind: str, body: JsonDict, *, operation_id: str) -> Evidence:
        """Append a record. The same kind, operation and body again (a step that ran twice) returns what is there."""
        refuse_secrets(body, f"evidence {kind}")
        same = sa.select(journal).where(
            journal.c.tenant == tenant,
            journal.c.kind == _PREFIX + kind,
            journal.c.operation_id == operation_id,
            journal.c.detail == body,
        )
        with self._database.write() as connection:
            row = connection.execute(same).mappings().one_or_none()
            if row is None:
                self._append(connection, _PREFIX + kind, body, tenant=tenant, operation_id=operation_id)
                row = connection.execute(same).mappings().one()
            return _evidence(row)

    def evidence(self, *, tenant: str | None = None, kind: str | None = None, limit: int = 50) -> list[Evidence]:
        """Newest first."""
        kinds = journal.c.kind.startswith(_PREFIX) if kind is None else journal.c.kind == _PREFIX + kind
        query = sa.select(journal).where(kinds).order_by(journal.c.number.desc()).limit(limit)
        if tenant is not None:
            query = query.where(journal.c.tenant == tenant)
        with self._database.read() as connection:
            return [_evidence(row) for row in connection.execute(query).mappings()]


def _evidence(row: sa.RowMapping) -> Evidence:
    kind = row["kind"].removeprefix(_PREFIX)
    return Evidence(row["number"], row["at"], row["tenant"], kind, row["detail"], row["hash"])
