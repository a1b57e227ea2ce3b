"""What tests of recovery do again and again: notes of tenants, recovery points, drills, and what is left of those."""

import json
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from provisioner import registry
from tests.installation import Answer, Installation, get, post

FAR = "2999-12-31"


def url(installation: Installation, tenant: str) -> str:
    """Where the tenant answers."""
    return str(installation.show(tenant)["url"])


def note(installation: Installation, tenant: str, *bodies: str) -> None:
    """Write notes through the product."""
    where = url(installation, tenant) + "/notes"
    for body in bodies:
        post(where, {"body": body})


def notes(installation: Installation, tenant: str) -> list[str]:
    """The notes that the product shows, oldest first."""
    found = get(url(installation, tenant) + "/notes")["notes"]
    return [n["body"] for n in sorted(found, key=lambda n: int(n["id"]))]


def between() -> str:
    """A time that lies clearly after all that was written before, and before all that is written from now on.

    RDS's times to restore to have whole seconds.
    """
    time.sleep(1.1)
    moment = datetime.now(UTC)
    time.sleep(1.1)
    return moment.isoformat()


def master(installation: Installation, database: str) -> psycopg.Connection[Any]:
    """A connection of a database's master, by the database's RDS identifier."""
    described = installation.client("rds").describe_db_instances(DBInstanceIdentifier=database)["DBInstances"][0]
    return login(installation, described["Endpoint"], described["MasterUserSecret"]["SecretArn"])


def login(installation: Installation, endpoint: dict[str, Any], secret: str) -> psycopg.Connection[Any]:
    """A connection of whoever a secret is for."""
    text = installation.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    keys = json.loads(text)
    return psycopg.connect(
        host=endpoint["Address"],
        port=endpoint["Port"],
        dbname="product",
        user=keys["username"],
        password=keys["password"],
        sslmode="verify-full",
        sslrootcert=installation.control.ensure_running().ca_file,
        autocommit=True,
    )


def backed_up(installation: Installation, tenant: str) -> str:
    """A new recovery point's id."""
    (row,) = installation.ok("backup", "create", tenant, "-o", "json").json
    return str(row["point"])


def points(installation: Installation, tenant: str) -> dict[str, Any]:
    """The tenant's recovery points by id, newest first."""
    rows = installation.ok("backup", "list", "-o", "json").json
    return {row["point"]: row for row in rows if row["tenant"] == tenant}


def drilled(installation: Installation, tenant: str, point: str) -> tuple[Answer, dict[str, Any]]:
    """How a drill of a point ended; whatever it found, nothing of it is left."""
    answer = installation.run("drill", tenant, "--point", point, "-o", "json")
    (row,) = answer.json
    assert quarantines(installation) == [], answer.stderr
    return answer, row


def quarantines(installation: Installation) -> list[str]:
    """What the cloud has of drills, asked of each service."""
    ec2, rds = installation.client("ec2"), installation.client("rds")
    by_tag = [{"Name": "tag:provision:purpose", "Values": ["drill"]}]
    found = [
        i["InstanceId"]
        for r in ec2.describe_instances(Filters=by_tag)["Reservations"]
        for i in r["Instances"]
        if i["State"]["Name"] != "terminated"
    ]
    found += [v["VpcId"] for v in ec2.describe_vpcs(Filters=by_tag)["Vpcs"]]
    found += [s["SubnetId"] for s in ec2.describe_subnets(Filters=by_tag)["Subnets"]]
    found += [g["GroupId"] for g in ec2.describe_security_groups(Filters=by_tag)["SecurityGroups"]]
    mark = {"Key": "provision:purpose", "Value": "drill"}
    databases = rds.describe_db_instances()["DBInstances"]
    found += [d["DBInstanceIdentifier"] for d in databases if mark in d["TagList"]]
    secrets = installation.client("secretsmanager").list_secrets()["SecretList"]
    found += [s["Name"] for s in secrets if mark in s.get("Tags", [])]
    roles = installation.client("iam").list_roles()["Roles"]
    names = [r["RoleName"] for r in roles] + [g["DBSubnetGroupName"] for g in _subnet_groups(rds)]
    return found + [n for n in names if _of_a_drill(n)]


def _subnet_groups(rds: Any) -> list[Any]:
    return list(rds.describe_db_subnet_groups()["DBSubnetGroups"])


def _of_a_drill(name: str) -> bool:
    """`acme-d1a2b3c`, also within a longer name."""
    words = name.split("-")
    return any(len(w) == 7 and w[0] == "d" and all(c in "0123456789abcdef" for c in w[1:]) for w in words)


def waive(installation: Installation, tenant: str, operation: str, resource: str, expires: str = FAR) -> None:
    """Write a waiver into the registry, in place of those that were there."""
    entry = {"resource": resource, "operation": operation, "name": "Jane Doe", "reason": "asked", "expires": expires}
    registry.set_field(installation.registry, f"tenants/{tenant}/waivers", [entry])


def forge(home: Path, tenant: str, fact: str, **changes: Any) -> None:
    """Change what the ledger knows of a tenant behind its back: the clock can't be turned, days in facts can."""
    with closing(sqlite3.connect(home / "ledger.db")) as ledger, ledger:
        where = "WHERE tenant = ? AND name = ?"
        (text,) = ledger.execute(f"SELECT value FROM facts {where}", (tenant, fact)).fetchone()
        value = json.dumps({**json.loads(text), **changes})
        ledger.execute(f"UPDATE facts SET value = ? {where}", (value, tenant, fact))
