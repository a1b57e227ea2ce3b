"""A sandbox daemon of its own for a test module."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from provisioner.sandbox import bodies, info, packages
from provisioner.sandbox.client import SandboxClient, SandboxInfo

METER_SECONDS = "PROVISION_SANDBOX_METER_SECONDS"
FEED = "PROVISION_SANDBOX_FEED"


class Sandbox:
    """A running daemon in a folder of its own. `control` is the light client, `client` makes boto3 ones."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.control = SandboxClient(home)
        self.info: SandboxInfo = self.control.ensure_running()

    def client(self, service: str, region: str = "eu-west-1", **config: Any) -> Any:
        """A boto3 client with the operator's keys; `config` goes to botocore's Config."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=self.info.endpoint_url,
            aws_access_key_id=self.info.access_key_id,
            aws_secret_access_key=self.info.secret_access_key,
            config=Config(**config),
        )

    def latest(self, namespace: str, metric: str, **dimensions: str) -> float | None:
        """What CloudWatch has measured last, within minutes."""
        asked = {
            "Metric": {
                "Namespace": namespace,
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
            },
            "Period": 1,
            "Stat": "Average",
        }
        now = datetime.now(UTC)
        found = self.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": asked}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=1),
        )["MetricDataResults"][0]["Values"]
        return float(found[0]) if found else None

    @contextmanager
    def installing(self, package: str, script: str) -> Iterator[None]:
        """Run this script in place of a package's own when its newest version is installed."""
        file = self.home.parent / "feed.json"
        before = file.read_text()
        feed = json.loads(before)
        feed["packages"][package][-1]["install"] = script
        file.write_text(json.dumps(feed))
        yield
        file.write_text(before)

    def kill(self) -> None:
        """kill -9 the daemon and nothing else; returns when it is gone."""
        running = info.read(self.home)
        assert running is not None, "no daemon to kill"
        os.kill(running.info.pid, signal.SIGKILL)
        while info.started(running.info.pid) == running.started:
            time.sleep(0.01)

    def start(self) -> SandboxInfo:
        """Start it again after `kill` or `control.stop()`."""
        self.info = self.control.ensure_running()
        return self.info

    def end(self) -> None:
        """Stop it, and kill by pid what is left."""
        try:
            self.control.stop()
        finally:
            if info.read(self.home):
                self.kill()
            bodies.end_all(self.home)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A daemon for the module; tests of one module share it and its state. It measures each second for a module that
    says `MEASURED`, which costs some CPU."""
    home = tmp_path_factory.mktemp("sandbox") / "home"
    shutil.copy(Path(packages.__path__[0], "feed.json"), home.parent)
    with pytest.MonkeyPatch.context() as patch:
        if getattr(request.module, "MEASURED", False):
            patch.setenv(METER_SECONDS, "1")
        patch.setenv(FEED, str(home.parent / "feed.json"))
        running = Sandbox(home)
        yield running  # with them: a daemon that is started again needs them, too
        running.end()
