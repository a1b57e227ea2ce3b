"""Snapshots in other regions, their tags and their keys: what can't be decrypted is not restored."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.databases.conftest import Cloud, until

pytestmark = pytest.mark.sandbox
AWAY = "eu-central-1"
TAGS = {"provision:tenant": "acme", "more": "1"}


@pytest.fixture(scope="module")
def key(cloud: Cloud) -> str:
    return str(cloud.sandbox.client("kms").create_key()["KeyMetadata"]["Arn"])


@pytest.fixture(scope="module")
def source(cloud: Cloud, key: str) -> str:
    """An encrypted instance with a row, whose snapshots bear its tags, and one of them: `point`."""
    tags = [{"Key": k, "Value": v} for k, v in TAGS.items()]
    words = {"StorageEncrypted": True, "KmsKeyId": key, "CopyTagsToSnapshot": True, "BackupRetentionPeriod": 1}
    cloud.create("acme", Tags=tags, **words)
    cloud.sql("acme", "CREATE TABLE notes AS SELECT 7 AS number")
    cloud.rds.create_db_snapshot(DBInstanceIdentifier="acme", DBSnapshotIdentifier="point")
    cloud.snapshotted("point")
    until(lambda: cloud.show("acme").get("LatestRestorableTime"))
    return "acme"


@pytest.fixture(params=["disable_key", "schedule_key_deletion"])
def unusable(cloud: Cloud, key: str, request: pytest.FixtureRequest) -> Iterator[str]:
    kms = cloud.sandbox.client("kms")
    getattr(kms, request.param)(KeyId=key)
    yield key
    if request.param == "schedule_key_deletion":
        kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)


def test_a_key_that_cannot_be_used(cloud: Cloud, source: str, unusable: str) -> None:
    rds = cloud.rds
    new = {"Engine": "postgres", "DBInstanceClass": "db.t4g.micro", "AllocatedStorage": 20, "MasterUsername": "master"}
    calls: list[Callable[[], Any]] = [
        lambda: rds.create_db_instance(
            DBInstanceIdentifier="b", ManageMasterUserPassword=True, KmsKeyId=unusable, StorageEncrypted=True, **new
        ),
        lambda: rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="b", DBSnapshotIdentifier="point"),
        lambda: rds.restore_db_instance_to_point_in_time(
            TargetDBInstanceIdentifier="b", SourceDBInstanceIdentifier=source, UseLatestRestorableTime=True
        ),
        lambda: rds.copy_db_snapshot(SourceDBSnapshotIdentifier="point", TargetDBSnapshotIdentifier="b"),
    ]
    for call in calls:
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "KMSKeyNotAccessibleFault"
        assert unusable in caught.value.response["Error"]["Message"]
    assert [d["DBInstanceIdentifier"] for d in rds.describe_db_instances()["DBInstances"]] == [source]
    assert [s["DBSnapshotIdentifier"] for s in rds.describe_db_snapshots(SnapshotType="manual")["DBSnapshots"]] == [
        "point"
    ]


def test_a_stopped_one_does_not_start_without_its_key(cloud: Cloud, source: str, key: str) -> None:
    kms = cloud.sandbox.client("kms")
    cloud.rds.stop_db_instance(DBInstanceIdentifier=source)
    until(lambda: cloud.show(source)["DBInstanceStatus"] == "stopped")
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError, match="KMSKeyNotAccessible"):
        cloud.rds.start_db_instance(DBInstanceIdentifier=source)
    kms.enable_key(KeyId=key)
    cloud.rds.start_db_instance(DBInstanceIdentifier=source)
    cloud.available(source)


def test_a_copy_in_another_region_is_restored_there(cloud: Cloud, source: str) -> None:
    away = cloud.sandbox.client("rds", AWAY)
    arn = cloud.rds.describe_db_snapshots(DBSnapshotIdentifier="point")["DBSnapshots"][0]["DBSnapshotArn"]
    words: dict[str, Any] = {"SourceDBSnapshotIdentifier": arn, "SourceRegion": "eu-west-1"}
    words |= {"TargetDBSnapshotIdentifier": "there"}
    with pytest.raises(ClientError, match=f"specify a KmsKeyId of {AWAY}"):
        away.copy_db_snapshot(**words)
    with pytest.raises(ClientError, match="KMSKeyNotAccessible"):
        away.copy_db_snapshot(KmsKeyId="alias/nobody", **words)
    key = cloud.sandbox.client("kms", AWAY).create_key()["KeyMetadata"]["Arn"]
    away.copy_db_snapshot(KmsKeyId=key, Tags=[{"Key": "own", "Value": "1"}], **words)
    away.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="there", WaiterConfig={"Delay": 1})
    shown = away.describe_db_snapshots(DBSnapshotIdentifier="there")["DBSnapshots"][0]
    asked = ("KmsKeyId", "Encrypted", "SourceRegion", "SourceDBSnapshotIdentifier", "SnapshotType")
    assert [shown[k] for k in asked] == [key, True, "eu-west-1", arn, "manual"]
    assert shown["TagList"] == [{"Key": "own", "Value": "1"}]
    assert shown["OriginalSnapshotCreateTime"] < shown["SnapshotCreateTime"]
    # A snapshot is its region's: neither region restores the other's.
    for rds, foreign in ((cloud.rds, shown["DBSnapshotArn"]), (away, arn)):
        with pytest.raises(ClientError, match="DBSnapshotNotFound"):
            rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="c", DBSnapshotIdentifier=foreign)
    group = cloud.sandbox.client("ec2", AWAY).describe_security_groups()["SecurityGroups"][0]["GroupId"]
    away.restore_db_instance_from_db_snapshot(
        DBInstanceIdentifier="acme-away", DBSnapshotIdentifier="there", VpcSecurityGroupIds=[group]
    )
    away.get_waiter("db_instance_available").wait(DBInstanceIdentifier="acme-away", WaiterConfig={"Delay": 1})
    found = away.describe_db_instances(DBInstanceIdentifier="acme-away")["DBInstances"][0]
    assert found["KmsKeyId"] == key
    end = found["Endpoint"]
    rows = cloud.sql(source, "SELECT number FROM notes", host=end["Address"], port=end["Port"])
    assert rows == [(7,)]
    away.delete_db_instance(DBInstanceIdentifier="acme-away", SkipFinalSnapshot=True)


def test_tags_of_snapshots(cloud: Cloud, source: str) -> None:
    def tags(name: str) -> dict[str, str]:
        cloud.snapshotted(name)
        found = cloud.rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"][0]
        return {t["Key"]: t["Value"] for t in found["TagList"]}

    own = [{"Key": "own", "Value": "1"}]
    cloud.rds.create_db_snapshot(DBInstanceIdentifier=source, DBSnapshotIdentifier="own", Tags=own)
    copy = cloud.rds.copy_db_snapshot
    copy(SourceDBSnapshotIdentifier="point", TargetDBSnapshotIdentifier="bare")
    copy(SourceDBSnapshotIdentifier="point", TargetDBSnapshotIdentifier="same", CopyTags=True)
    assert [tags(name) for name in ("point", "own", "bare", "same")] == [TAGS, {"own": "1"}, {}, TAGS]


def test_a_restored_one_has_a_working_managed_password_and_a_tagged_end(cloud: Cloud, source: str) -> None:
    tags = [{"Key": k, "Value": v} for k, v in TAGS.items()]
    words = {"ManageMasterUserPassword": True, "Tags": tags, "CopyTagsToSnapshot": True}
    cloud.rds.restore_db_instance_from_db_snapshot(DBInstanceIdentifier="acme-x", DBSnapshotIdentifier="point", **words)
    with pytest.raises(ClientError, match="is in use"):
        cloud.rds.delete_db_snapshot(DBSnapshotIdentifier="point")
    cloud.available("acme-x")
    password = cloud.managed_password("acme-x")
    assert cloud.sql("acme-x", "SELECT number FROM notes", password=password) == [(7,)]
    cloud.rds.delete_db_instance(DBInstanceIdentifier="acme-x", FinalDBSnapshotIdentifier="acme-x-final")
    cloud.gone("acme-x")
    final = cloud.rds.describe_db_snapshots(DBSnapshotIdentifier="acme-x-final")["DBSnapshots"][0]
    assert (final["Status"], final["SnapshotType"], final["TagList"]) == ("available", "manual", tags)
