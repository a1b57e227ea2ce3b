"""Rollouts and the steps of their tenants."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.ledger.guard import refuse_secrets
from provisioner.ledger.leases import LeaseRecords
from provisioner.ledger.records import by_prefix
from provisioner.ledger.schema import rollout_steps, rollouts
from provisioner.model.errors import LeaseHeldError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Lease
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.progress import Row, Wishes
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import MOVED, OVER, RolloutStatus, StepState, check_rollout, check_step

_AT_ONCE = 500
"""Values in one statement: SQLite and PostgreSQL both take more."""


class RolloutRecords(LeaseRecords):
    """The port `RolloutStore`. A tenant of a rollout that isn't over is in its step's `open`, which is unique: so the
    database itself keeps two rollouts from moving one tenant."""

    def begin_rollout(self, rollout_id: str, plan: RolloutPlan, by: str) -> RolloutRecord:
        """Record the intent, with its frozen plan. The same id again returns what is there. Raises LeaseHeldError where
        one of its tenants is in another rollout that isn't over, naming that and who started it."""
        raw = plan.json()
        refuse_secrets(raw, "plan")
        with self._database.write() as connection:
            if _find(connection, rollout_id) is None:
                self._refuse_shared(connection, list(plan.tenants))
                now = self._now()
                values: dict[str, Any] = {
                    "id": rollout_id,
                    "target": plan.target,
                    "release": plan.release,
                    "plan": raw,
                    "by": by,
                }
                values |= {"status": RolloutStatus.RUNNING, "started_at": now, "updated_at": now, "cause": ""}
                connection.execute(sa.insert(rollouts).values(**values, rollback=False, moves_channel=False))
                steps = [
                    {"rollout": rollout_id, "tenant": t, "position": n, "state": StepState.WAITING, "open": t}
                    for n, t in enumerate(plan.tenants)
                ]
                if steps:
                    connection.execute(sa.insert(rollout_steps), steps)
                detail: JsonDict = {"rollout": rollout_id, "release": plan.release, "plan": plan.digest, "by": by}
                self._append(connection, "rollout-begun", detail, tenant=None, operation_id=None)
            return _whole(connection, _require(connection, rollout_id))

    def rollout(self, rollout_id: str) -> RolloutRecord | None:
        """One rollout with its rows, by id or by a prefix of 6 characters or more. Raises UsageError where the prefix
        fits several."""
        with self._database.read() as connection:
            row = by_prefix(connection, rollouts, rollout_id, "rollouts", "provision rollout list")
            return None if row is None else _whole(connection, row)

    def rollouts(self, *, statuses: Collection[RolloutStatus] = (), limit: int = 50) -> list[RolloutRecord]:
        """Newest first, without their rows."""
        query = sa.select(rollouts).order_by(rollouts.c.started_at.desc(), rollouts.c.id.desc()).limit(limit)
        if statuses:
            query = query.where(rollouts.c.status.in_(statuses))
        with self._database.read() as connection:
            return [_record(row, Wishes(), ()) for row in connection.execute(query).mappings()]

    def rollout_wishes(self, rollout_id: str) -> tuple[RolloutStatus, Wishes]:
        """What changes of a rollout without its driver: where it is, and what operators want. Raises UsageError where
        there is none of this id."""
        query = sa.select(*(rollouts.c[name] for name in ("id", "status", "pause", "abort", "rollback")))
        with self._database.read() as connection:
            row = connection.execute(query.where(rollouts.c.id == rollout_id)).mappings().one_or_none()
            if row is None:
                raise _unknown(rollout_id)
            return RolloutStatus(row["status"]), _wishes(connection, row)

    def wish(
        self,
        rollout_id: str,
        *,
        pause: str | None = None,
        abort: str | None = None,
        skip: Sequence[str] = (),
        retry: Sequence[str] = (),
    ) -> None:
        """Record what an operator wants; whoever drives the rollout follows it."""
        given: JsonDict = {name: words for name, words in (("pause", pause), ("abort", abort)) if words is not None}
        refuse_secrets(given, "wish")
        with self._database.write() as connection:
            _require(connection, rollout_id)
            if given:
                connection.execute(sa.update(rollouts).where(rollouts.c.id == rollout_id).values(**given))
            _wish(connection, rollout_id, skip, retry)
            detail: JsonDict = {"rollout": rollout_id, **given, "skip": list(skip), "retry": list(retry)}
            self._append(connection, "rollout-wish", detail, tenant=None, operation_id=None)

    def go_on(self, rollout_id: str, status: RolloutStatus, *, retry: Sequence[str] = ()) -> None:
        """Set a rollout that stopped going again, and forget the wish for a pause; to roll back, that for its end, too,
        which is the wish for a rollback. `retry`: as in `wish`. Raises RefusedError where it is over, LeaseHeldError
        where a tenant is in another open rollout by now."""
        with self._database.write() as connection:
            row = _require(connection, rollout_id)
            before = RolloutStatus(row["status"])
            check_rollout(rollout_id, before, status)
            if before in OVER:
                self._open_again(connection, rollout_id)
            values: dict[str, Any] = {"status": status, "pause": None, "cause": "", "hint": None, "until": None}
            values |= {"updated_at": self._now()}
            values |= {"abort": None, "rollback": True} if status is RolloutStatus.ROLLING_BACK else {}
            connection.execute(sa.update(rollouts).where(rollouts.c.id == rollout_id).values(**values))
            _wish(connection, rollout_id, (), retry)
            self._told(connection, rollout_id, status, "goes on")

    def set_rollout(
        self,
        rollout_id: str,
        status: RolloutStatus,
        *,
        cause: str,
        hint: str | None = None,
        until: datetime | None = None,
        seen: tuple[RolloutStatus, Wishes] | None = None,
        moves_channel: bool = False,
        lease: Lease,
    ) -> bool:
        """Where it is now, said by who drives it. `seen`: by what that was decided; where an operator has changed that
        meanwhile, nothing is recorded, and False is returned. `moves_channel`: it is about to, which stays on the
        record. Raises LeaseLostError."""
        with self._database.write() as connection:
            self._fence(connection, lease)
            row = _require(connection, rollout_id)
            before = RolloutStatus(row["status"])
            if seen is not None and seen != (before, _wishes(connection, row)):
                return False
            check_rollout(rollout_id, before, status)
            values: dict[str, Any] = {"status": status, "cause": cause, "hint": hint, "until": until}
            values |= {"updated_at": self._now(), "moves_channel": moves_channel or row["moves_channel"]}
            connection.execute(sa.update(rollouts).where(rollouts.c.id == rollout_id).values(**values))
            if status in OVER:
                steps = sa.update(rollout_steps).where(rollout_steps.c.rollout == rollout_id)
                connection.execute(steps.values(open=None, wish=None))
            if status is not before:
                self._told(connection, rollout_id, status, cause)
        return True

    def set_step(
        self,
        rollout_id: str,
        tenant: str,
        state: StepState,
        *,
        cause: str | None = None,
        operation: str | None = None,
        not_before: datetime | None = None,
        seen: tuple[RolloutStatus, Wishes] | None = None,
        lease: Lease,
    ) -> datetime | None:
        """Where a tenant is now, said by who drives the rollout; what an operator wished of it is done by that. Returns
        when. `seen` as in `set_rollout`: None where an operator was faster. Raises LeaseLostError, and RefusedError for
        a change that isn't legal."""
        now, where = self._now(), _step(rollout_id, tenant)
        with self._database.write() as connection:
            self._fence(connection, lease)
            if seen is not None:
                row = _require(connection, rollout_id)
                if seen != (RolloutStatus(row["status"]), _wishes(connection, row)):
                    return None
            before = connection.execute(sa.select(rollout_steps.c.state).where(where)).scalar_one()
            check_step(rollout_id, tenant, StepState(before), state)
            values = {"state": state, "cause": cause, "operation": operation, "not_before": not_before}
            connection.execute(sa.update(rollout_steps).where(where).values(**values, ended_at=now, wish=None))
            detail: JsonDict = {"rollout": rollout_id, "state": str(state), "cause": (cause or "")[:500] or None}
            self._append(connection, "rollout-step", detail, tenant=tenant, operation_id=operation)
        return now

    def _told(self, connection: sa.Connection, rollout_id: str, status: RolloutStatus, cause: str) -> None:
        detail: JsonDict = {"rollout": rollout_id, "cause": cause[:500]}
        self._append(connection, f"rollout-{status}", detail, tenant=None, operation_id=None)

    def _open_again(self, connection: sa.Connection, rollout_id: str) -> None:
        """With those that a rollback takes back: nobody else is in its way, or it in theirs."""
        moved = (rollout_steps.c.rollout == rollout_id) & rollout_steps.c.state.in_(MOVED)
        query = sa.select(rollout_steps.c.tenant).where(moved)
        self._refuse_shared(connection, list(connection.execute(query).scalars()))
        connection.execute(sa.update(rollout_steps).where(moved).values(open=rollout_steps.c.tenant))

    def _refuse_shared(self, connection: sa.Connection, tenants: Sequence[str]) -> None:
        for first in range(0, len(tenants), _AT_ONCE):
            part = tenants[first : first + _AT_ONCE]
            query = sa.select(rollout_steps.c.open, rollout_steps.c.rollout).where(rollout_steps.c.open.in_(part))
            found = connection.execute(query.limit(1)).one_or_none()
            if found is not None:
                raise _taken(found.open, _require(connection, found.rollout))


def _taken(tenant: str, other: sa.RowMapping) -> LeaseHeldError:
    since = other["started_at"].isoformat(sep=" ", timespec="seconds")
    return LeaseHeldError(
        f"{tenant} is in rollout {other['id']} to {other['release']}, which {other['by']} started at {since} and which "
        f"is {other['status']}; nothing was changed",
        hint=f"provision rollout status {other['id']}, or provision rollout abort {other['id']}",
    )


def _step(rollout_id: str, tenant: str) -> sa.ColumnElement[bool]:
    return (rollout_steps.c.rollout == rollout_id) & (rollout_steps.c.tenant == tenant)


def _wish(connection: sa.Connection, rollout_id: str, skip: Sequence[str], retry: Sequence[str]) -> None:
    for wish, tenants in (("skip", skip), ("retry", retry)):
        for tenant in tenants:
            connection.execute(sa.update(rollout_steps).where(_step(rollout_id, tenant)).values(wish=wish))


def _find(connection: sa.Connection, rollout_id: str) -> sa.RowMapping | None:
    return connection.execute(sa.select(rollouts).where(rollouts.c.id == rollout_id)).mappings().one_or_none()


def _require(connection: sa.Connection, rollout_id: str) -> sa.RowMapping:
    row = _find(connection, rollout_id)
    if row is None:
        raise _unknown(rollout_id)
    return row


def _unknown(rollout_id: str) -> UsageError:
    return UsageError(f"there is no rollout {rollout_id}", hint="provision rollout list")


def _whole(connection: sa.Connection, row: sa.RowMapping) -> RolloutRecord:
    query = sa.select(rollout_steps).where(rollout_steps.c.rollout == row["id"]).order_by(rollout_steps.c.position)
    names = ("tenant", "cause", "ended_at", "not_before", "operation")
    steps = tuple(
        Row(state=StepState(found["state"]), **{name: found[name] for name in names})
        for found in connection.execute(query).mappings()
    )
    return _record(row, _wishes(connection, row), steps)


def _wishes(connection: sa.Connection, row: sa.RowMapping) -> Wishes:
    query = sa.select(rollout_steps.c.tenant, rollout_steps.c.wish)
    wished = connection.execute(query.where(rollout_steps.c.rollout == row["id"], rollout_steps.c.wish.is_not(None)))
    by_wish: dict[str, set[str]] = {"skip": set(), "retry": set()}
    for tenant, wish in wished:
        by_wish[wish].add(tenant)
    skip, retry = frozenset(by_wish["skip"]), frozenset(by_wish["retry"])
    return Wishes(row["pause"], row["abort"], skip, retry, rollback=bool(row["rollback"]))


def _record(row: sa.RowMapping, wishes: Wishes, steps: tuple[Row, ...]) -> RolloutRecord:
    names: Any = ("id", "by", "started_at", "updated_at", "cause", "hint", "until", "moves_channel")
    known = {name: row[name] for name in names}
    return RolloutRecord(
        plan=RolloutPlan.of(row["plan"]), status=RolloutStatus(row["status"]), wishes=wishes, rows=steps, **known
    )
