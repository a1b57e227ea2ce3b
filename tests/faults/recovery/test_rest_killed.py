"""Suspend, resume and prune killed with -9 around and inside every step: each converges, and no rows are lost."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.recovery.life import databases, ledger, make, notes, points, settled, walk
from tests.forks import Forked
from tests.installation import only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def before(installation: Forked) -> dict[str, int]:
    """The tenant of this module, and what the cloud had of it."""
    return make(installation, "acme", "one", "two")


def states(installation: Forked) -> tuple[set[str], set[str]]:
    """Of the tenant's machines that aren't terminated, and of its databases."""
    by_tag = [{"Name": "tag:provision:tenant", "Values": ["acme"]}]
    reservations = installation.client("ec2").describe_instances(Filters=by_tag)["Reservations"]
    machines = {i["State"]["Name"] for r in reservations for i in r["Instances"]} - {"terminated"}
    found = installation.client("rds").describe_db_instances()["DBInstances"]
    return machines, {d["DBInstanceStatus"] for d in found}


@only_exhaustive
def test_suspend_and_resume(installation: Forked, before: dict[str, int]) -> None:
    stop = {"stop": ("acme stop started",)}
    done = walk(installation, ("suspend", "acme", "--yes"), ("mark", "snapshot", "copy", "stop", "rest"), stop)
    assert done.code == 0, done.stderr
    settled(installation, "acme", before)
    assert states(installation) == ({"stopped"}, {"stopped"})
    assert installation.show("acme")["state"] == "suspended"
    assert len(points(installation, "acme")) == 1

    start = {"start": ("acme start started",)}
    done = walk(installation, ("resume", "acme"), ("start", "health", "wake"), start)
    assert done.code == 0, done.stderr
    settled(installation, "acme", before)
    assert states(installation) == ({"running"}, {"available"})
    assert (installation.show("acme")["state"], notes(installation, "acme")) == ("active", {"one", "two"})


@only_exhaustive
def test_what_retention_and_a_restore_left(installation: Forked, before: dict[str, int]) -> None:
    """An old point goes, and the replaced database with a last snapshot, each once."""
    [row] = installation.ok("backup", "create", "acme", "-o", "json").json
    installation.ok("restore", "acme", "--to", row["point"], "--yes")
    installation.ok("backup", "create", "acme")
    known = ledger(installation)
    fact = known.fact("acme", "databases")
    assert fact is not None
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    known.observe("acme", "databases", {**fact.value, "until": {"": yesterday.isoformat()}})
    before_restore, newest = (
        p["point"] for p in installation.ok("backup", "list", "acme", "-o", "json").json[:2][::-1]
    )

    inside = {"delete": ("delete aws:rds/instance:Instance database started",)}
    done = walk(installation, ("backup", "prune", "acme", "--yes"), ("prune", "release", "delete", "record"), inside)
    assert done.code == 0, done.stderr
    settled(installation, "acme", before)
    [left] = databases(installation, "acme")
    assert left.startswith("acme-r")
    replaced = [p for p in points(installation, "acme") if p not in (before_restore, newest)]
    assert len(replaced) == 1, "the last of the old database"
    assert notes(installation, "acme") == {"one", "two"}
