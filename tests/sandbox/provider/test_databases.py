"""RDS through the provider: a real PostgreSQL is waited for, changed, protected and deleted by the state's rules."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest

from tests.sandbox.conftest import Sandbox
from tests.sandbox.provider.engine import NONE, Engine
from tests.sandbox.provider.world import Stack

pytestmark = pytest.mark.sandbox
TOKEN = "aws:rds/instance:Instance"


def inputs(stack: Stack, **more: Any) -> dict[str, Any]:
    return {
        "identifier": "acme",
        "engine": "postgres",
        "engineVersion": "17",
        "instanceClass": "db.t4g.micro",
        "allocatedStorage": 20,
        "maxAllocatedStorage": 40,
        "storageType": "gp3",
        "storageEncrypted": True,
        "kmsKeyId": stack.arn("key"),
        "dbName": "product",
        "port": 5432,
        "username": "provision",
        "manageMasterUserPassword": True,
        "masterUserSecretKmsKeyId": stack.arn("key"),
        "dbSubnetGroupName": stack.id("subnets"),
        "parameterGroupName": stack.id("parameters"),
        "vpcSecurityGroupIds": [stack.id("group")],
        "backupRetentionPeriod": 1,
        "backupWindow": "01:00-02:00",
        "maintenanceWindow": "mon:02:30-mon:03:30",
        "deletionProtection": True,
        "copyTagsToSnapshot": True,
        "iamDatabaseAuthenticationEnabled": True,
        "enabledCloudwatchLogsExports": ["postgresql", "upgrade"],
        "performanceInsightsEnabled": True,
        "performanceInsightsKmsKeyId": stack.arn("key"),
        "performanceInsightsRetentionPeriod": 7,
        "caCertIdentifier": "rds-ca-rsa2048-g1",
        "engineLifecycleSupport": "open-source-rds-extended-support-disabled",
        "autoMinorVersionUpgrade": True,
        "multiAz": False,
        "monitoringInterval": 0,
        "applyImmediately": True,
        "finalSnapshotIdentifier": "acme-final",
        "tags": stack.engine.tags("database"),
        **more,
    }


@pytest.fixture
def stack(sandbox: Sandbox, engine: Engine, base: Stack) -> Any:
    made = Stack(sandbox, engine, base)
    parameters = [{"name": "rds.force_ssl", "value": "1"}]
    subnets = {"name": "acme", "subnetIds": [made.id("subnet-a"), made.id("subnet-b")]}
    made.make("aws:rds/subnetGroup:SubnetGroup", "subnets", subnets)
    made.make(
        "aws:rds/parameterGroup:ParameterGroup",
        "parameters",
        {"name": "acme", "family": "postgres17", "parameters": parameters},
    )
    yield made
    made.end()


def test_life_of_a_database(stack: Stack, sandbox: Sandbox) -> None:
    engine = stack.engine
    made = engine.create(TOKEN, "database", inputs(stack), known=[])
    state = made.state
    assert made.id == state["resourceId"]
    assert made.id.startswith("db-")
    assert state["status"] == "available"
    assert state["endpoint"] == f"{state['address']}:{state['port']}"
    assert state["engineVersion"] == "17"
    assert state["engineVersionActual"].startswith("17.")
    assert state["masterUserSecrets"][0]["secretArn"].startswith("arn:aws:secretsmanager:")
    assert "password" not in state
    assert engine.diff(made, engine.checked(TOKEN, "database", inputs(stack), made.inputs)).changes == NONE

    again = engine.create(TOKEN, "database", inputs(stack), known=[])
    assert again.id == made.id
    for by in (made.id, "acme"):
        imported = engine.import_(TOKEN, "database", by)
        assert imported
        assert imported.id == made.id
        assert not list(engine.diff(imported, made.inputs).replaces)

    read = engine.refresh(made)
    assert read
    assert engine.diff(read, made.inputs).changes == NONE
    sandbox.client("rds").modify_db_instance(DBInstanceIdentifier="acme", BackupRetentionPeriod=3)
    sandbox.client("rds").get_waiter("db_instance_available").wait(
        DBInstanceIdentifier="acme", WaiterConfig={"Delay": 1}
    )
    drifted = engine.refresh(made)
    assert drifted
    assert list(engine.diff(drifted, made.inputs).detailedDiff) == ["backupRetentionPeriod"]

    wanted = engine.checked(TOKEN, "database", inputs(stack, allocatedStorage=30), made.inputs)
    assert not list(engine.diff(drifted, wanted).replaces)
    changed = engine.update(drifted, wanted)
    assert changed.state["allocatedStorage"] == 30
    assert changed.state["backupRetentionPeriod"] == 1
    assert engine.diff(changed, wanted).changes == NONE
    other = engine.checked(TOKEN, "database", inputs(stack, kmsKeyId=stack.arn("key-2")), made.inputs)
    assert list(engine.diff(changed, other).replaces) == ["kmsKeyId"]

    refuse_then_delete(stack, sandbox, changed)


def refuse_then_delete(stack: Stack, sandbox: Sandbox, made: Any) -> None:
    """What deletes is the state, not the program."""
    engine = stack.engine
    without_snapshot = replace(made, state={k: v for k, v in made.state.items() if k != "finalSnapshotIdentifier"})
    with pytest.raises(grpc.RpcError, match="finalSnapshotIdentifier is required when skipFinalSnapshot is false"):
        engine.delete(without_snapshot)
    with pytest.raises(grpc.RpcError, match=r"(?i)deletion protection"):
        engine.delete(made)
    unprotected = engine.checked(TOKEN, "database", inputs(stack, allocatedStorage=30, deletionProtection=False))
    made = engine.update(made, unprotected)
    engine.delete(made)
    snapshots = sandbox.client("rds").describe_db_snapshots(DBSnapshotIdentifier="acme-final")["DBSnapshots"]
    assert snapshots[0]["Status"] == "available"
    assert engine.refresh(made) is None
    engine.delete(made)


@pytest.mark.faults
def test_a_lost_reply_makes_one_database(stack: Stack, sandbox: Sandbox, connect: Callable[..., Engine]) -> None:
    origins: list[tuple[str, dict[str, str]]] = [
        ("CreateDBInstance", {}),
        ("RestoreDBInstanceFromDBSnapshot", {"snapshotIdentifier": "lost-final"}),
    ]
    for operation, origin in origins:
        sandbox.control.add_fault({"kind": "lost-reply", "service": "rds", "operation": operation, "stop": 1})
        wanted = inputs(stack, identifier="lost", deletionProtection=False, finalSnapshotIdentifier="lost-final")
        made = connect().create(TOKEN, "database", wanted | origin | ({"skipFinalSnapshot": True} if origin else {}))
        sandbox.control.clear_faults()
        found = sandbox.client("rds").describe_db_instances()["DBInstances"]
        assert [d["DBInstanceIdentifier"] for d in found] == ["lost"]
        stack.engine.delete(made)


def test_a_database_begins_as_a_snapshot_or_as_another_was(stack: Stack, sandbox: Sandbox) -> None:
    """What the restore's call doesn't take is brought to the inputs all the same; where it began is no drift."""
    engine, rds = stack.engine, sandbox.client("rds")
    loose = {"deletionProtection": False, "skipFinalSnapshot": True}
    first = engine.create(TOKEN, "database", inputs(stack, **loose), known=[])
    rds.create_db_snapshot(DBInstanceIdentifier="acme", DBSnapshotIdentifier="acme-p1")
    rds.get_waiter("db_snapshot_available").wait(DBSnapshotIdentifier="acme-p1", WaiterConfig={"Delay": 1})
    rds.get_waiter("db_instance_available").wait(DBInstanceIdentifier="acme", WaiterConfig={"Delay": 1})
    origins: list[dict[str, Any]] = [
        {"snapshotIdentifier": "acme-p1"},
        {"restoreToPointInTime": {"sourceDbiResourceId": first.id, "useLatestRestorableTime": True}},
    ]
    for number, origin in enumerate(origins):
        name = f"database-{number}"
        wanted = inputs(stack, identifier=f"acme-{number}", **origin, **loose, tags=engine.tags(name))
        wanted |= {"backupRetentionPeriod": 3, "maintenanceWindow": "tue:02:30-tue:03:30"}
        for of_the_source in ("dbName", "allocatedStorage", "engineVersion"):
            del wanted[of_the_source]
        made = engine.create(TOKEN, name, wanted, known=[])
        from_source = {"status": "available", "dbName": "product", "allocatedStorage": 20}
        assert {k: made.state[k] for k in from_source} == from_source
        asked = ("maxAllocatedStorage", "backupRetentionPeriod", "maintenanceWindow", "kmsKeyId", "parameterGroupName")
        assert {k: made.state[k] for k in asked} == {k: wanted[k] for k in asked}
        assert made.state["performanceInsightsEnabled"] is True
        assert made.state["masterUserSecrets"][0]["secretStatus"] == "active"
        # A run that died finds it by its name and its tags.
        assert engine.create(TOKEN, name, wanted, known=[]).id == made.id
        read = engine.refresh(made)
        assert read
        assert {k: read.state[k] for k in origin} == origin
        assert engine.diff(read, made.inputs).changes == NONE
        new = {k: v for k, v in wanted.items() if k not in origin} | {"allocatedStorage": 20}
        without = engine.checked(TOKEN, name, new)
        assert list(engine.diff(read, without).replaces) == list(origin)
        ignored = ("snapshotIdentifier", "restoreToPointInTime")
        assert engine.diff(read, without, ignored).changes == NONE
        engine.delete(made)
    engine.delete(first)


def test_a_restore_says_what_it_lacks(engine: Engine) -> None:
    def reasons(**given: Any) -> list[str]:
        return [f.reason for f in engine.check(TOKEN, "d", {"instanceClass": "db.t4g.micro", **given}).failures]

    assert reasons(snapshotIdentifier="s") == []
    assert "username is needed for an instance that isn't restored" in reasons(password="long-enough-9")
    point = {"sourceDbInstanceIdentifier": "a", "restoreTime": "2026-11-25T10:00:00Z"}
    assert reasons(restoreToPointInTime=point) == []
    assert reasons(restoreToPointInTime=point, snapshotIdentifier="s") == [
        "snapshotIdentifier and restoreToPointInTime exclude each other"
    ]
    assert len(reasons(restoreToPointInTime={**point, "useLatestRestorableTime": True})) == 1


def test_a_key_that_cannot_be_used_is_named(stack: Stack, sandbox: Sandbox) -> None:
    kms, key = sandbox.client("kms"), stack.arn("key-2")
    kms.disable_key(KeyId=key)
    with pytest.raises(grpc.RpcError, match=f"KMSKeyNotAccessibleFault.*{key}"):
        stack.engine.create(TOKEN, "database", inputs(stack, kmsKeyId=key), known=[])
    kms.enable_key(KeyId=key)
