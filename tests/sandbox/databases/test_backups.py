"""Snapshots and restores hold exactly the rows that they should."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.databases.conftest import Cloud, until

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def source(cloud: Cloud) -> str:
    """An instance that keeps backups."""
    words = {"DeletionProtection": True, "MultiAZ": True, "CopyTagsToSnapshot": True}
    cloud.create("source", BackupRetentionPeriod=7, Tags=[{"Key": "provision:tenant", "Value": "source"}], **words)
    cloud.sql("source", "CREATE TABLE notes (number serial PRIMARY KEY)")
    until(lambda: cloud.show("source").get("LatestRestorableTime"))
    return "source"


def add(cloud: Cloud, name: str) -> list[int]:
    """One row more; returns all of them."""
    cloud.sql(name, "INSERT INTO notes DEFAULT VALUES")
    return rows(cloud, name)


def rows(cloud: Cloud, name: str) -> list[int]:
    return [row[0] for row in cloud.sql(name, "SELECT number FROM notes ORDER BY number")]


def drop(cloud: Cloud, name: str) -> None:
    cloud.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
    cloud.gone(name)


def test_a_snapshot_holds_the_rows_of_its_time(cloud: Cloud, source: str) -> None:
    expected = add(cloud, source)
    made = cloud.rds.create_db_snapshot(DBInstanceIdentifier=source, DBSnapshotIdentifier="one")["DBSnapshot"]
    assert made["Status"] == "creating"
    assert cloud.show(source)["DBInstanceStatus"] in {"backing-up", "available"}
    cloud.snapshotted("one")
    cloud.available(source)
    later = add(cloud, source)
    restored = cloud.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="back", DBSnapshotIdentifier="one")
    assert restored["DBInstance"]["DBInstanceStatus"] == "creating"
    back = cloud.available("back")
    assert rows(cloud, "back") == expected
    assert rows(cloud, source) == later
    assert back["DbiResourceId"] != cloud.show(source)["DbiResourceId"]
    # AWS's defaults, not the source's.
    assert (back["MultiAZ"], back["DeletionProtection"]) == (False, False)
    assert back["DBParameterGroups"][0]["DBParameterGroupName"] == "default.postgres17"
    add(cloud, "back")
    assert rows(cloud, source) == later
    drop(cloud, "back")


def test_a_copied_snapshot_stands_alone(cloud: Cloud, source: str) -> None:
    expected = rows(cloud, source)
    cloud.rds.create_db_snapshot(DBInstanceIdentifier=source, DBSnapshotIdentifier="first")
    cloud.snapshotted("first")
    cloud.rds.copy_db_snapshot(SourceDBSnapshotIdentifier="first", TargetDBSnapshotIdentifier="two", CopyTags=True)
    cloud.snapshotted("two")
    deleted = cloud.rds.delete_db_snapshot(DBSnapshotIdentifier="first")["DBSnapshot"]
    assert deleted["Status"] == "deleted"
    with pytest.raises(ClientError, match="DBSnapshotNotFound"):
        cloud.rds.describe_db_snapshots(DBSnapshotIdentifier="first")
    cloud.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="copied", DBSnapshotIdentifier="two")
    cloud.available("copied")
    assert rows(cloud, "copied") == expected
    drop(cloud, "copied")


def test_a_point_in_time_has_exactly_the_rows_before_it(cloud: Cloud, source: str) -> None:
    expected = add(cloud, source)
    time.sleep(1.1)  # RestoreTime has whole seconds
    moment = datetime.now(UTC).replace(microsecond=0)
    time.sleep(1.1)
    add(cloud, source)
    until(lambda: cloud.show(source)["LatestRestorableTime"] >= moment)
    words: dict[str, Any] = {"SourceDBInstanceIdentifier": source, "RestoreTime": moment}
    cloud.rds.restore_db_instance_to_point_in_time(TargetDBInstanceIdentifier="then", **words)
    then = cloud.available("then")
    assert rows(cloud, "then") == expected
    assert (then["MultiAZ"], then["DeletionProtection"]) == (False, False)
    expected = add(cloud, "then")
    # A restored instance keeps backups of its own, from which the next one can be made.
    until(lambda: cloud.show("then").get("LatestRestorableTime"))
    words = {"SourceDbiResourceId": then["DbiResourceId"], "UseLatestRestorableTime": True}
    cloud.rds.restore_db_instance_to_point_in_time(TargetDBInstanceIdentifier="next", **words)
    cloud.available("next")
    assert rows(cloud, "next") == expected
    for name in ("then", "next"):
        drop(cloud, name)


def test_the_latest_time_has_everything(cloud: Cloud, source: str) -> None:
    expected = add(cloud, source)
    words: dict[str, Any] = {"SourceDBInstanceIdentifier": source, "UseLatestRestorableTime": True}
    cloud.rds.restore_db_instance_to_point_in_time(TargetDBInstanceIdentifier="latest", **words)
    cloud.available("latest")
    assert rows(cloud, "latest") == expected
    drop(cloud, "latest")


def test_a_stopped_source_can_be_restored_up_to_its_stop(cloud: Cloud, source: str) -> None:
    expected = rows(cloud, source)
    cloud.rds.stop_db_instance(DBInstanceIdentifier=source)
    until(lambda: cloud.show(source)["DBInstanceStatus"] == "stopped")
    newest = cloud.show(source)["LatestRestorableTime"]
    words: dict[str, Any] = {"SourceDBInstanceIdentifier": source, "RestoreTime": newest}
    cloud.rds.restore_db_instance_to_point_in_time(TargetDBInstanceIdentifier="asleep", **words)
    cloud.available("asleep")
    assert rows(cloud, "asleep") == expected
    drop(cloud, "asleep")
    cloud.rds.start_db_instance(DBInstanceIdentifier=source)
    cloud.available(source)


def test_the_automated_snapshot_and_window_are_listed(cloud: Cloud, source: str) -> None:
    found = cloud.rds.describe_db_snapshots(DBInstanceIdentifier=source, SnapshotType="automated")["DBSnapshots"]
    assert [snapshot["DBSnapshotIdentifier"].partition("-")[0] for snapshot in found] == ["rds:source"]
    with pytest.raises(ClientError, match="Only manual snapshots"):
        cloud.rds.delete_db_snapshot(DBSnapshotIdentifier=found[0]["DBSnapshotIdentifier"])
    backup = cloud.rds.describe_db_instance_automated_backups(DBInstanceIdentifier=source)["DBInstanceAutomatedBackups"]
    window = backup[0]["RestoreWindow"]
    assert window["EarliestTime"] <= window["LatestTime"] <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"RestoreTime": datetime(2031, 1, 1, tzinfo=UTC)}, "is not within"),
        ({"RestoreTime": datetime.now(UTC) - timedelta(days=2)}, "is not within"),
        ({}, "Specify either"),
        ({"RestoreTime": datetime.now(UTC), "UseLatestRestorableTime": True}, "Specify either"),
    ],
)
def test_times_that_cannot_be_restored(cloud: Cloud, source: str, words: dict[str, Any], said: str) -> None:
    with pytest.raises(ClientError, match=said):
        cloud.rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=source, TargetDBInstanceIdentifier="never", **words
        )


def test_retention_can_be_turned_off_and_on(cloud: Cloud, source: str) -> None:
    cloud.rds.modify_db_instance(DBInstanceIdentifier=source, BackupRetentionPeriod=0, ApplyImmediately=True)
    assert "LatestRestorableTime" not in cloud.available(source)
    assert not list((cloud.folder(source) / "backups").iterdir())
    with pytest.raises(ClientError, match="PointInTimeRestoreNotEnabled"):
        cloud.rds.restore_db_instance_to_point_in_time(
            SourceDBInstanceIdentifier=source, TargetDBInstanceIdentifier="never", UseLatestRestorableTime=True
        )
    cloud.rds.modify_db_instance(DBInstanceIdentifier=source, BackupRetentionPeriod=1, ApplyImmediately=True)
    cloud.available(source)
    until(lambda: cloud.show(source).get("LatestRestorableTime"))
