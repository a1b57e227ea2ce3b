"""The states of an instance, seen by boto3's waiters, and what really happens in them."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.databases.conftest import PASSWORD, Cloud, until

pytestmark = pytest.mark.sandbox
MEASURED = True


@pytest.fixture(scope="module")
def name(cloud: Cloud) -> str:
    """An instance with a row in it."""
    cloud.create("acme", Tags=[{"Key": "provision:tenant", "Value": "acme"}])
    cloud.sql("acme", "CREATE TABLE notes (text text)")
    cloud.sql("acme", "INSERT INTO notes VALUES ('kept')")
    return "acme"


def refused(call: Any, **words: Any) -> str:
    """The error's code and message."""
    with pytest.raises(ClientError) as caught:
        call(**words)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def identifiers(cloud: Cloud) -> list[str]:
    return [db["DBInstanceIdentifier"] for db in cloud.rds.describe_db_instances()["DBInstances"]]


def started(cloud: Cloud, name: str) -> Any:
    return cloud.sql(name, "SELECT pg_postmaster_start_time()")[0][0]


def test_found_by_its_resource_id_and_tags(cloud: Cloud, name: str) -> None:
    shown = cloud.show(name)
    filters = [{"Name": "dbi-resource-id", "Values": [shown["DbiResourceId"]]}]
    found = cloud.rds.describe_db_instances(Filters=filters)["DBInstances"]
    assert [db["DBInstanceIdentifier"] for db in found] == [name]
    assert shown["DBInstanceArn"] == f"arn:aws:rds:eu-west-1:123456789012:db:{name}"
    assert shown["EngineVersion"] == "17.10"
    tags = cloud.rds.list_tags_for_resource(ResourceName=shown["DBInstanceArn"])["TagList"]
    assert tags == [{"Key": "provision:tenant", "Value": "acme"}]
    assert cloud.row(name)["tenant"] == "acme"


def test_what_it_uses_is_measured(cloud: Cloud, name: str) -> None:
    def latest(metric: str) -> float:
        return cloud.sandbox.latest("AWS/RDS", metric, DBInstanceIdentifier=name) or 0.0

    with cloud.connect(name), cloud.connect(name):
        until(lambda: latest("DatabaseConnections") == 2)
    until(lambda: cloud.sandbox.latest("AWS/RDS", "DatabaseConnections", DBInstanceIdentifier=name) == 0)
    before = latest("FreeStorageSpace")
    assert 19.5 * 1024**3 < before < 20 * 1024**3
    cloud.sql(name, "CREATE TABLE large AS SELECT repeat(md5(n::text), 30) FROM generate_series(1, 16000) AS n")
    until(lambda: before - 200 * 1024**2 < latest("FreeStorageSpace") < before - 14 * 1024**2)
    assert 0 <= latest("CPUUtilization") <= 100
    cloud.sql(name, "DROP TABLE large")


def test_stop_and_start_keep_the_rows(cloud: Cloud, name: str) -> None:
    address = cloud.show(name)["Endpoint"]["Address"]
    assert cloud.rds.stop_db_instance(DBInstanceIdentifier=name)["DBInstance"]["DBInstanceStatus"] == "stopping"
    until(lambda: cloud.show(name)["DBInstanceStatus"] == "stopped")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(host=address, port=5432, user="provision", connect_timeout=5)
    assert "InvalidDBInstanceState" in refused(cloud.rds.reboot_db_instance, DBInstanceIdentifier=name)
    assert cloud.rds.start_db_instance(DBInstanceIdentifier=name)["DBInstance"]["DBInstanceStatus"] == "starting"
    assert cloud.available(name)["Endpoint"]["Address"] == address
    assert cloud.sql(name, "SELECT text FROM notes") == [("kept",)]


def test_reboot_really_restarts(cloud: Cloud, name: str) -> None:
    before = started(cloud, name)
    assert cloud.rds.reboot_db_instance(DBInstanceIdentifier=name)["DBInstance"]["DBInstanceStatus"] == "rebooting"
    cloud.available(name)
    assert started(cloud, name) > before


def test_a_class_change_waits_for_its_window_or_is_an_outage(cloud: Cloud, name: str) -> None:
    before = started(cloud, name)
    later = cloud.rds.modify_db_instance(DBInstanceIdentifier=name, DBInstanceClass="db.t4g.small")["DBInstance"]
    assert later["DBInstanceStatus"] == "available"
    assert later["DBInstanceClass"] == "db.t4g.micro"
    assert later["PendingModifiedValues"] == {"DBInstanceClass": "db.t4g.small"}
    assert started(cloud, name) == before
    now = cloud.rds.modify_db_instance(DBInstanceIdentifier=name, MultiAZ=True, ApplyImmediately=True)["DBInstance"]
    assert now["DBInstanceStatus"] == "modifying"
    assert now["PendingModifiedValues"] == {"DBInstanceClass": "db.t4g.small", "MultiAZ": True}
    after = cloud.available(name)
    assert (after["DBInstanceClass"], after["MultiAZ"], after["PendingModifiedValues"]) == ("db.t4g.small", True, {})
    assert started(cloud, name) > before


def test_what_waits_is_done_in_the_window(cloud: Cloud, name: str) -> None:
    now = datetime.now(UTC)
    if (now.hour, now.minute) >= (23, 58):
        pytest.skip("moto takes no window that goes from Sunday to Monday, and today ends")
    hours, backup = ("00:00", "12:00"), "13:00-13:30"
    if now.hour >= 12:
        hours, backup = ("12:00", "23:59"), "01:00-01:30"
    window = f"{now:%a}:{hours[0]}-{now:%a}:{hours[1]}"
    words = {"PreferredMaintenanceWindow": window, "PreferredBackupWindow": backup}
    cloud.rds.modify_db_instance(DBInstanceIdentifier=name, **words)
    cloud.rds.modify_db_instance(DBInstanceIdentifier=name, DBInstanceClass="db.t4g.medium")
    until(lambda: cloud.show(name)["DBInstanceClass"] == "db.t4g.medium")
    assert cloud.available(name)["PendingModifiedValues"] == {}


def test_what_needs_no_server_changes_at_once(cloud: Cloud, name: str) -> None:
    before = started(cloud, name)
    changed = cloud.rds.modify_db_instance(DBInstanceIdentifier=name, CopyTagsToSnapshot=True, AllocatedStorage=20)
    assert changed["DBInstance"]["DBInstanceStatus"] == "available"
    assert changed["DBInstance"]["CopyTagsToSnapshot"] is True
    assert changed["DBInstance"]["PendingModifiedValues"] == {}
    assert started(cloud, name) == before


def test_a_new_password_is_really_set(cloud: Cloud, name: str) -> None:
    for new, old in (("Another-Secret-1", PASSWORD), (PASSWORD, "Another-Secret-1")):
        cloud.rds.modify_db_instance(DBInstanceIdentifier=name, MasterUserPassword=new)
        cloud.available(name)
        assert cloud.sql(name, "SELECT 1", password=new) == [(1,)]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            cloud.connect(name, password=old)


def test_port_and_name_can_change(cloud: Cloud, name: str) -> None:
    resource = cloud.show(name)["DbiResourceId"]
    words: dict[str, Any] = {"NewDBInstanceIdentifier": "renamed", "DBPortNumber": 5433, "ApplyImmediately": True}
    cloud.rds.modify_db_instance(DBInstanceIdentifier=name, **words)
    until(lambda: identifiers(cloud) == ["renamed"])
    renamed = cloud.available("renamed")
    assert renamed["DbiResourceId"] == resource
    assert renamed["Endpoint"]["Port"] == 5433
    assert cloud.sql("renamed", "SELECT text FROM notes") == [("kept",)]
    back: dict[str, Any] = {"NewDBInstanceIdentifier": name, "DBPortNumber": 5432, "ApplyImmediately": True}
    cloud.rds.modify_db_instance(DBInstanceIdentifier="renamed", **back)
    until(lambda: identifiers(cloud) == [name])
    assert cloud.available(name)["Endpoint"]["Port"] == 5432


def test_deletion_is_refused_until_it_is_meant(cloud: Cloud, name: str) -> None:
    delete = cloud.rds.delete_db_instance
    cloud.rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=True, ApplyImmediately=True)
    assert "Cannot delete protected" in refused(delete, DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    cloud.rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    assert "FinalDBSnapshotIdentifier is required" in refused(delete, DBInstanceIdentifier=name)
    both = {"SkipFinalSnapshot": True, "FinalDBSnapshotIdentifier": "last"}
    assert "cannot be specified" in refused(delete, DBInstanceIdentifier=name, **both)
    assert cloud.sql(name, "SELECT text FROM notes") == [("kept",)]


def test_deletion_leaves_the_final_snapshot_and_nothing_else(cloud: Cloud) -> None:
    cloud.create("gone", ManageMasterUserPassword=True)
    folder, pid = cloud.folder("gone"), cloud.row("gone")["pid"]
    secret = cloud.show("gone")["MasterUserSecret"]["SecretArn"]
    words = {"DBInstanceIdentifier": "gone", "FinalDBSnapshotIdentifier": "gone-final"}
    assert cloud.rds.delete_db_instance(**words)["DBInstance"]["DBInstanceStatus"] == "deleting"
    assert "already being deleted" in refused(cloud.rds.delete_db_instance, **words)
    cloud.gone("gone")
    cloud.snapshotted("gone-final")
    assert not folder.exists()
    assert pid not in [row["pid"] for row in cloud.rows()]
    assert "ResourceNotFound" in refused(cloud.sandbox.client("secretsmanager").describe_secret, SecretId=secret)
