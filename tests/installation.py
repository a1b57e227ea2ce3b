"""A whole installation for tests: a home, a registry and a sandbox of its own, and the real command."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
import pytest

from provisioner.sandbox import bodies, info
from provisioner.sandbox.client import SandboxClient

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "provisioner.cli.main"]
TIMEOUT = 150
EXHAUSTIVE = os.environ.get("PROVISION_EXHAUSTIVE") == "1"
"""All of it, as `make proofs` runs it: CI has no time for that."""
_EVERY = 8
"""Of the points at which something is killed, one in so many in CI."""
only_exhaustive = pytest.mark.skipif(not EXHAUSTIVE, reason="make proofs (PROVISION_EXHAUSTIVE=1)")


T = TypeVar("T")


def some(points: Sequence[T]) -> Sequence[T]:
    """Points spread over all of them, the last among them; all where all is wanted."""
    return points if EXHAUSTIVE else points[(len(points) - 1) % _EVERY :: _EVERY]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.stdout)


class Installation:
    """`provision` as a user has it, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.registry = folder / "tenants.yaml"
        self.registry.parent.mkdir(parents=True, exist_ok=True)
        text = (ROOT / "tenants.yaml").read_text()
        self.registry.write_text(re.sub(r"(sandbox: *)examples/", rf"\1{ROOT}/examples/", text))
        self.control = SandboxClient(self.home / "sandbox")
        self._clients: dict[tuple[str, str, str, str], Any] = {}

    def environment(self, **more: str) -> dict[str, str]:
        """Of a command: nothing of the developer's own AWS or terminal settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "PROVISION_", "GITHUB_"))}
        return {
            **kept,
            "PROVISION_HOME": str(self.home),
            "PROVISION_REGISTRY": str(self.registry),
            "NO_COLOR": "1",
            "COLUMNS": "100",
            **more,
        }

    def run(self, *words: str, stdin: str | None = None, **environment: str) -> Answer:
        """Run a command to its end."""
        done = subprocess.run(
            [*COMMAND, *words],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=self.environment(**environment),
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, stdin: str | None = None, **environment: str) -> Answer:
        """Run a command that must succeed."""
        answer = self.run(*words, stdin=stdin, **environment)
        assert answer.code == 0, f"{words} ended with {answer.code}\n{answer.stdout}\n{answer.stderr}"
        return answer

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command; the caller waits for it or kills it."""
        return subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(**environment),
        )

    def show(self, tenant: str) -> Any:
        """`show` as JSON."""
        return self.ok("show", tenant, "--output", "json").json

    def client(self, service: str, region: str = "eu-west-1") -> Any:
        """A boto3 client of this sandbox; made once, it takes a while."""
        running = self.control.ensure_running()
        wanted = (service, region, running.endpoint_url, running.access_key_id)
        if wanted not in self._clients:
            self._clients[wanted] = boto3.client(  # type: ignore[call-overload]
                service,
                region_name=region,
                endpoint_url=running.endpoint_url,
                aws_access_key_id=running.access_key_id,
                aws_secret_access_key=running.secret_access_key,
            )
        return self._clients[wanted]

    def census(self, tenant: str) -> dict[str, int]:
        """How many of each the cloud has for a tenant, asked of each service."""
        ec2, rds, by_tag = self.client("ec2"), self.client("rds"), [_tag_filter(tenant)]
        reservations = ec2.describe_instances(Filters=by_tag)["Reservations"]
        states = [i["State"]["Name"] for r in reservations for i in r["Instances"]]
        databases = rds.describe_db_instances()["DBInstances"]
        buckets = self.client("s3").list_buckets()["Buckets"]
        secrets = self.client("secretsmanager").list_secrets()["SecretList"]
        return {
            "machines": sum(s not in ("terminated", "shutting-down") for s in states),
            "databases": sum(_tagged(d["TagList"], tenant) for d in databases),
            "vpcs": len(ec2.describe_vpcs(Filters=by_tag)["Vpcs"]),
            "subnets": len(ec2.describe_subnets(Filters=by_tag)["Subnets"]),
            "groups": len(ec2.describe_security_groups(Filters=by_tag)["SecurityGroups"]),
            "addresses": len(ec2.describe_addresses(Filters=by_tag)["Addresses"]),
            "buckets": sum(f"-{tenant}-" in b["Name"] for b in buckets),
            "secrets": sum(_tagged(s.get("Tags", []), tenant) for s in secrets),
            "keys": self._keys(tenant),
        }

    def _keys(self, tenant: str) -> int:
        """Keys that work; those that wait for their deletion are as good as gone."""
        kms = self.client("kms")
        count = 0
        for key in (k["KeyId"] for page in kms.get_paginator("list_keys").paginate() for k in page["Keys"]):
            tags = {t["TagKey"]: t["TagValue"] for t in kms.list_resource_tags(KeyId=key)["Tags"]}
            state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
            count += tags.get("provision:tenant") == tenant and state != "PendingDeletion"
        return count

    def end(self) -> None:
        """Stop the sandbox; kill by pid what does not stop."""
        try:
            self.control.stop()
        finally:
            running = info.read(self.home / "sandbox")
            if running is not None:
                os.kill(running.info.pid, signal.SIGKILL)
            bodies.end_all(self.home / "sandbox")
            shutil.rmtree(self.home, ignore_errors=True)


def get(url: str) -> Any:
    """A JSON answer of a product."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def post(url: str, body: Any) -> Any:
    """Send JSON to a product."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _tag_filter(tenant: str) -> dict[str, Any]:
    return {"Name": "tag:provision:tenant", "Values": [tenant]}


def _tagged(tags: list[dict[str, str]], tenant: str) -> bool:
    return {"Key": "provision:tenant", "Value": tenant} in tags
