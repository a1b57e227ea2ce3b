"""Leases: the right to change one tenant, with a fencing token that never goes back.

A lease ends when it is released, when its holder is proven dead on this host, or when its time to live passes without
a heartbeat. Time to live is measured by the monotonic clock between processes of one host and boot, so that a wall
clock that jumps (NTP, a resumed laptop) steals nothing. Between hosts the wall clocks decide: keep them in step to
less than the time to live minus a beat (50 s with the defaults).

An operation that runs beside others holds a lease of its own, `TENANT/KIND`; its lines in the journal are the tenant's.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from provisioner.ledger.holder import current_holder, proven_dead, same_boot
from provisioner.ledger.records import Records
from provisioner.ledger.schema import leases, operations
from provisioner.model.errors import LeaseHeldError, LeaseLostError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Holder, Lease, OperationStatus

ROLLOUT = "rollout"
"""Whoever drives a rollout holds `rollout/ID`; no tenant is called so."""


class LeaseRecords(Records):
    """One row a tenant."""

    def acquire_lease(self, tenant: str, operation_id: str, reason: str, holder: Holder, ttl: timedelta) -> Lease:
        """Take the tenant's lease. Raises LeaseHeldError naming holder, reason and since when."""
        with self._database.write() as connection:
            row = _row(connection, tenant)
            if row is not None and self._holds(row, holder):
                raise _held(_lease(row))
            values = {
                "token": 1 if row is None else row["token"] + 1,
                "held": True,
                "operation_id": operation_id,
                "reason": reason,
                **{name: getattr(holder, name) for name in Holder.__dataclass_fields__},
                "acquired_at": self._now(),
                **self._expiry(ttl),
            }
            if row is None:
                connection.execute(sa.insert(leases).values(tenant=tenant, **values))
            else:
                connection.execute(sa.update(leases).where(leases.c.tenant == tenant).values(**values))
            detail: JsonDict = {"fence": values["token"], "host": holder.host, "pid": holder.pid, "user": holder.user}
            if row is not None and row["held"]:
                detail["taken_from"] = row["operation_id"]
                self._strand(connection, row["operation_id"], operation_id)
            self._append(connection, "lease-acquired", detail, tenant=_owner(tenant), operation_id=operation_id)
            return _lease({"tenant": tenant, **values})

    def renew_lease(self, lease: Lease, ttl: timedelta) -> Lease:
        """Heartbeat. Raises LeaseLostError where another took it. Not journalled: it decides nothing."""
        with self._database.write() as connection:
            self._fence(connection, lease)
            expiry = self._expiry(ttl)
            connection.execute(sa.update(leases).where(leases.c.tenant == lease.tenant).values(**expiry))
        return replace(lease, expires_at=expiry["expires_at"])

    def release_lease(self, lease: Lease) -> None:
        """Give it back; one that is lost already is no error."""
        ours = (leases.c.tenant == lease.tenant) & (leases.c.token == lease.token) & leases.c.held
        with self._database.write() as connection:
            if connection.execute(sa.update(leases).where(ours).values(held=False)).rowcount:
                detail: JsonDict = {"fence": lease.token}
                tenant, operation_id = _owner(lease.tenant), lease.operation_id
                self._append(connection, "lease-released", detail, tenant=tenant, operation_id=operation_id)

    def check_fence(self, tenant: str, token: int) -> None:
        """Raises LeaseLostError unless `token` is the newest token of that tenant and not released."""
        with self._database.read() as connection:
            _check_token(_row(connection, tenant), tenant, token)

    def lease(self, tenant: str) -> Lease | None:
        """Who holds it now; None where nobody does."""
        with self._database.read() as connection:
            row = _row(connection, tenant)
        return _lease(row) if row is not None and self._holds(row, current_holder()) else None

    def _fence(self, connection: sa.Connection, lease: Lease | None) -> None:
        if lease is not None:
            _check_token(_row(connection, lease.tenant), lease.tenant, lease.token)

    def _holds(self, row: sa.RowMapping, here: Holder) -> bool:
        holder = _lease(row).holder
        if not row["held"] or proven_dead(holder, here):
            return False
        if same_boot(holder, here):
            return bool(row["expires_monotonic"] > self._clock.monotonic())
        return bool(row["expires_at"] > self._now())

    def _expiry(self, ttl: timedelta) -> dict[str, Any]:
        return {
            "expires_at": self._now() + ttl,
            "expires_monotonic": self._clock.monotonic() + ttl.total_seconds(),
        }

    def _strand(self, connection: sa.Connection, stranded: str, by: str) -> None:
        """The operation of a dead holder does not run any more, and the ledger says so once another takes over."""
        if stranded == by:
            return
        theirs = (operations.c.id == stranded) & (operations.c.status == OperationStatus.RUNNING)
        values = {"status": OperationStatus.INTERRUPTED, "ended_at": self._now(), "error": "its process ended"}
        connection.execute(sa.update(operations).where(theirs).values(**values))


def _row(connection: sa.Connection, tenant: str) -> sa.RowMapping | None:
    return connection.execute(sa.select(leases).where(leases.c.tenant == tenant)).mappings().one_or_none()


def _lease(row: Any) -> Lease:
    holder = Holder(**{name: row[name] for name in Holder.__dataclass_fields__})
    names = ("tenant", "operation_id", "reason", "token", "acquired_at", "expires_at")
    return Lease(holder=holder, **{name: row[name] for name in names})


def _owner(subject: str) -> str:
    """The tenant of a lease."""
    return subject.partition("/")[0]


def _check_token(row: sa.RowMapping | None, tenant: str, token: int) -> None:
    if row is None or row["token"] != token or not row["held"]:
        free = row is None or not row["held"]
        owner, _, kind = tenant.partition("/")
        if owner == ROLLOUT:
            now = "nobody drives it" if free else "somebody else drives it"
            raise LeaseLostError(
                f"rollout {kind} isn't driven from here any more: {now} now; what is under way goes on by itself",
                hint=f"provision rollout status {kind}",
            )
        now = "released" if row is None or free else f"held by operation {row['operation_id']}"
        raise LeaseLostError(
            f"the lease of tenant {tenant} was lost: it is {now}; nothing more is done under it",
            hint=f"provision operations list --tenant {owner}",
        )


def _held(lease: Lease) -> LeaseHeldError:
    holder, since = lease.holder, lease.acquired_at.isoformat(sep=" ", timespec="seconds")
    tenant, _, kind = lease.tenant.partition("/")
    if tenant == ROLLOUT:
        return LeaseHeldError(
            f"rollout {kind} is being driven by {holder.user} on {holder.host} (pid {holder.pid}) since {since}",
            hint=f"provision rollout status {kind} --watch",
        )
    what = f"{kind} of tenant {tenant} is being done" if kind else f"tenant {tenant} is being changed"
    return LeaseHeldError(
        f"{what} by {holder.user} on {holder.host} (pid {holder.pid}): "
        f"{lease.reason}, operation {lease.operation_id}, since {since}",
        hint=f"provision operations show {lease.operation_id}",
    )
