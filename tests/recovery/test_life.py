"""A tenant of the tier `standard` rests, comes back, is handed over and says goodbye: in order, one story."""

import shutil
import signal
import subprocess
import time
import urllib.error
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.sandbox.databases import template
from tests.installation import Installation, get, only_exhaustive
from tests.recovery.damage import served
from tests.recovery.people import backed_up, note, notes, points, quarantines, url

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

BUCKET = "123456789012-acme-files"
NOTES = ["to be kept", "äöü €"]


@pytest.fixture(scope="module")
def acme(installation: Installation) -> Installation:
    installation.ok("new-tenant", "acme", "--tier", "standard")
    note(installation, "acme", *NOTES)
    s3 = installation.client("s3")
    s3.put_object(Bucket=BUCKET, Key="uploads/a b.txt", Body=b"one file")
    s3.put_object(Bucket=BUCKET, Key="logo.png", Body=bytes(range(256)))
    return installation


@pytest.fixture(scope="module")
def folder(acme: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the tenant."""
    folder = tmp_path_factory.mktemp("export") / "acme"
    done = acme.ok("export", "acme", "--to", str(folder), "-o", "json").json
    assert (done["files"], done["schema_version"]) == (2, 2)
    return folder


def states(installation: Installation, tenant: str = "acme") -> list[str]:
    """Of the tenant's machines and databases."""
    by_tag = [{"Name": "tag:provision:tenant", "Values": [tenant]}]
    reservations = installation.client("ec2").describe_instances(Filters=by_tag)["Reservations"]
    machines = [i["State"]["Name"] for r in reservations for i in r["Instances"]]
    databases = installation.client("rds").describe_db_instances()["DBInstances"]
    mark = {"Key": "provision:tenant", "Value": tenant}
    return [s for s in machines if s != "terminated"] + [
        d["DBInstanceStatus"] for d in databases if mark in d["TagList"]
    ]


def silent(installation: Installation, tenant: str = "acme") -> bool:
    """Whether nobody answers at the tenant's address, or only its balancer."""
    try:
        get(url(installation, tenant) + "/healthz")
    except (urllib.error.URLError, ConnectionError):
        return True
    return False


def well(installation: Installation) -> None:
    """The tenant serves, with all that it had. Where it was closed, its balancer takes some seconds to see it again."""
    until = time.monotonic() + 30
    while (shown := installation.show("acme"))["health"]["status"] != "healthy" and time.monotonic() < until:
        time.sleep(0.2)
    assert (shown["state"], shown["health"]["status"]) == ("active", "healthy")
    assert notes(installation, "acme") == NOTES
    assert states(installation) == ["running", "available"]


def test_suspended_it_stands_still_and_costs_less(acme: Installation) -> None:
    done = acme.ok("suspend", "acme", "--yes", "-o", "json").json
    assert done["before"] > done["now"] > 0
    assert {"disk", "database storage", "key, secrets, alarms"} <= set(done["costs"])
    assert sum(done["costs"].values()) == pytest.approx(done["now"], abs=0.05)
    assert points(acme, "acme")[done["point"]]["status"] == "available"
    assert states(acme) == ["stopped", "stopped"]
    assert silent(acme)
    assert acme.show("acme")["state"] == "suspended"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("apply", "acme", "--yes"), "can't be applied: it is suspended"),
        (("backup", "create", "acme"), "can't be backed up: it is suspended"),
        (("export", "acme", "--to", "nowhere"), "can't be exported: it is suspended"),
        (("suspend", "acme", "--yes"), "can't be backed up: it is suspended"),
        (("offboard", "acme", "--yes"), "can't be offboarded: it is suspended"),
    ],
)
def test_suspended_it_can_be_nothing_else(acme: Installation, words: tuple[str, ...], said: str) -> None:
    answer = acme.run(*words)
    assert answer.code == 2
    assert said in answer.stdout + answer.stderr
    assert states(acme) == ["stopped", "stopped"]


def test_resumed_it_has_its_rows(acme: Installation) -> None:
    done = acme.ok("resume", "acme", "-o", "json").json
    assert done["url"] == url(acme, "acme")
    well(acme)
    again = acme.run("resume", "acme")
    assert again.code == 2
    assert "is active already" in again.stderr


class TestExport:
    """What the customer gets can be checked and loaded without us."""

    def test_it_is_whole_and_its_owners_alone(self, acme: Installation, folder: Path) -> None:
        subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True, capture_output=True)
        listed = {line.split("  ", 1)[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
        there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
        assert there - listed == {"SHA256SUMS"}, "nothing goes along unlisted"
        assert (folder / "files/uploads/a b.txt").read_bytes() == b"one file"
        assert (folder / "files/logo.png").read_bytes() == bytes(range(256))
        modes = {p: p.stat().st_mode & 0o777 for p in (folder, *folder.rglob("*"))}
        assert {m for p, m in modes.items() if p.is_file()} == {0o600}
        assert {m for p, m in modes.items() if p.is_dir()} == {0o700}
        kept = acme.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
        assert {o["Key"] for o in kept} == {"uploads/a b.txt", "logo.png"}, "the dump is not left in the bucket"

    def test_the_dump_loads_into_an_empty_postgresql(self, acme: Installation, folder: Path, tmp_path: Path) -> None:
        (empty,) = (acme.home / "sandbox/databases").glob("template-*")
        with served(empty, tmp_path / "server") as cluster:
            dump = cluster.folder / "dump"
            shutil.copy(folder / "database.dump", dump)
            template.own(dump, cluster.uid)
            where = ("-h", "/proc/self/cwd/socket", "-p", str(cluster.address.port), "-U", template.ADMIN)
            cluster.run("createdb", *where, "theirs")
            words = ("--single-transaction", "--no-owner", "--dbname", "theirs", str(dump))
            cluster.run("pg_restore", *where, *words)
            with cluster.connect("theirs") as connection:
                found = connection.execute("SELECT body FROM product.notes ORDER BY id").fetchall()
        assert [row[0] for row in found] == NOTES

    def test_nothing_is_written_over(self, acme: Installation, folder: Path) -> None:
        again = acme.run("export", "acme", "--to", str(folder))
        assert again.code == 2
        assert "not empty" in again.stderr


def test_a_goodbye_rests_first_and_can_be_called_off(acme: Installation, tmp_path: Path) -> None:
    done = acme.ok("offboard", "acme", "--yes", "--export", str(tmp_path / "x"), "-o", "json").json
    due = datetime.now(UTC).date() + timedelta(days=14)
    assert done["state"] == "suspended"
    assert done["due"] in {due.isoformat(), (due - timedelta(days=1)).isoformat()}
    assert (tmp_path / "x/database.dump").is_file()
    assert states(acme) == ["stopped", "stopped"]
    assert silent(acme)
    assert points(acme, "acme")[done["point"]]["verdict"] == "passed"

    early = acme.run("offboard", "acme", "--yes")
    assert early.code == 2
    assert f"will be retired on {done['due']}" in early.stderr
    assert acme.ok("worker", "--once", "-o", "json").json == [], "a worker waits for the day too"

    acme.ok("resume", "acme")
    well(acme)
    assert acme.ok("operations", "list", "--unfinished", "-o", "json").json == []


def test_now_needs_the_right_id(acme: Installation, tmp_path: Path) -> None:
    before, entries = acme.census("acme"), acme.registry.read_text()
    answer = acme.run("offboard", "acme", "--now", "--export", str(tmp_path / "x"), stdin="acne\n")
    assert answer.code == 2
    assert "'acne' was typed, not 'acme'; nothing was changed" in answer.stderr
    assert (acme.census("acme"), acme.registry.read_text()) == (before, entries)
    assert not (tmp_path / "x").exists()
    well(acme)


def test_nothing_is_destroyed_where_the_last_point_cannot_be_proven(acme: Installation, tmp_path: Path) -> None:
    before = acme.census("acme")
    words = ("offboard", "acme", "--now", "--confirm", "acme", "--export", str(tmp_path / "x"))
    killed = acme.run(*words, PROVISION_FAILPOINT="restore:before")
    assert killed.code == -signal.SIGKILL, killed.stderr
    final = next(iter(points(acme, "acme").values()))
    assert final["kind"] == "final"
    acme.client("kms").disable_key(KeyId=final["key"])
    answer = acme.run(*words)
    acme.client("kms").enable_key(KeyId=final["key"])
    assert answer.code == 6
    assert "the last recovery point of acme could not be proven (failed), so nothing is destroyed" in answer.stderr
    assert f"the key {final['key']}, without which it can't be read, is Disabled" in answer.stderr
    assert not (tmp_path / "x").exists()
    assert acme.census("acme") == before
    assert points(acme, "acme")[final["point"]]["verdict"] == "failed"
    well(acme)


def test_at_the_end_nothing_is_left_but_the_last_point_and_its_key(acme: Installation, tmp_path: Path) -> None:
    older = points(acme, "acme")
    words = ("offboard", "acme", "--now", "--export", str(tmp_path / "x"), "-o", "json")
    done = acme.ok(*words, stdin="acme\n").json
    assert done["state"] == "retired"
    (final,) = points(acme, "acme").values()
    assert (final["kind"], final["verdict"]) == ("final", "passed")
    assert final["point"] not in older
    census = acme.census("acme")
    assert census == {**dict.fromkeys(census, 0), "keys": 1}
    assert named(acme, "acme") == {final["point"]}
    assert quarantines(acme) == []
    assert "\n  acme:" not in acme.registry.read_text()
    assert acme.show("acme")["state"] == "retired"


def test_the_certificate_is_in_the_journal(acme: Installation) -> None:
    certificate = acme.ok("certificate", "acme").json
    (final,) = points(acme, "acme").values()
    assert [(k["kind"], k["until"]) for k in certificate["kept"]] == [
        ("snapshot", final["expires"]),
        ("key", final["expires"]),
    ]
    assert certificate["kept"][0]["what"].endswith(f":snapshot:{final['point']}")
    assert certificate["kept"][1]["what"] == final["key"]
    assert certificate["left"] == 0
    assert certificate["existed"]["resources"]["aws:rds/instance:Instance"] == 1
    assert certificate["existed"]["resources"]["aws:lb/loadBalancer:LoadBalancer"] == 1
    journal = acme.ok("operations", "journal", "--verify", "--tenant", "acme", "-o", "json", "--limit", "10000").json
    stamp = certificate["journal"]
    (line,) = [entry for entry in journal if entry["number"] == stamp["number"]]
    assert stamp["hash"].startswith(line["hash"])
    assert line["detail"]["kept"] == certificate["kept"]
    (proof,) = [entry for entry in journal if entry["number"] == certificate["proof"]["evidence"]]
    assert certificate["proof"]["hash"].startswith(proof["hash"])
    assert (proof["detail"]["verdict"], proof["detail"]["point"]) == ("passed", final["point"])
    again = acme.run("offboard", "acme", "--now", "--confirm", "acme")
    assert again.code == 2
    assert "is retired already" in again.stderr


@only_exhaustive
def test_a_tenant_of_the_same_name_begins_empty_and_with_a_key_of_its_own(acme: Installation) -> None:
    (kept,) = points(acme, "acme").values()
    acme.ok("new-tenant", "acme", "--tier", "trial")
    assert notes(acme, "acme") == []
    (database,) = acme.client("rds").describe_db_instances()["DBInstances"]
    assert database["KmsKeyId"] != kept["key"]
    assert "acme: unchanged" in acme.ok("plan", "acme", "--refresh").stdout
    (row,) = acme.ok("drill", "acme", "--point", backed_up(acme, "acme"), "-o", "json").json
    (rows,) = [c["detail"] for c in row["checks"] if c["name"] == "rows"]
    assert rows.endswith("no drill before to compare with"), "those of the first one were its own"


@only_exhaustive
def test_what_is_kept_of_the_first_one_stays_until_its_day(acme: Installation, tmp_path: Path) -> None:
    (kept,) = [p for p in points(acme, "acme").values() if p["kind"] == "final"]
    acme.ok("offboard", "acme", "--now", "--confirm", "acme", "--export", str(tmp_path / "x"))
    found = points(acme, "acme")
    assert len(found) == 2
    assert kept["point"] in found
    assert named(acme, "acme") == set(found)
    certificate = acme.ok("certificate", "acme").json
    assert {k["what"].rpartition(":")[2] for k in certificate["kept"] if k["kind"] == "snapshot"} == set(found)


def named(installation: Installation, tenant: str) -> set[str]:
    """Whatever bears the tenant's name in services that a census by tag leaves out."""
    client = installation.client
    names = [
        *(s["DBSnapshotIdentifier"] for s in client("rds").describe_db_snapshots()["DBSnapshots"]),
        *(g["DBParameterGroupName"] for g in client("rds").describe_db_parameter_groups()["DBParameterGroups"]),
        *(g["DBSubnetGroupName"] for g in client("rds").describe_db_subnet_groups()["DBSubnetGroups"]),
        *(g["logGroupName"] for g in client("logs").describe_log_groups()["logGroups"]),
        *(a["AlarmName"] for a in client("cloudwatch").describe_alarms()["MetricAlarms"]),
        *(t["TopicArn"] for t in client("sns").list_topics()["Topics"]),
        *(b["LoadBalancerName"] for b in client("elbv2").describe_load_balancers()["LoadBalancers"]),
        *(g["TargetGroupName"] for g in client("elbv2").describe_target_groups()["TargetGroups"]),
        *(r["RoleName"] for r in client("iam").list_roles()["Roles"]),
        *(p["PolicyName"] for p in client("iam").list_policies(Scope="Local")["Policies"]),
        *(a["AliasName"] for a in client("kms").list_aliases()["Aliases"]),
        *_records(client("route53")),
    ]
    return {name for name in names if tenant in name}


def _records(route53: Any) -> list[str]:
    zones = [z["Id"] for z in route53.list_hosted_zones()["HostedZones"]]
    return [
        r["Name"] for zone in zones for r in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    ]
