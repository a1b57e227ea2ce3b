"""Tenants as decided (lifecycle, assigned release, applied state) and as observed (facts with their age)."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.ledger.guard import refuse_secrets
from provisioner.ledger.records import Records
from provisioner.ledger.schema import facts, tenants
from provisioner.model.errors import UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Fact, TenantRecord
from provisioner.model.lifecycle import Lifecycle, check_transition


class TenantRecords(Records):
    """One row a tenant, one a fact. Facts are not journalled: they are seen, not decided, and every look adds one."""

    def tenant(self, tenant: str) -> TenantRecord | None:
        """One record with its facts."""
        with self._database.read() as connection:
            return next(iter(_records(connection, tenant)), None)

    def tenants(self) -> list[TenantRecord]:
        """All records with their facts, by id: two queries, however many there are."""
        with self._database.read() as connection:
            return _records(connection, None)

    def ensure_tenant(self, tenant: str, target: str) -> TenantRecord:
        """Make a record in lifecycle `requested`, if there is none. A retired one starts again from nothing."""
        with self._database.write() as connection:
            found = next(iter(_records(connection, tenant)), None)
            if found is not None and found.lifecycle is not Lifecycle.RETIRED:
                return found
            connection.execute(sa.delete(facts).where(facts.c.tenant == tenant))
            connection.execute(sa.delete(tenants).where(tenants.c.id == tenant))
            values = {"id": tenant, "target": target, "lifecycle": Lifecycle.REQUESTED, "updated_at": self._now()}
            connection.execute(sa.insert(tenants).values(**values))
            self._append(connection, "tenant-requested", {"target": target}, tenant=tenant, operation_id=None)
            return _records(connection, tenant)[0]

    def set_lifecycle(
        self, tenant: str, lifecycle: Lifecycle, *, cause: str | None = None, operation_id: str | None = None
    ) -> None:
        """Raises RefusedError for a transition that isn't legal, UsageError for a tenant that isn't there."""
        with self._database.write() as connection:
            source = Lifecycle(_require(connection, tenant)["lifecycle"])
            check_transition(tenant, source, lifecycle)
            self._set(connection, tenant, lifecycle=lifecycle, cause=cause)
            detail: JsonDict = {"from": source, "to": lifecycle, **({} if cause is None else {"cause": cause[:500]})}
            self._append(connection, "lifecycle", detail, tenant=tenant, operation_id=operation_id)

    def assign_release(self, tenant: str, release: str, *, operation_id: str | None = None) -> None:
        """Which release the tenant is on, as decided. Raises UsageError for a tenant that isn't there."""
        with self._database.write() as connection:
            before = _require(connection, tenant)["assigned_release"]
            self._set(connection, tenant, assigned_release=release)
            detail: JsonDict = {"from": before, "to": release}
            self._append(connection, "release-assigned", detail, tenant=tenant, operation_id=operation_id)

    def set_applied(self, tenant: str, digest: str | None) -> None:
        """Which desired state was reached; None forgets it. Raises UsageError for a tenant that isn't there."""
        with self._database.write() as connection:
            _require(connection, tenant)
            self._set(connection, tenant, applied_digest=digest)
            self._append(connection, "applied", {"digest": digest}, tenant=tenant, operation_id=None)

    def observe(self, tenant: str, fact: str, value: JsonDict, at: datetime | None = None) -> None:
        """Keep the newest value of a fact: an older one than is kept changes nothing. Raises UsageError for a tenant
        that isn't there."""
        refuse_secrets(value, f"fact {fact}")
        seen = at or self._now()
        key = (facts.c.tenant == tenant) & (facts.c.name == fact)
        with self._database.write() as connection:
            _require(connection, tenant)
            known = connection.execute(sa.select(facts.c.at).where(key)).scalar()
            if known is None:
                connection.execute(sa.insert(facts).values(tenant=tenant, name=fact, value=value, at=seen))
            elif known <= seen:
                connection.execute(sa.update(facts).where(key).values(value=value, at=seen))

    def fact(self, tenant: str, fact: str) -> Fact | None:
        """The newest value."""
        query = sa.select(facts.c.value, facts.c.at).where(facts.c.tenant == tenant, facts.c.name == fact)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Fact(*row)

    def _set(self, connection: sa.Connection, tenant: str, **values: Any) -> None:
        connection.execute(sa.update(tenants).where(tenants.c.id == tenant).values(**values, updated_at=self._now()))


def _require(connection: sa.Connection, tenant: str) -> sa.RowMapping:
    row = connection.execute(sa.select(tenants).where(tenants.c.id == tenant)).mappings().one_or_none()
    if row is None:
        raise UsageError(f"the ledger has no tenant {tenant}", hint="provision list")
    return row


def _records(connection: sa.Connection, tenant: str | None) -> list[TenantRecord]:
    of_tenants, of_facts = sa.select(tenants).order_by(tenants.c.id), sa.select(facts)
    if tenant is not None:
        of_tenants, of_facts = of_tenants.where(tenants.c.id == tenant), of_facts.where(facts.c.tenant == tenant)
    known: defaultdict[str, dict[str, Fact]] = defaultdict(dict)
    for owner, name, value, at in connection.execute(of_facts):
        known[owner][name] = Fact(value, at)
    return [
        TenantRecord(**{**row, "lifecycle": Lifecycle(row["lifecycle"]), "facts": known.get(row["id"], {})})
        for row in connection.execute(of_tenants).mappings()
    ]
