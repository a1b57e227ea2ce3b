"""Files of a bucket: fetched with their sums, into their folder and nowhere else."""

import hashlib
import stat
from pathlib import Path

import pytest

from provisioner.cloud.aws import AwsCloud
from provisioner.model.cloud import StoredFile
from provisioner.model.errors import ProvisionError
from tests.sandbox.conftest import Sandbox

pytestmark = pytest.mark.sandbox
BUCKET = "acme-files"


@pytest.fixture
def bucket(sandbox: Sandbox, cloud: AwsCloud) -> str:
    s3 = sandbox.client("s3", "us-east-1")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    cloud.empty_bucket(BUCKET)
    return BUCKET


def put(sandbox: Sandbox, **bodies: str) -> None:
    for key, body in bodies.items():
        sandbox.client("s3").put_object(Bucket=BUCKET, Key=key.replace("__", "/"), Body=body.encode())


def keys(sandbox: Sandbox) -> list[str]:
    found = sandbox.client("s3").list_object_versions(Bucket=BUCKET)
    return [v["Key"] for v in (*found.get("Versions", []), *found.get("DeleteMarkers", []))]


def test_what_is_fetched(sandbox: Sandbox, cloud: AwsCloud, bucket: str, tmp_path: Path) -> None:
    put(sandbox, ab__x="no", a__b__c="old", a__d="x" * 3_000_000, a__gone="y")
    put(sandbox, a__b__c="new", a__empty__="")
    sandbox.client("s3").delete_object(Bucket=BUCKET, Key="a/gone")
    for folder in (tmp_path / "one" / "two", tmp_path / "one" / "two"):  # once more is the same
        fetched = cloud.fetch_files(bucket, "a/", folder)
        assert fetched == [
            StoredFile("b/c", 3, hashlib.sha256(b"new").hexdigest()),
            StoredFile("d", 3_000_000, hashlib.sha256(b"x" * 3_000_000).hexdigest()),
        ]
        assert (folder / "b" / "c").read_text() == "new"
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (folder, folder / "b", folder / "b" / "c", folder / "d")]
    assert modes == [0o700, 0o700, 0o600, 0o600]
    assert [f.path for f in cloud.fetch_files(bucket, "", tmp_path / "all")] == ["a/b/c", "a/d", "ab/x"]
    assert cloud.fetch_files(bucket, "nothing", tmp_path / "none") == []
    assert [f.path for f in cloud.fetch_files(bucket, "", tmp_path / "some", without="a/")] == ["ab/x"]


@pytest.mark.parametrize("key", ["../up", "x/../../up", "/etc/up", "x//y", "./y"])
def test_a_path_that_leads_elsewhere_is_refused(
    sandbox: Sandbox, cloud: AwsCloud, bucket: str, tmp_path: Path, key: str
) -> None:
    put(sandbox, **{f"a/{key}": "x"})
    with pytest.raises(ProvisionError, match="no safe path"):
        cloud.fetch_files(bucket, "a", tmp_path / "files")
    assert list(tmp_path.rglob("up")) == []


def test_links_in_the_folder_are_not_followed(sandbox: Sandbox, cloud: AwsCloud, bucket: str, tmp_path: Path) -> None:
    put(sandbox, a__in__x="x", a__y="y")
    folder, outside = tmp_path / "files", tmp_path / "outside"
    outside.mkdir()
    folder.mkdir()
    (folder / "in").symlink_to(outside)
    with pytest.raises(ProvisionError, match="can't be written"):
        cloud.fetch_files(bucket, "a", folder)
    (folder / "in").unlink()
    (folder / "y").symlink_to(outside / "y")
    with pytest.raises(ProvisionError, match="can't be written"):
        cloud.fetch_files(bucket, "a", folder)
    assert list(outside.iterdir()) == []


def test_what_is_deleted(sandbox: Sandbox, cloud: AwsCloud, bucket: str) -> None:
    put(sandbox, a__x="1", ab__x="1")
    put(sandbox, a__x="2")
    sandbox.client("s3").delete_object(Bucket=BUCKET, Key="a/x")
    with pytest.raises(ProvisionError, match="needs a prefix"):
        cloud.delete_files(bucket, "")
    cloud.delete_files(bucket, "a")
    assert keys(sandbox) == ["ab/x"]
    cloud.delete_files("nobody-s-bucket", "a")
