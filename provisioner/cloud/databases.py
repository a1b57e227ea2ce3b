"""RDS instances of a tenant."""

from typing import Any

from provisioner.cloud.session import Clients, translated
from provisioner.model.cloud import Database


def database(clients: Clients, identifier: str) -> Database | None:
    """One RDS instance by its identifier."""
    with translated("rds DescribeDBInstances"):
        try:
            found = clients["rds"].describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
        except clients["rds"].exceptions.DBInstanceNotFoundFault:
            return None
    return _database(found[0]) if found else None


def databases(clients: Clients, tenant: str) -> list[Database]:
    """RDS instances tagged with the tenant. RDS can't filter by tag, so all of the region are read."""
    with translated("rds DescribeDBInstances"):
        pages = list(clients["rds"].get_paginator("describe_db_instances").paginate())
    found = [d for page in pages for d in page["DBInstances"]]
    tag = {"Key": "provision:tenant", "Value": tenant}
    return [_database(d) for d in found if tag in d.get("TagList", [])]


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
    )
