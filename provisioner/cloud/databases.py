"""RDS instances of a tenant."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from provisioner.cloud.lookup.tagged import bears
from provisioner.cloud.patience import patiently
from provisioner.cloud.session import Clients, translated
from provisioner.model.cloud import Database, Restorable
from provisioner.model.errors import ProvisionError


def database(clients: Clients, identifier: str) -> Database | None:
    """One RDS instance by its identifier."""
    with translated("rds DescribeDBInstances"):
        try:
            found = clients["rds"].describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
        except clients["rds"].exceptions.DBInstanceNotFoundFault:
            return None
    return _database(found[0]) if found else None


def databases(clients: Clients, tenant: str) -> list[Database]:
    """RDS instances tagged with the tenant."""
    return bearing_databases(clients, {"provision:tenant": tenant})


def bearing_databases(clients: Clients, tags: Mapping[str, str]) -> list[Database]:
    """RDS instances with these tags. RDS can't filter by tag, so all of the region are read."""
    with translated("rds DescribeDBInstances"):
        pages = list(clients["rds"].get_paginator("describe_db_instances").paginate())
    return [_database(d) for page in pages for d in page["DBInstances"] if bears(d, tags, "TagList")]


def start_database(clients: Clients, identifier: str) -> None:
    """Begin to start it; one that runs or starts is success. One that stops is waited for a little."""

    def start() -> None:
        clients["rds"].start_db_instance(DBInstanceIdentifier=identifier)

    def attempt() -> bool:
        found = database(clients, identifier)
        if found is None:
            raise ProvisionError(f"there is no database {identifier} to start")
        if found.status != "stopped":
            return found.status != "stopping"
        return _accepted(clients, "rds StartDBInstance", start)

    patiently(f"starting {identifier}", attempt)


def stop_database(clients: Clients, identifier: str) -> None:
    """Begin to stop it; one that is stopped, stops or is gone is success. One that is just being changed is waited for
    a little."""

    def stop() -> None:
        clients["rds"].stop_db_instance(DBInstanceIdentifier=identifier)

    def attempt() -> bool:
        found = database(clients, identifier)
        if found is None or found.status in ("stopped", "stopping", "deleting"):
            return True
        return _accepted(clients, "rds StopDBInstance", stop)

    patiently(f"stopping {identifier}", attempt)


def newest_minor(clients: Clients, version: str) -> str | None:
    """The newest minor version to which RDS brings a PostgreSQL of this version; None where it is the newest."""
    with translated("rds DescribeDBEngineVersions"):
        found = clients["rds"].describe_db_engine_versions(Engine="postgres", EngineVersion=version)
    targets = [t for v in found["DBEngineVersions"] for t in v.get("ValidUpgradeTarget", [])]
    minors = [str(t["EngineVersion"]) for t in targets if not t.get("IsMajorVersionUpgrade")]
    return max(minors, key=_parts, default=None)


def _parts(version: str) -> list[int]:
    """Its numbers, of which RDS may add another one after a hyphen: 17.4-R2."""
    return [int(part) for part in re.findall(r"\d+", version)]


def upgrade_database(clients: Clients, identifier: str, version: str) -> None:
    """Begin to bring it to a minor version; one that is on it, or is on its way, is success."""

    def upgrade() -> None:
        clients["rds"].modify_db_instance(
            DBInstanceIdentifier=identifier,
            EngineVersion=version,
            AllowMajorVersionUpgrade=False,
            ApplyImmediately=True,
        )

    def attempt() -> bool:
        found = database(clients, identifier)
        if found is None:
            raise ProvisionError(f"there is no database {identifier} to upgrade")
        if found.version == version or found.status == "upgrading":
            return True
        return _accepted(clients, "rds ModifyDBInstance", upgrade)

    patiently(f"upgrading {identifier}", attempt)


def _accepted(clients: Clients, what: str, act: Callable[[], None]) -> bool:
    """Whether RDS took the call: it refuses while the instance is in between two states."""
    with translated(what):
        try:
            act()
        except clients["rds"].exceptions.InvalidDBInstanceStateFault:
            return False
    return True


def restorable(clients: Clients, identifier: str) -> Restorable | None:
    """To which times a database can be restored. Backups of an earlier one of that name are not its own."""
    found = database(clients, identifier)
    if found is None:
        return None
    with translated("rds DescribeDBInstanceAutomatedBackups"):
        answer = clients["rds"].describe_db_instance_automated_backups(DBInstanceIdentifier=identifier)
    for backup in answer["DBInstanceAutomatedBackups"]:
        window = backup.get("RestoreWindow") or {}
        if backup["DbiResourceId"] == found.resource_id and window.get("EarliestTime") and window.get("LatestTime"):
            return Restorable(earliest=window["EarliestTime"], latest=window["LatestTime"])
    return None


def _database(raw: dict[str, Any]) -> Database:
    endpoint = raw.get("Endpoint") or {}
    return Database(
        identifier=raw["DBInstanceIdentifier"],
        resource_id=raw["DbiResourceId"],
        status=raw["DBInstanceStatus"],
        address=endpoint.get("Address"),
        port=endpoint.get("Port"),
        deletion_protection=bool(raw.get("DeletionProtection")),
        master_secret_arn=(raw.get("MasterUserSecret") or {}).get("SecretArn"),
        storage_gib=raw.get("AllocatedStorage"),
        max_storage_gib=raw.get("MaxAllocatedStorage"),
        version=raw.get("EngineVersion"),
    )
