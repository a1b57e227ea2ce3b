"""Snapshots, times to restore to, and stopping and starting, through the adapters."""

from datetime import UTC, datetime, timedelta

import pytest

from provisioner.cloud.aws import AwsCloud
from provisioner.model.errors import ProvisionError, RefusedError
from tests.sandbox.cloud.conftest import TENANT, cloud_of, until
from tests.sandbox.conftest import Sandbox
from tests.sandbox.databases.conftest import Cloud as Rds

pytestmark = pytest.mark.sandbox
ACME = {TENANT: "acme", "provision:point": "1"}


def available(cloud: AwsCloud, name: str) -> None:
    until(lambda: (found := cloud.snapshot(name)) and found.status == "available")


def test_a_snapshot_is_made_once_and_is_the_tenant_s(cloud: AwsCloud, database: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    assert cloud.snapshot("acme-1") is None
    made = cloud.make_snapshot(database, "acme-1", ACME)
    assert (made.name, made.database, made.size_gib, made.encrypted) == ("acme-1", "acme", 20, False)
    # A second one waits for the first; the same again is what is there.
    cloud.make_snapshot(database, "acme-2", ACME)
    again = cloud.make_snapshot(database, "acme-1", ACME)
    assert again.arn == made.arn
    available(cloud, "acme-2")
    found = cloud.snapshot("acme-1")
    assert found is not None
    assert found.taken_at is not None
    assert before < found.taken_at < datetime.now(UTC) + timedelta(seconds=5)
    assert found.tags == ACME
    with pytest.raises(RefusedError, match="acme-1 is there already, and is not tagged provision:tenant=beta"):
        cloud.make_snapshot(database, "acme-1", {TENANT: "beta"})
    assert [s.name for s in cloud.snapshots("acme")] == ["acme-1", "acme-2"]
    assert cloud.snapshots("beta") == []
    cloud.delete_snapshot("acme-2")
    cloud.delete_snapshot("acme-2")
    assert [s.name for s in cloud.snapshots("acme")] == ["acme-1"]


def test_copies_stand_alone_in_this_region_and_in_another(sandbox: Sandbox, cloud: AwsCloud, database: str) -> None:
    source = cloud.make_snapshot(database, "acme-source", ACME)
    available(cloud, "acme-source")
    away = cloud_of(sandbox, "eu-central-1")
    for place, region in ((cloud, "eu-west-1"), (away, "eu-central-1")):
        key = sandbox.client("kms", region).create_key()["KeyMetadata"]["Arn"]
        for _ in range(2):
            copy = place.copy_snapshot(source.arn, "beta-copy", {TENANT: "beta"}, key)
        assert (copy.key, copy.encrypted, copy.tags) == (key, True, {TENANT: "beta"})
        available(place, "beta-copy")
        found = place.snapshot("beta-copy")
        original = cloud.snapshot("acme-source")
        assert found is not None
        assert original is not None
        assert found.taken_at == original.taken_at
        assert [s.name for s in place.snapshots("beta")] == ["beta-copy"]
    with pytest.raises(ProvisionError, match="KmsKeyId"):  # an encrypted one needs a key of the other region
        away.copy_snapshot(str(copy_arn(cloud, "beta-copy")), "beta-other", {TENANT: "beta"}, None)
    with pytest.raises(RefusedError, match="provision:tenant=acme"):
        cloud.copy_snapshot(source.arn, "beta-copy", ACME, None)


def copy_arn(cloud: AwsCloud, name: str) -> str:
    found = cloud.snapshot(name)
    assert found is not None
    return found.arn


def test_times_to_restore_to(cloud: AwsCloud, rds: Rds, database: str) -> None:
    window = until(lambda: cloud.restorable(database))
    assert window is not None
    assert window.earliest <= window.latest <= datetime.now(UTC)
    assert window.latest.tzinfo is not None
    rds.create("plain")
    assert cloud.restorable("plain") is None
    assert cloud.restorable("nobody") is None


def test_a_database_stops_and_starts(cloud: AwsCloud, database: str) -> None:
    def status() -> str:
        found = cloud.database(database)
        assert found is not None
        return found.status

    cloud.start_database(database)
    cloud.stop_database(database)
    cloud.stop_database(database)
    until(lambda: status() == "stopped")
    with pytest.raises(ProvisionError, match="acme is stopped: RDS takes snapshots of running ones only"):
        cloud.make_snapshot(database, "acme-asleep", ACME)
    assert cloud.make_snapshot(database, "acme-1", ACME).name == "acme-1"
    cloud.start_database(database)
    cloud.stop_database(database)  # waits for the start
    cloud.start_database(database)  # waits for the stop
    until(lambda: status() == "available")
    cloud.stop_database("nobody")
    with pytest.raises(ProvisionError, match="no database nobody to start"):
        cloud.start_database("nobody")


def test_a_key_is_retired_once(sandbox: Sandbox, cloud: AwsCloud) -> None:
    kms = sandbox.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    for _ in range(2):
        cloud.retire_key(key, 7)
    found = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert found["KeyState"] == "PendingDeletion"
    cloud.retire_key(key.replace(key[-12:], "000000000000"), 7)
    assert cloud.key_state(key) == "PendingDeletion"
