"""What RDS refuses is refused with RDS's errors, and nothing is made of it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.databases.conftest import PASSWORD, Cloud

pytestmark = pytest.mark.sandbox

_GOOD: dict[str, Any] = {
    "DBInstanceIdentifier": "acme",
    "Engine": "postgres",
    "DBInstanceClass": "db.t4g.micro",
    "AllocatedStorage": 20,
    "MasterUsername": "provision",
    "MasterUserPassword": PASSWORD,
}


def made(cloud: Cloud) -> tuple[int, int]:
    """How many instances and secrets there are."""
    secrets = cloud.sandbox.client("secretsmanager").list_secrets()["SecretList"]
    return len(cloud.rds.describe_db_instances()["DBInstances"]), len(secrets)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ({"EngineVersion": "17.99"}, "InvalidParameterCombination", "Cannot find version 17.99 for postgres"),
        ({"EngineVersion": "16"}, "InvalidParameterCombination", "the sandbox has 17.10 only"),
        ({"Engine": "mysql"}, "NotSupportedBySandbox", "engine mysql is not supported by the sandbox"),
        ({"DBInstanceClass": "db.t4g.huge"}, "InvalidParameterValue", "Invalid DB Instance class: db.t4g.huge"),
        ({"DBInstanceClass": "t4g.micro"}, "InvalidParameterValue", "Invalid DB Instance class"),
        ({"AllocatedStorage": 5}, "InvalidParameterValue", "Invalid storage size"),
        ({"AllocatedStorage": 5000, "StorageType": "floppy"}, "InvalidParameterValue", "Invalid storage type"),
        ({"MasterUserPassword": "short"}, "InvalidParameterValue", "not a valid password"),
        ({"MasterUserPassword": "with a space"}, "InvalidParameterValue", "Only printable ASCII"),
        ({"ManageMasterUserPassword": True}, "InvalidParameterCombination", "ManageMasterUserPassword is enabled"),
        ({"MasterUsername": "rdsadmin"}, "InvalidParameterValue", "reserved word"),
        ({"MasterUsername": "pg_owner"}, "InvalidParameterValue", "reserved word"),
        ({"MasterUsername": "1st"}, "InvalidParameterValue", "not a valid identifier"),
        ({"DBName": "template1"}, "InvalidParameterValue", "reserved word"),
        ({"DBName": "my-db"}, "InvalidParameterValue", "DBName must begin"),
        ({"BackupRetentionPeriod": 36}, "InvalidParameterValue", "between 0 and 35"),
        ({"DBParameterGroupName": "none"}, "DBParameterGroupNotFound", "none"),
        ({"DBParameterGroupName": "old"}, "InvalidParameterCombination", "DBParameterGroupFamily postgres17"),
        ({"KmsKeyId": "11111111-2222-3333-4444-555555555555", "StorageEncrypted": True}, "KMSKeyNotAccessible", ""),
        ({"DBInstanceIdentifier": "two--hyphens"}, "InvalidParameterValue", ""),
        ({"PreferredMaintenanceWindow": "mon:00:00-mon:00:10"}, "InvalidParameterValue", "30 minutes"),
    ],
)
def test_creation(cloud: Cloud, words: dict[str, Any], code: str, said: str) -> None:
    before = made(cloud)
    if "old" in words.values():
        cloud.rds.create_db_parameter_group(
            DBParameterGroupName="old", DBParameterGroupFamily="postgres16", Description="of another major"
        )
    with pytest.raises(ClientError) as caught:
        cloud.rds.create_db_instance(**{**_GOOD, **words})
    error = caught.value.response["Error"]
    assert error["Code"].startswith(code)
    assert said in error["Message"]
    assert made(cloud) == before


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("create_db_cluster", {"DBClusterIdentifier": "a", "Engine": "postgres"}),
        ("create_db_instance_read_replica", {"DBInstanceIdentifier": "a", "SourceDBInstanceIdentifier": "b"}),
        ("create_blue_green_deployment", {"BlueGreenDeploymentName": "a", "Source": "arn:aws:rds:eu-west-1:1:db:b"}),
    ],
)
def test_what_has_no_body_here(cloud: Cloud, operation: str, words: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="not supported by the sandbox"):
        getattr(cloud.rds, operation)(**words)


def test_the_offers_are_true(cloud: Cloud) -> None:
    versions = cloud.rds.describe_db_engine_versions(Engine="postgres", EngineVersion="17")["DBEngineVersions"]
    assert [(v["EngineVersion"], v["DBParameterGroupFamily"]) for v in versions] == [("17.10", "postgres17")]
    assert cloud.rds.describe_db_engine_versions(Engine="mysql")["DBEngineVersions"] == []
    pages = cloud.rds.get_paginator("describe_orderable_db_instance_options").paginate(
        Engine="postgres", DBInstanceClass="db.m7g.large"
    )
    options = [option for page in pages for option in page["OrderableDBInstanceOptions"]]
    assert {option["DBInstanceClass"] for option in options} == {"db.m7g.large"}
    assert cloud.rds.describe_pending_maintenance_actions()["PendingMaintenanceActions"] == []


def test_modifications(cloud: Cloud) -> None:
    cloud.create("acme")
    cloud.create("other", ManageMasterUserPassword=True)
    modify = cloud.rds.modify_db_instance
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("acme", {"AllocatedStorage": 19}, "can't be reduced"),
        ("acme", {"EngineVersion": "18.1"}, "Cannot find version"),
        ("acme", {"DBInstanceClass": "db.x"}, "Invalid DB Instance class"),
        ("acme", {"NewDBInstanceIdentifier": "other"}, "already exists"),
        ("acme", {"RotateMasterUserPassword": True}, "can't rotate"),
        ("acme", {"DBParameterGroupName": "none"}, "none"),
        ("other", {"MasterUserPassword": PASSWORD}, "managed password"),
        ("other", {"ManageMasterUserPassword": False}, "must specify MasterUserPassword"),
        ("other", {"RotateMasterUserPassword": True, "ApplyImmediately": False}, "apply immediately"),
        ("nobody", {"MultiAZ": True}, "not found"),
    ]
    for name, words, said in cases:
        with pytest.raises(ClientError, match=said):
            modify(DBInstanceIdentifier=name, **words)
    grown = modify(DBInstanceIdentifier="acme", AllocatedStorage=21, ApplyImmediately=True)["DBInstance"]
    assert grown["PendingModifiedValues"] == {"AllocatedStorage": 22}  # at least a tenth more
    assert cloud.available("acme")["AllocatedStorage"] == 22
    with pytest.raises(ClientError, match="already exists"):
        cloud.rds.create_db_instance(**_GOOD)
    for name in ("acme", "other"):
        cloud.rds.delete_db_instance(DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        cloud.gone(name)


def test_what_is_not_ready_is_left_alone(cloud: Cloud) -> None:
    cloud.rds.create_db_instance(**{**_GOOD, "DBInstanceIdentifier": "early"})
    name = {"DBInstanceIdentifier": "early"}
    cases: list[tuple[str, dict[str, Any]]] = [
        ("modify_db_instance", {"MultiAZ": True}),
        ("stop_db_instance", {}),
        ("create_db_snapshot", {"DBSnapshotIdentifier": "early"}),
        ("delete_db_instance", {"FinalDBSnapshotIdentifier": "early"}),
    ]
    for operation, words in cases:
        with pytest.raises(ClientError, match="InvalidDBInstanceState"):
            getattr(cloud.rds, operation)(**name, **words)
    cloud.rds.delete_db_instance(**name, SkipFinalSnapshot=True)
    cloud.gone("early")
