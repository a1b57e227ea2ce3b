"""Restores of a real database: exactly what was, at the same address, and what was replaced can still be had.

The tests tell one story, in order: acme is of release 1.0.0, is restored to a time, gets 1.1.0, is restored to its
first recovery point, its data goes into a new tenant, and what was replaced ends.
"""

import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from provisioner import registry
from provisioner.ledger.store import open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.json import JsonDict
from tests.installation import Installation, get, only_exhaustive
from tests.recovery.disk import Disk, disk_of
from tests.recovery.people import (
    backed_up,
    between,
    forge,
    login,
    master,
    note,
    notes,
    points,
    url,
    waive,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


class Acme:
    """The tenant, its address, and its first recovery point, which has two notes."""

    def __init__(self, installation: Installation, disk: Disk) -> None:
        self.installation, self.disk = installation, disk
        installation.ok("new-tenant", "acme", "--tier", "trial", "--release", "1.0.0")
        note(installation, "acme", "first", "second")
        self.url = url(installation, "acme")
        self.first = backed_up(installation, "acme")

    def restore(self, to: str, **environment: str) -> Any:
        """What a restore prints as JSON."""
        words = ("restore", "acme", "--to", to, "--yes", "-o", "json")
        return self.installation.ok(*words, **environment).json

    def refused(self, code: int, *words: str) -> str:
        """A restore that is refused before anything is changed. Returns what it says."""
        before = self.state()
        answer = self.installation.run("restore", "acme", *words, "--yes")
        assert answer.code == code, answer.stderr
        assert self.state() == before
        return answer.stderr

    def state(self) -> Any:
        """All that a refusal must leave alone."""
        snapshots = self.installation.client("rds").describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
        with self.ledger() as ledger:
            return (
                [(o.id, o.status) for o in ledger.operations(limit=1000)],
                [(t.id, t.lifecycle) for t in ledger.tenants()],
                self.installation.registry.read_text(),
                self.databases(),
                [s["DBSnapshotIdentifier"] for s in snapshots],
            )

    def ledger(self) -> Any:
        """The installation's ledger, to be closed by whoever asks."""
        return closing(open_ledger(f"sqlite:///{self.installation.home / 'ledger.db'}", SystemClock()))

    def databases(self, tenant: str = "acme") -> dict[str, str]:
        """The tenant's databases with their states, as the cloud has them."""
        found = self.installation.client("rds").describe_db_instances()["DBInstances"]
        mark = {"Key": "provision:tenant", "Value": tenant}
        return {d["DBInstanceIdentifier"]: d["DBInstanceStatus"] for d in found if mark in d["TagList"]}

    def serving(self, tenant: str = "acme") -> str:
        """The identifier of the database that serves."""
        return str(self.installation.show(tenant)["database"]["id"])


@pytest.fixture(scope="module")
def acme(installation: Installation) -> Iterator[Acme]:
    with disk_of(installation) as disk:
        yield Acme(installation, disk)


def test_exactly_the_rows_of_a_time_between(acme: Acme) -> None:
    installation = acme.installation
    note(installation, "acme", "third")
    moment = between()
    note(installation, "acme", "fourth")
    with master(installation, "acme") as connection:
        connection.execute("DROP TABLE product.notes")

    asked = installation.run("restore", "acme", "--to", moment)
    assert asked.code == 2, "nobody is there to say yes"
    assert "of writes since" in asked.stderr
    assert "will be gone from acme; they stay in the database that is replaced" in asked.stderr

    done = acme.restore(moment)
    assert notes(installation, "acme") == ["first", "second", "third"]
    shown = installation.show("acme")
    assert (shown["state"], shown["health"]["status"], shown["url"]) == ("active", "healthy", acme.url)
    assert done["old_database"] == "acme"
    assert date.fromisoformat(done["kept_until"]) - datetime.now(UTC).date() in (timedelta(2), timedelta(3))
    assert [p["kind"] for p in points(installation, "acme").values()] == ["before-restore", "manual"]
    planned = installation.ok("plan", "acme", "--refresh")
    assert "acme: unchanged" in planned.stdout


def test_the_old_database_is_there_as_it_was_and_closed_to_the_product(acme: Acme) -> None:
    installation = acme.installation
    assert acme.databases()["acme"] == "available"
    with master(installation, "acme") as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'product'").fetchall()
        assert tables == [("schema_migrations",)], "also the dropped table is still missing"
        found = connection.execute("SELECT count(*) FROM provision.sentinel").fetchone()
    assert found == (2,), "one for each recovery point"
    rds, secrets = installation.client("rds"), installation.client("secretsmanager")
    (product,) = [s["ARN"] for s in secrets.list_secrets()["SecretList"] if s["Name"] == "provision/acme/product"]
    endpoint = rds.describe_db_instances(DBInstanceIdentifier="acme")["DBInstances"][0]["Endpoint"]
    with pytest.raises(psycopg.OperationalError):
        login(installation, endpoint, product)
    serving = rds.describe_db_instances(DBInstanceIdentifier=acme.serving())["DBInstances"][0]
    login(installation, serving["Endpoint"], product).close()
    first = rds.describe_db_instances(DBInstanceIdentifier="acme")["DBInstances"][0]
    for same in ("KmsKeyId", "VpcSecurityGroups", "DBSubnetGroup"):
        assert serving[same] == first[same], same
    groups = [d["DBParameterGroups"][0]["DBParameterGroupName"] for d in (serving, first)]
    assert groups == ["acme-postgres17"] * 2, "the tenant's own, not the default"


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("2999-01-01T00:00", "is in the future"),
        ("2020-01-01T00:00", "had no release at 2020-01-01 00:00 UTC"),
        ("acme-19990101", "there is no recovery point acme-19990101"),
    ],
)
def test_what_cannot_be_meant_is_exit_2(acme: Acme, to: str, words: str) -> None:
    assert words in acme.refused(2, "--to", to)


def test_a_time_out_of_range_is_exit_2_and_names_the_range(acme: Acme) -> None:
    rds = acme.installation.client("rds")
    found = rds.describe_db_instance_automated_backups()["DBInstanceAutomatedBackups"]
    earliest = min(b["RestoreWindow"]["EarliestTime"] for b in found)
    with acme.ledger() as ledger:
        assigned = min(e.at for e in ledger.journal(tenant="acme", limit=1000) if e.kind == "release-assigned")
    assert assigned < earliest
    said = acme.refused(2, "--to", (assigned + (earliest - assigned) / 2).isoformat())
    assert "can't be restored to" in said
    assert "only to a time from " in said
    assert f" {earliest:%Y-%m-%d %H:%M:%S} to " in said


def test_a_point_whose_key_cannot_be_used_is_exit_6(acme: Acme) -> None:
    kms, key = acme.installation.client("kms"), points(acme.installation, "acme")[acme.first]["key"]
    kms.disable_key(KeyId=key)
    assert f"its key {key} is Disabled; nothing was changed" in acme.refused(6, "--to", acme.first)
    kms.enable_key(KeyId=key)
    kms.schedule_key_deletion(KeyId=key)
    assert f"its key {key} is PendingDeletion; nothing was changed" in acme.refused(6, "--to", acme.first)
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)


def test_a_full_disk_stops_a_backup_and_with_more_space_the_same_command_makes_it(acme: Acme) -> None:
    with acme.disk.with_mib(8):
        answer = acme.installation.run("backup", "create", "acme", "-o", "json")
        assert answer.code == 6, answer.stderr
        (row,) = answer.json
        assert "is failed" in row["error"]
        assert notes(acme.installation, "acme") == ["first", "second", "third"]
    made = backed_up(acme.installation, "acme")
    assert row["error"].split()[1] == made, "the same operation went on"
    assert points(acme.installation, "acme")[made]["status"] == "available"


@only_exhaustive
def test_a_full_disk_stops_a_restore_and_with_more_space_the_same_command_ends_it(acme: Acme) -> None:
    """The tenant has a new release meanwhile: its first point brings back the old one."""
    installation = acme.installation
    with acme.ledger() as ledger:
        ledger.assign_release("acme", "1.1.0")
    installation.ok("apply", "acme", "--yes")
    note(installation, "acme", "of 1.1.0")
    words = ("restore", "acme", "--to", acme.first[:-1], "--yes", "-o", "json")
    with acme.disk.with_mib(60):
        failed = installation.run(*words)
        assert failed.code == 1
        assert "is incompatible-restore" in failed.stderr
        assert get(acme.url + "/healthz")["status"] == "ok"
        assert notes(installation, "acme")[-1] == "of 1.1.0"
    assert installation.show("acme")["state"] == "active"
    before = acme.serving()

    done = installation.ok(*words).json
    assert (done["release"], done["old_database"]) == ("1.0.0", before)
    assert notes(installation, "acme") == ["first", "second"]
    assert installation.show("acme")["release"]["observed"] == "1.0.0"
    assert set(acme.databases().values()) == {"available"}
    assert len(acme.databases()) == 3, "two that were replaced, and none that came to nothing"
    (operation,) = installation.ok("operations", "list", "--tenant", "acme", "-o", "json").json[:1]
    assert (operation["kind"], operation["status"]) == ("restore", "succeeded")


@only_exhaustive
def test_one_that_was_killed_can_be_given_up(acme: Acme) -> None:
    installation, before = acme.installation, acme.databases()
    words = ("restore", "acme", "--to", acme.first, "--yes")
    killed = installation.run(*words, PROVISION_FAILPOINT="beside:after")
    assert killed.code == -signal.SIGKILL, killed.stderr
    assert len(acme.databases()) == len(before) + 1
    other = installation.run("restore", "acme", "--to", "2020-01-01T00:00", "--yes")
    assert other.code == 2
    assert "was asked for in other words" in other.stderr

    installation.ok("restore", "acme", "--abandon", "--yes")
    assert acme.databases() == before
    assert installation.show("acme")["state"] == "active"
    assert notes(installation, "acme") == ["first", "second"]
    again = installation.run("restore", "acme", "--abandon", "--yes")
    assert again.code == 2
    assert "no restore of acme waits" in again.stderr
    assert "acme: unchanged" in installation.ok("plan", "acme", "--refresh").stdout


class TestInto:
    """The data of one tenant goes into a new one only where the one whose data it is lets it."""

    def test_nobody_allowed_it(self, acme: Acme) -> None:
        said = acme.refused(6, "--to", acme.first, "--into", "nova")
        assert "nobody has allowed that; nothing was changed" in said
        assert "restore-into, resource nova" in said

    def test_it_has_expired(self, acme: Acme) -> None:
        waive(acme.installation, "acme", "restore-into", "nova", "2026-01-31")
        assert "the waiver for it expired on 2026-01-31" in acme.refused(6, "--to", acme.first, "--into", "nova")

    @pytest.mark.parametrize(("operation", "resource"), [("restore-into", "vega"), ("delete", "nova")])
    def test_it_was_allowed_something_else(self, acme: Acme, operation: str, resource: str) -> None:
        waive(acme.installation, "acme", operation, resource)
        assert "nobody has allowed that" in acme.refused(6, "--to", acme.first, "--into", "nova")

    def test_a_time_has_no_copy_that_could_get_another_key(self, acme: Acme) -> None:
        waive(acme.installation, "acme", "restore-into", "nova")
        moment = datetime.now(UTC) - timedelta(seconds=1)
        said = acme.refused(2, "--to", moment.isoformat(), "--into", "nova")
        assert "only a recovery point of acme can be restored into nova" in said
        assert "acme is the tenant itself" in acme.refused(2, "--to", acme.first, "--into", "acme")

    def test_a_consent_opens_no_firewall(self, acme: Acme) -> None:
        """To let data out is not to let a key be replaced."""
        installation, before = acme.installation, acme.installation.registry.read_text()
        waive(installation, "acme", "restore-into", "key")
        override: JsonDict = {"setting": "multi_region_key", "value": True, "name": "Jane Doe", "reason": "a mistake"}
        registry.set_field(installation.registry, "tenants/acme/overrides", [override])
        answer = installation.run("plan", "acme")
        installation.registry.write_text(before)
        assert answer.code == 6, answer.stdout
        assert "aws:kms/key:Key key" in answer.stdout

    def test_with_consent_the_new_tenant_has_the_rows_and_a_key_of_its_own(self, acme: Acme) -> None:
        installation, rds = acme.installation, acme.installation.client("rds")
        waive(installation, "acme", "restore-into", "nova")
        before, own = acme.databases(), notes(installation, "acme")
        done = installation.ok("restore", "acme", "--to", acme.first, "--into", "nova", "--yes", "-o", "json").json
        assert (done["tenant"], done["release"]) == ("nova", "1.0.0")
        assert notes(installation, "nova") == ["first", "second"]
        note(installation, "nova", "nova's own")
        assert (acme.databases(), notes(installation, "acme")) == (before, own), "the source is untouched"
        assert url(installation, "acme") == acme.url

        keys = {t: _key(installation, acme.serving(t)) for t in ("acme", "nova")}
        assert keys["acme"] != keys["nova"]
        tags = installation.client("kms").list_resource_tags(KeyId=keys["nova"])["Tags"]
        assert {"TagKey": "provision:tenant", "TagValue": "nova"} in tags
        snapshots = rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]
        assert [s["DBSnapshotIdentifier"] for s in snapshots if "-import-" in s["DBSnapshotIdentifier"]] == []

    def test_again_it_says_what_the_new_one_would_lose(self, acme: Acme) -> None:
        asked = acme.installation.run("restore", "acme", "--to", acme.first, "--into", "nova")
        assert asked.code == 2, "nobody is there to say yes"
        assert "all that nova has now is replaced by what acme had" in asked.stderr

    def test_no_point_of_another_tenant_and_no_tenant_that_is_there(self, acme: Acme) -> None:
        installation = acme.installation
        theirs = next(iter(points(installation, "nova")))
        assert f"{theirs} is of tenant nova, not of acme" in acme.refused(2, "--to", theirs)
        waive(installation, "nova", "restore-into", "acme")
        words = ("restore", "nova", "--to", theirs, "--into", "acme", "--yes")
        answer = installation.run(*words)
        assert answer.code == 2
        assert "acme exists already, and wasn't made for data of nova" in answer.stderr


@only_exhaustive
def test_a_replaced_database_ends_after_its_days_with_a_recovery_point(acme: Acme) -> None:
    installation, today = acme.installation, datetime.now(UTC).date()
    (replaced,) = set(acme.databases()) - {"acme", acme.serving()}
    days = {"": today.isoformat(), replaced.removeprefix("acme-"): (today - timedelta(days=1)).isoformat()}
    forge(installation.home, "acme", "databases", until=days)
    installation.ok("backup", "prune", "acme", "--yes")
    assert set(acme.databases()) == {"acme", acme.serving()}, "the other one's last day is today"
    (last,) = [p for p in points(installation, "acme").values() if p["kind"] == "replaced"]
    assert (last["release"], last["schema"]) == ("1.1.0", 2), "what it had, not what the tenant has now"
    snapshot = installation.client("rds").describe_db_snapshots(DBSnapshotIdentifier=last["point"])["DBSnapshots"][0]
    assert (snapshot["Status"], snapshot["DBInstanceIdentifier"]) == ("available", replaced)
    installation.ok("drill", "acme", "--point", last["point"])


@only_exhaustive
def test_a_database_that_was_deleted_by_hand_is_restored_and_not_made_again_empty(acme: Acme) -> None:
    installation, lost, rds = acme.installation, acme.serving(), acme.installation.client("rds")
    point, was = backed_up(installation, "acme"), notes(installation, "acme")
    rds.delete_db_instance(DBInstanceIdentifier=lost, SkipFinalSnapshot=True)
    rds.get_waiter("db_instance_deleted").wait(DBInstanceIdentifier=lost, WaiterConfig={"Delay": 1})
    for words in (("plan", "acme", "--refresh"), ("apply", "acme", "--refresh", "--yes")):
        refused = installation.run(*words)
        assert refused.code == 6, refused.stderr
        assert f"create of aws:rds/instance:Instance database-{lost.removeprefix('acme-')}" in refused.stdout
        assert "provision restore acme --to POINT" in refused.stdout + refused.stderr
    assert lost not in acme.databases()

    asked = installation.run("restore", "acme", "--to", point)
    assert f"the present can't be kept: database {lost} is gone" in asked.stderr
    done = acme.restore(point)
    assert (done["old_database"], done["kept_until"]) == (None, None)
    assert notes(installation, "acme") == was
    assert set(acme.databases()) == {"acme", acme.serving()}
    assert "acme: unchanged" in installation.ok("plan", "acme", "--refresh").stdout


def _key(installation: Installation, database: str) -> str:
    rds = installation.client("rds")
    return str(rds.describe_db_instances(DBInstanceIdentifier=database)["DBInstances"][0]["KmsKeyId"])
