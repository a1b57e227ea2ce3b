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
    sandbox.control.add_fault({"kind": "lost-reply", "service": "rds", "operation": "CreateDBInstance", "stop": 1})
    wanted = inputs(stack, identifier="lost", deletionProtection=False, skipFinalSnapshot=True)
    made = connect().create(TOKEN, "database", wanted)
    sandbox.control.clear_faults()
    found = sandbox.client("rds").describe_db_instances()["DBInstances"]
    assert [d["DBInstanceIdentifier"] for d in found] == ["lost"]
    stack.engine.delete(made)
