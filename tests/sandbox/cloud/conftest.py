"""The `Cloud` port on a real sandbox, as `app.py` makes it."""

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

from provisioner.cloud.aws import AwsCloud
from provisioner.cloud.session import Access
from tests.sandbox.conftest import Sandbox
from tests.sandbox.databases.conftest import Cloud as Rds

T = TypeVar("T")
TENANT = "provision:tenant"


def cloud_of(sandbox: Sandbox, region: str = "eu-west-1") -> AwsCloud:
    """The adapters for one region."""
    info = sandbox.info
    return AwsCloud(Access(region, info.endpoint_url, info.access_key_id, info.secret_access_key))


def until(look: Callable[[], T]) -> T:
    """The first truthy value of `look`, within a minute."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never: {look}")


@pytest.fixture(scope="module")
def cloud(sandbox: Sandbox) -> AwsCloud:
    return cloud_of(sandbox)


@pytest.fixture(scope="module")
def rds(sandbox: Sandbox) -> Rds:
    """Short words for RDS itself."""
    return Rds(sandbox)


@pytest.fixture(scope="module")
def database(rds: Rds) -> str:
    """The database of acme: it keeps backups, and its snapshots bear its tags."""
    tags = [{"Key": TENANT, "Value": "acme"}]
    rds.create("acme", BackupRetentionPeriod=1, CopyTagsToSnapshot=True, Tags=tags)
    return "acme"
