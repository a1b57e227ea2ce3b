"""Recovery points: a row each, the newest record of it."""

from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from provisioner.ledger.leases import LeaseRecords
from provisioner.ledger.records import by_prefix
from provisioner.ledger.schema import recovery_points
from provisioner.model.errors import RefusedError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Lease
from provisioner.model.recovery import PointCopy, PointKind, PointStatus, RecoveryPoint, Verdict

_KNOWN = recovery_points.c


class PointRecords(LeaseRecords):
    """What can be restored, and what could once."""

    def save_point(self, point: RecoveryPoint, *, lease: Lease | None = None) -> None:
        """Keep a recovery point, in place of an earlier record of it. Deletion is final: of a deleted one the status
        stays, whatever a caller says that read it before. Raises RefusedError for an id that is another tenant's,
        LeaseLostError as `record_step` does."""
        values: dict[str, Any] = asdict(point)
        with self._database.write() as connection:
            self._fence(connection, lease)
            before = _find(connection, point.id)
            if before is None:
                connection.execute(sa.insert(recovery_points).values(**values))
            else:
                _check_owner(point, before["tenant"])
                if before["status"] == PointStatus.DELETED:
                    values["status"] = PointStatus.DELETED
                connection.execute(sa.update(recovery_points).where(_KNOWN.id == point.id).values(**values))
            if before is None or before["status"] != values["status"]:
                detail: JsonDict = {
                    "point": point.id,
                    "kind": point.kind,
                    "from": None if before is None else before["status"],
                }
                kind, operation_id = f"point-{values['status']}", point.operation_id
                self._append(connection, kind, detail, tenant=point.tenant, operation_id=operation_id)

    def point(self, point_id: str) -> RecoveryPoint | None:
        """One recovery point, by id or by a prefix of 6 characters or more. Raises UsageError where the prefix fits
        several."""
        with self._database.read() as connection:
            row = by_prefix(connection, recovery_points, point_id, "recovery points", "provision backup list")
            return None if row is None else _point(row)

    def points(self, *, tenant: str | None = None, deleted: bool = False) -> list[RecoveryPoint]:
        """Newest first; with `deleted` also those that are gone."""
        query = sa.select(recovery_points).order_by(_KNOWN.taken_at.desc(), _KNOWN.id.desc())
        if tenant is not None:
            query = query.where(_KNOWN.tenant == tenant)
        if not deleted:
            query = query.where(_KNOWN.status != PointStatus.DELETED)
        with self._database.read() as connection:
            return [_point(row) for row in connection.execute(query).mappings()]


def _find(connection: sa.Connection, point_id: str) -> sa.RowMapping | None:
    return connection.execute(sa.select(recovery_points).where(_KNOWN.id == point_id)).mappings().one_or_none()


def _check_owner(point: RecoveryPoint, owner: str) -> None:
    if point.tenant != owner:
        raise RefusedError(
            f"recovery point {point.id} is tenant {owner}'s, not {point.tenant}'s; nothing was recorded",
            hint="provision backup list",
        )


def _point(row: sa.RowMapping) -> RecoveryPoint:
    verdict = row["verdict"]
    typed = {
        "kind": PointKind(row["kind"]),
        "status": PointStatus(row["status"]),
        "copies": tuple(PointCopy(**copy) for copy in row["copies"]),
        "verdict": None if verdict is None else Verdict(verdict),
    }
    return RecoveryPoint(**{**row, **typed})
