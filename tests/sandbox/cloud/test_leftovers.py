"""What a tenant leaves is found by its tag, or by a name that can be no other tenant's: acme's, and never acme-b's."""

from typing import Any

import pytest

from provisioner.cloud.aws import AwsCloud
from tests.sandbox.cloud.conftest import TENANT, until
from tests.sandbox.conftest import Sandbox
from tests.sandbox.databases.conftest import Cloud as Rds

pytestmark = pytest.mark.sandbox
TENANTS = ("acme", "acme-b")


def record(sandbox: Sandbox, zone: str, name: str) -> str:
    what: dict[str, Any] = {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.0.0.1"}]}
    changes = [{"Action": "UPSERT", "ResourceRecordSet": what}]
    sandbox.client("route53").change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})
    return f"{zone}_{name}_A"


def test_snapshots_logs_and_names(sandbox: Sandbox, cloud: AwsCloud, rds: Rds) -> None:
    left: dict[str, list[str]] = {tenant: [] for tenant in TENANTS}
    logs, zone = sandbox.client("logs"), sandbox.control.ensure_zone("sandbox.test").rpartition("/")[2]
    for tenant, found in left.items():
        tags = [{"Key": TENANT, "Value": tenant}]
        rds.create(f"{tenant}-x1", CopyTagsToSnapshot=True, BackupRetentionPeriod=1, Tags=tags)
        made = rds.rds.create_db_snapshot(DBInstanceIdentifier=f"{tenant}-x1", DBSnapshotIdentifier=f"{tenant}-point")
        found += [f"{tenant}-x1", made["DBSnapshot"]["DBSnapshotArn"]]
        for group in (f"/aws/rds/instance/{tenant}-x1/postgresql", f"/provision/{tenant}/machine"):
            logs.create_log_group(logGroupName=group, tags={TENANT: tenant})
            found.append(group)
        found += [record(sandbox, zone, f"{name}{tenant}.sandbox.test") for name in ("", "_proof.")]
    record(sandbox, zone, "acme-a.sandbox.test")
    record(sandbox, zone, "xacme.sandbox.test")
    logs.create_log_group(logGroupName="/aws/rds/instance/acme-someone/postgresql")
    until(lambda: all(cloud.snapshot(f"{tenant}-point").status == "available" for tenant in TENANTS))  # type: ignore[union-attr]
    for tenant, found in left.items():
        assert cloud.leftovers(tenant) == sorted(found)
    assert cloud.leftovers("acm") == []


def test_of_one_stack_is_what_bears_its_tag(sandbox: Sandbox, cloud: AwsCloud) -> None:
    tags = [{"Key": TENANT, "Value": "acme"}, {"Key": "provision:stack", "Value": "drill/acme-d1"}]
    before = cloud.leftovers("acme")
    kind: dict[str, Any] = {"ResourceType": "vpc", "Tags": tags}
    vpc = sandbox.client("ec2").create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=[kind])["Vpc"]["VpcId"]
    secret = sandbox.client("secretsmanager").create_secret(Name="provision/acme/acme-d1", Tags=tags)["ARN"]
    assert cloud.leftovers("acme", stack="drill/acme-d1") == sorted([vpc, secret])
    assert cloud.leftovers("acme", stack="tenant/acme") == []
    assert cloud.leftovers("acme") == sorted([*before, vpc, secret])


def test_a_database_s_snapshots_outlive_it(cloud: AwsCloud, rds: Rds) -> None:
    rds.rds.delete_db_instance(DBInstanceIdentifier="acme-x1", FinalDBSnapshotIdentifier="acme-final")
    rds.gone("acme-x1")
    names = [item.rpartition(":snapshot:")[2] for item in cloud.leftovers("acme") if ":snapshot:" in item]
    assert names == ["acme-final", "acme-point"]
