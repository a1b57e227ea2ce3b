"""Damaged backups: each is found by a drill, in words that say what is wrong, and is not proven by it.

All damage is done in a real PostgreSQL cluster: the data of one snapshot, which is mended after each test.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, only_exhaustive
from tests.recovery.damage import PAGE, Body, bodies
from tests.recovery.people import backed_up, drilled, master, points

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


class Suspect:
    """acme's newest recovery point, whose data tests damage, and the one before it, which was proven."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        self.installation = installation
        both = [installation.start("new-tenant", tenant, "--tier", "trial") for tenant in ("acme", "beta")]
        for command in both:
            _, stderr = command.communicate(timeout=150)
            assert command.returncode == 0, stderr
        backed_up(installation, "beta")
        (self.betas,) = bodies(installation)
        with master(installation, "acme") as connection:
            connection.execute("INSERT INTO product.notes (body) SELECT 'note ' || n FROM generate_series(1, 100) n")
        self.good = backed_up(installation, "acme")
        answer, row = drilled(installation, "acme", self.good)
        assert (answer.code, row["verdict"]) == (0, "passed"), answer.stderr
        before = bodies(installation)
        self.point = backed_up(installation, "acme")
        (found,) = bodies(installation) - before
        self.body = Body(found, folder / "spare")
        self.body.keep()

    @property
    def arn(self) -> str:
        rds = self.installation.client("rds")
        (found,) = rds.describe_db_snapshots(DBSnapshotIdentifier=self.point)["DBSnapshots"]
        return str(found["DBSnapshotArn"])

    def drill(self) -> dict[str, Any]:
        answer, row = drilled(self.installation, "acme", self.point)
        return {**row, "code": answer.code}

    def fails(self, *checks: str) -> str:
        """A drill fails by exactly these checks, and takes no proof away. Returns the findings."""
        row = self.drill()
        assert (row["code"], row["verdict"]) == (1, "failed"), row
        assert [c["name"] for c in row["checks"] if c["ok"] is False] == list(checks), row["findings"]
        self.keeps_its_proof("failed")
        return str(row["findings"])

    def keeps_its_proof(self, verdict: str) -> None:
        """The suspect isn't proven by what was found; the one that was proven before still is."""
        found = points(self.installation, "acme")
        assert (found[self.point]["proven"], found[self.point]["verdict"]) == ("never", verdict)
        assert found[self.good]["proven"] != "never"


@pytest.fixture(scope="module")
def damaged(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Suspect:
    return Suspect(installation, tmp_path_factory.mktemp("damage"))


@pytest.fixture
def suspect(damaged: Suspect) -> Iterator[Suspect]:
    yield damaged
    damaged.body.mend()


def test_no_sentinel_row(suspect: Suspect) -> None:
    suspect.body.sql("DELETE FROM provision.sentinel")
    assert "there is no sentinel row" in suspect.fails("sentinel")
    report = suspect.installation.run("drill", "report", "acme", "-o", "json")
    assert report.code == 6
    (standing,) = report.json
    assert (standing["point"], standing["verdict"]) == (suspect.good, "failed"), "the last proven one is still told"
    assert "the last drill was failed" in standing["breaches"]


@only_exhaustive
def test_a_wrong_schema_version(suspect: Suspect) -> None:
    """In the product's own table, and in the sentinel."""
    suspect.body.sql(
        "INSERT INTO product.schema_migrations (version) VALUES (3)",
        "UPDATE provision.sentinel SET schema_version = 1",
    )
    findings = suspect.fails("schema", "product")
    assert "the sentinel says schema 1" in findings
    assert "schema_version is 3, not 2" in findings


def test_a_corrupted_page(suspect: Suspect) -> None:
    suspect.body.scratch("product.notes")
    assert "invalid page in block 0" in suspect.fails("rows", "amcheck")


@only_exhaustive
def test_rows_that_are_gone_and_an_index_that_lacks_one(suspect: Suspect) -> None:
    """Every checksum holds, and the product is well with it."""
    ready = "UPDATE pg_index SET indisready = {} WHERE indexrelid = 'product.notes_pkey'::regclass"
    suspect.body.sql(
        "DELETE FROM product.notes WHERE id > 40",
        ready.format("false"),
        "INSERT INTO product.notes (body) VALUES ('not in the index')",
        ready.format("true"),
    )
    findings = suspect.fails("rows", "amcheck")
    assert "fewer than before: notes: 41 of 100" in findings
    assert "lacks matching index tuple" in findings


def test_the_data_of_another_tenant_under_the_right_tags(suspect: Suspect) -> None:
    suspect.body.become(suspect.betas)
    findings = suspect.fails("sentinel", "rows")
    assert "the data is of tenant beta" in findings
    assert "fewer than before: notes: 0 of 100" in findings


@only_exhaustive
def test_tags_of_another_tenant(suspect: Suspect) -> None:
    rds = suspect.installation.client("rds")
    rds.add_tags_to_resource(ResourceName=suspect.arn, Tags=[{"Key": "provision:tenant", "Value": "beta"}])
    assert f"snapshot {suspect.point} is of beta, not of acme" in suspect.fails("snapshot")
    rds.add_tags_to_resource(ResourceName=suspect.arn, Tags=[{"Key": "provision:tenant", "Value": "acme"}])


@pytest.mark.parametrize(
    ("way", "state"),
    [
        ("disable_key", "Disabled"),
        pytest.param("schedule_key_deletion", "PendingDeletion", marks=only_exhaustive),
    ],
)
def test_a_key_that_cannot_be_used(suspect: Suspect, way: str, state: str) -> None:
    kms, key = suspect.installation.client("kms"), points(suspect.installation, "acme")[suspect.point]["key"]
    getattr(kms, way)(KeyId=key)
    findings = suspect.fails("key")
    assert f"the key {key}, without which it can't be read, is {state}" in findings
    if state == "PendingDeletion":
        kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)


@only_exhaustive
def test_a_key_that_goes_while_it_is_restored(suspect: Suspect) -> None:
    suspect.installation.control.add_fault(
        {
            "kind": "error",
            "operation": "RestoreDBInstanceFromDBSnapshot",
            "status": 400,
            "code": "KMSKeyNotAccessibleFault",
        }
    )
    assert "KMSKeyNotAccessible" in suspect.fails("restore")
    suspect.installation.control.clear_faults()


@only_exhaustive
def test_a_cluster_that_does_not_start(suspect: Suspect) -> None:
    (suspect.body.folder / "global/pg_control").write_bytes(bytes(PAGE))
    assert "incompatible-restore" in suspect.fails("restore")


@pytest.mark.parametrize(
    ("kind", "operation"),
    [("no-capacity", "RunInstances"), pytest.param("error", "SendCommand", marks=only_exhaustive)],
)
def test_what_cannot_be_told_is_inconclusive(suspect: Suspect, kind: str, operation: str) -> None:
    suspect.installation.ok("sandbox", "fault", "add", kind, "--operation", operation)
    row = suspect.drill()
    suspect.installation.ok("sandbox", "fault", "clear")
    assert (row["code"], row["verdict"]) == (1, "inconclusive"), row
    suspect.keeps_its_proof("inconclusive")
    suspect.installation.ok("operations", "journal", "--verify")
