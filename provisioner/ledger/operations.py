"""Operations and their steps."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from provisioner.ledger.guard import refuse_secrets
from provisioner.ledger.leases import LeaseRecords
from provisioner.ledger.records import by_prefix
from provisioner.ledger.schema import operation_steps, operations
from provisioner.model.errors import UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Lease, Operation, OperationStatus, OperationStep, StepStatus

_JOURNALLED_ERROR = 500


class OperationRecords(LeaseRecords):
    """What was asked for, how far it came, and how it ended."""

    def begin_operation(
        self, operation_id: str, kind: str, tenant: str, target: str, payload: JsonDict, *, queued: bool = False
    ) -> Operation:
        """Record an intent. The same id again returns what is there. `queued`: another process shall begin it."""
        refuse_secrets(payload, "payload")
        with self._database.write() as connection:
            if _find(connection, operation_id) is None:
                row = {"id": operation_id, "kind": kind, "tenant": tenant, "target": target, "payload": payload}
                status = OperationStatus.QUEUED if queued else OperationStatus.RUNNING
                values = {**row, "status": status, "started_at": self._now()}
                connection.execute(sa.insert(operations).values(**values))
                detail: JsonDict = {"kind": kind, "target": target}
                self._append(connection, "operation-begun", detail, tenant=tenant, operation_id=operation_id)
            return _with_steps(connection, _require(connection, operation_id))

    def operation(self, operation_id: str) -> Operation | None:
        """One operation with its steps, by id or by a prefix of 6 characters or more. Raises UsageError where the
        prefix fits several."""
        with self._database.read() as connection:
            row = by_prefix(connection, operations, operation_id, "operations", "provision operations list")
            return None if row is None else _with_steps(connection, row)

    def operations(
        self,
        *,
        tenant: str | None = None,
        statuses: Sequence[OperationStatus] = (),
        kinds: Sequence[str] = (),
        limit: int = 50,
    ) -> list[Operation]:
        """Newest first, without their steps."""
        query = sa.select(operations).order_by(operations.c.started_at.desc(), operations.c.id.desc()).limit(limit)
        if tenant is not None:
            query = query.where(operations.c.tenant == tenant)
        if statuses:
            query = query.where(operations.c.status.in_(statuses))
        if kinds:
            query = query.where(operations.c.kind.in_(kinds))
        with self._database.read() as connection:
            return [_operation(row) for row in connection.execute(query).mappings()]

    def record_step(
        self,
        operation_id: str,
        step: str,
        status: StepStatus,
        *,
        result: JsonDict | None = None,
        error: str | None = None,
        lease: Lease | None = None,
    ) -> None:
        """`STARTED` again counts an attempt. With `lease`: raises LeaseLostError where it isn't the newest any more."""
        refuse_secrets(result, f"result of {step}")
        key = (operation_steps.c.operation_id == operation_id) & (operation_steps.c.name == step)
        values: dict[str, Any] = {"status": status, "error": error, "result": result or {}}
        with self._database.write() as connection:
            self._fence(connection, lease)
            operation = _require(connection, operation_id)
            attempts = connection.execute(sa.select(operation_steps.c.attempts).where(key)).scalar() or 0
            if status is StepStatus.STARTED:
                attempts += 1
                values |= {"attempts": attempts, "started_at": self._now(), "ended_at": None}
            else:
                values["ended_at"] = self._now()
            if attempts <= 1 and status is StepStatus.STARTED:
                count = sa.select(sa.func.count()).where(operation_steps.c.operation_id == operation_id)
                values |= {"operation_id": operation_id, "name": step, "position": connection.execute(count).scalar()}
                connection.execute(sa.insert(operation_steps).values(**values))
            elif connection.execute(sa.update(operation_steps).where(key).values(**values)).rowcount == 0:
                raise UsageError(f"step {step} of operation {operation_id} ended before it was started")
            detail: JsonDict = {"step": step, "attempt": attempts, **_short(error)}
            tenant = operation["tenant"]
            self._append(connection, f"step-{status}", detail, tenant=tenant, operation_id=operation_id)

    def set_operation(
        self,
        operation_id: str,
        status: OperationStatus,
        *,
        error: str | None = None,
        hint: str | None = None,
        lease: Lease | None = None,
    ) -> None:
        """End an operation, or set it running again. With `lease`: raises LeaseLostError as `record_step` does."""
        ended = None if status is OperationStatus.RUNNING else self._now()
        with self._database.write() as connection:
            self._fence(connection, lease)
            tenant = _require(connection, operation_id)["tenant"]
            values = {"status": status, "error": error, "hint": hint, "ended_at": ended}
            connection.execute(sa.update(operations).where(operations.c.id == operation_id).values(**values))
            detail = _short(error)
            self._append(connection, f"operation-{status}", detail, tenant=tenant, operation_id=operation_id)


def _find(connection: sa.Connection, operation_id: str) -> sa.RowMapping | None:
    return connection.execute(sa.select(operations).where(operations.c.id == operation_id)).mappings().one_or_none()


def _require(connection: sa.Connection, operation_id: str) -> sa.RowMapping:
    row = _find(connection, operation_id)
    if row is None:
        raise UsageError(f"there is no operation {operation_id}", hint="provision operations list")
    return row


def _with_steps(connection: sa.Connection, row: sa.RowMapping) -> Operation:
    query = sa.select(operation_steps).where(operation_steps.c.operation_id == row["id"])
    rows = connection.execute(query.order_by(operation_steps.c.position)).mappings()
    return _operation(row, tuple(_step(r) for r in rows))


def _operation(row: sa.RowMapping, steps: tuple[OperationStep, ...] = ()) -> Operation:
    return Operation(**{**row, "status": OperationStatus(row["status"]), "steps": steps})


def _step(row: sa.RowMapping) -> OperationStep:
    fields = {k: v for k, v in row.items() if k not in {"operation_id", "position"}}
    return OperationStep(**{**fields, "status": StepStatus(row["status"])})


def _short(error: str | None) -> JsonDict:
    return {} if error is None else {"error": error[:_JOURNALLED_ERROR]}
