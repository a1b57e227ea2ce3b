"""Instances made and used as any client of AWS would: boto3, its waiters, and psycopg."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from tests.sandbox.conftest import Sandbox

PASSWORD = "Correct-horse-7-battery"  # given to instances that manage none; tests grep for it
_SECONDS = 60.0
T = TypeVar("T")


class Cloud:
    """RDS of one sandbox, with short words for what tests do again and again."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._clients: dict[str, Any] = {}

    @property
    def rds(self) -> Any:
        """A client of the daemon that runs now."""
        url = self.sandbox.info.endpoint_url
        if url not in self._clients:
            self._clients[url] = self.sandbox.client("rds")
        return self._clients[url]

    def create(self, name: str, **more: Any) -> dict[str, Any]:
        """Make an instance and wait for it with boto3's own waiter."""
        asked = {
            "DBInstanceIdentifier": name,
            "Engine": "postgres",
            "EngineVersion": "17",
            "DBInstanceClass": "db.t4g.micro",
            "AllocatedStorage": 20,
            "MasterUsername": "provision",
            "DBName": "product",
            "BackupRetentionPeriod": 0,
            **more,
        }
        if not asked.get("ManageMasterUserPassword"):
            asked.setdefault("MasterUserPassword", PASSWORD)
        self.rds.create_db_instance(**asked)
        return self.available(name)

    def available(self, name: str) -> dict[str, Any]:
        """Wait until it is available, as boto3's clients do."""
        waiter = self.rds.get_waiter("db_instance_available")
        waiter.wait(DBInstanceIdentifier=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})
        return self.show(name)

    def show(self, name: str) -> dict[str, Any]:
        """The instance as DescribeDBInstances has it."""
        return dict(self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])

    def gone(self, name: str) -> None:
        """Wait until it is deleted."""
        waiter = self.rds.get_waiter("db_instance_deleted")
        waiter.wait(DBInstanceIdentifier=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})

    def snapshotted(self, name: str) -> None:
        """Wait until a snapshot is available."""
        waiter = self.rds.get_waiter("db_snapshot_available")
        waiter.wait(DBSnapshotIdentifier=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 600})

    def connect(self, name: str, password: str = PASSWORD, **more: Any) -> psycopg.Connection[Any]:
        """Log in as the master user, over TLS verified in full."""
        endpoint = self.show(name)["Endpoint"]
        words = {
            "host": endpoint["Address"],
            "port": endpoint["Port"],
            "user": "provision",
            "dbname": "product",
            "sslmode": "verify-full",
            "sslrootcert": self.sandbox.info.ca_file,
            "connect_timeout": 10,
            "autocommit": True,
            **more,
        }
        return psycopg.connect(password=password, **words)

    def sql(self, name: str, statement: str, **more: Any) -> list[tuple[Any, ...]]:
        """Run one statement as the master user and fetch what it returns."""
        with self.connect(name, **more) as connection:
            done = connection.execute(statement)
            return list(done.fetchall()) if done.description else []

    def managed_password(self, name: str) -> str:
        """The password in the instance's managed secret."""
        arn = self.show(name)["MasterUserSecret"]["SecretArn"]
        text = self.sandbox.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]
        return str(json.loads(text)["password"])

    def row(self, name: str) -> dict[str, Any]:
        """The instance as `sandbox status` has it."""
        return next(row for row in self.rows() if row["id"] == name)

    def rows(self) -> list[dict[str, Any]]:
        """All instances as `sandbox status` has them."""
        rows: Any = self.sandbox.control.status()["databases"]
        return list(rows)

    def folder(self, name: str) -> Path:
        """Where its body lives."""
        return self.sandbox.home / "databases" / str(self.show(name)["DbiResourceId"])


def until(look: Callable[[], T]) -> T:
    """The first truthy value of `look`, within a minute."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"never: {look}")


@pytest.fixture(scope="module")
def cloud(sandbox: Sandbox) -> Iterator[Cloud]:
    """RDS of the module's sandbox."""
    yield Cloud(sandbox)  # noqa: PT022 - nothing to do after it, the sandbox ends itself
