"""How commands are killed, and what must hold of a tenant after it: asked of the cloud, the ledger and the product."""

import json
import os
import random
import signal
import subprocess
import time
import urllib.error
from collections import Counter
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import psycopg

from provisioner.ledger.store import SqlLedger, open_ledger
from provisioner.model.clock import SystemClock
from tests.installation import TIMEOUT, Answer, Installation, get, post, some


def make(installation: Installation, tenant: str, *notes: str) -> dict[str, int]:
    """A tenant with notes in its database. Returns what the cloud has of it."""
    installation.ok("new-tenant", tenant, "--tier", "trial")
    url = installation.show(tenant)["url"]
    for note in notes:
        _post(url + "/notes", note)
    return tagged(installation, tenant)


def _post(url: str, note: str) -> None:
    """On a machine with much else to do a product that was well a moment ago may ask for patience."""
    until = time.monotonic() + 30
    while True:
        try:
            post(url, {"body": note})
        except urllib.error.HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
                raise
            time.sleep(0.5)
        else:
            return


def notes(installation: Installation, tenant: str) -> set[str]:
    """What the product has in its database."""
    return {n["body"] for n in get(installation.show(tenant)["url"] + "/notes")["notes"]}


def master(installation: Installation, identifier: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of the master to one database, with TLS as a client would have it."""
    return psycopg.connect(**login(installation, identifier))


def login(installation: Installation, identifier: str) -> dict[str, Any]:
    """What libpq must know for that."""
    [found] = installation.client("rds").describe_db_instances(DBInstanceIdentifier=identifier)["DBInstances"]
    secret = installation.client("secretsmanager").get_secret_value(SecretId=found["MasterUserSecret"]["SecretArn"])
    keys = json.loads(secret["SecretString"])
    return {
        "host": found["Endpoint"]["Address"],
        "port": found["Endpoint"]["Port"],
        "dbname": "product",
        "user": keys["username"],
        "password": keys["password"],
        "sslmode": "verify-full",
        "sslrootcert": installation.control.ensure_running().ca_file,
    }


def walk(
    installation: Installation,
    words: Iterable[str],
    steps: Iterable[str],
    inside_of: Mapping[str, Iterable[str]] = MappingProxyType({}),
    seed: int = 5,
) -> Answer:
    """The same command again and again, killed at one point after the other, and at last not killed. Points of each
    step: its intent is recorded and nothing is done; a random moment after each line of `inside_of` that it prints; all
    is done and nothing of it recorded. CI dies at some of them."""
    said, chance = tuple(words), random.Random(seed)
    points = [
        (step, point) for step in steps for point in (f"{step}:before", *inside_of.get(step, ()), f"{step}:after")
    ]
    for step, point in some(points):
        if point in inside_of.get(step, ()):
            # At the latest it dies at the end of the step, so that the step is never recorded.
            wait = chance.uniform(0.0, 0.05 if point.startswith("delete") else 0.3)  # to delete all takes little more
            kill_inside(installation, said, point, wait, PROVISION_FAILPOINT=f"{step}:after")
        else:
            _die(installation, said, point)
    return installation.run(*said)


def _die(installation: Installation, words: Iterable[str], where: str) -> None:
    killed = installation.run(*words, PROVISION_FAILPOINT=where)
    assert killed.code == -signal.SIGKILL, (where, killed.stderr)


def inside(
    installation: Installation, words: Iterable[str], line: str, wait: float, **environment: str
) -> subprocess.Popen[str]:
    """The command, started, and `wait` seconds after it has printed a line with `line`, as "acme restore started"."""
    process = installation.start(*words, **environment)
    assert process.stderr is not None
    seen = []
    for text in process.stderr:
        seen.append(text)
        if line in text:
            time.sleep(wait)
            return process
    raise AssertionError(f"{line!r} was not printed: {seen[-5:]}")


def kill_inside(installation: Installation, words: Iterable[str], line: str, wait: float, **environment: str) -> None:
    """Kill the command there."""
    process = inside(installation, words, line, wait, **environment)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, (line, wait)


def kill_the_cloud_inside(installation: Installation, words: Iterable[str], line: str, wait: float) -> None:
    """Kill the sandbox's daemon there. The command ends by itself, in order."""
    process = inside(installation, words, line, wait)
    running = installation.control.running()
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    _, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode in (0, 1, 9), stderr
    assert "Traceback" not in stderr


def ledger(installation: Installation) -> SqlLedger:
    """The installation's ledger, from beside its commands."""
    own = f"sqlite:///{installation.home / 'ledger.db'}"
    return open_ledger(installation.environment().get("PROVISION_LEDGER", own), SystemClock())


def tagged(installation: Installation, tenant: str) -> dict[str, int]:
    """How many of each kind bear the tenant's tag, by the tagging API of all services; roles by name, which it leaves
    out. What a snapshot or a database has beside it is counted by `settled`."""
    pages = installation.client("resourcegroupstaggingapi").get_paginator("get_resources")
    wanted = [{"Key": "provision:tenant", "Values": [tenant]}]
    arns = [r["ResourceARN"] for p in pages.paginate(TagFilters=wanted) for r in p["ResourceTagMappingList"]]
    counts = Counter(_kind(arn) for arn in arns)
    for kind in ("rds db", "rds snapshot", "ec2 instance", "ec2 volume", "logs log-group", "kms key"):
        counts.pop(kind, None)
    iam = installation.client("iam")
    counts["iam role"] = sum(r["RoleName"].startswith(f"provision-{tenant}-") for r in iam.list_roles()["Roles"])
    policies = iam.list_policies(Scope="Local")["Policies"]
    counts["iam policy"] = sum(p["PolicyName"].startswith(f"provision-{tenant}-") for p in policies)
    return dict(sorted((k, n) for k, n in {**counts, **installation.census(tenant)}.items() if k != "databases"))


def _kind(arn: str) -> str:
    _, _, service, _, _, rest = arn.split(":", 5)
    kind, separator, _ = rest.replace("/", ":").partition(":")
    return f"{service} {kind}" if separator else service


def settled(installation: Installation, tenant: str, before: dict[str, int]) -> None:
    """Nothing is half done and nothing is twice: the cloud has what it had `before`, one machine, the databases of the
    fact, a snapshot for each recovery point, and nothing of any drill."""
    assert tagged(installation, tenant) == before
    assert of_drills(installation) == []
    assert databases(installation, tenant) == _known(installation, tenant)
    assert _masters(installation, tenant) == databases(installation, tenant), "each database has one master's secret"
    assert snapshots(installation, tenant) == points(installation, tenant)
    assert unfinished(installation, tenant) == []


def databases(installation: Installation, tenant: str) -> list[str]:
    """Identifiers of the tenant's databases in the cloud."""
    found = installation.client("rds").describe_db_instances()["DBInstances"]
    return sorted(d["DBInstanceIdentifier"] for d in found if _owner(d) == tenant)


def snapshots(installation: Installation, tenant: str) -> list[str]:
    """Names of the tenant's snapshots that aren't RDS's own."""
    found = installation.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
    return sorted(s["DBSnapshotIdentifier"] for s in found if _owner(s) == tenant)


def points(installation: Installation, tenant: str) -> list[str]:
    """Ids of the tenant's recovery points; each is available."""
    found = installation.ok("backup", "list", tenant, "-o", "json").json
    assert {p["status"] for p in found} <= {"available"}, found
    return sorted(p["point"] for p in found)


def of_drills(installation: Installation) -> list[str]:
    """ARNs of all that bears a drill's tag. A machine that is terminated is listed for a while, as on AWS."""
    pages = installation.client("resourcegroupstaggingapi").get_paginator("get_resources")
    wanted = [{"Key": "provision:purpose", "Values": ["drill"]}]
    arns = [r["ResourceARN"] for p in pages.paginate(TagFilters=wanted) for r in p["ResourceTagMappingList"]]
    ec2 = installation.client("ec2")
    gone = ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["terminated"]}])["Reservations"]
    ended = {i["InstanceId"] for r in gone for i in r["Instances"]}
    return sorted(a for a in arns if a.rpartition("/")[2] not in ended)


def unfinished(installation: Installation, tenant: str) -> list[str]:
    """Kinds of the tenant's operations that wait to be gone on with."""
    found = installation.ok("operations", "list", "--tenant", tenant, "--unfinished", "-o", "json").json
    return [o["kind"] for o in found]


def _known(installation: Installation, tenant: str) -> list[str]:
    fact = ledger(installation).fact(tenant, "databases")
    known: Any = fact.value["databases"] if fact else [{"suffix": ""}]
    return sorted(f"{tenant}-{d['suffix']}" if d["suffix"] else tenant for d in known)


def _masters(installation: Installation, tenant: str) -> list[str]:
    """The databases, of this tenant, that have a master's secret."""
    found = installation.client("secretsmanager").list_secrets()["SecretList"]
    tags = [{t["Key"]: t["Value"] for t in s.get("Tags", [])} for s in found if s["Name"].startswith("rds!")]
    names = [t["aws:rds:primaryInstanceArn"].rpartition(":")[2] for t in tags]
    return sorted(n for n in names if n == tenant or n.startswith(f"{tenant}-"))


def _owner(raw: dict[str, Any]) -> str | None:
    return next((t["Value"] for t in raw["TagList"] if t["Key"] == "provision:tenant"), None)
