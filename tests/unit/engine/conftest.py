"""A toy cloud, an engine over it, and short words for what the tests do with them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.engines.embedded import secrets
from provisioner.engines.embedded.checkpoint import load
from provisioner.engines.embedded.engine import EmbeddedEngine
from provisioner.model.change import Event, Plan, RunResult
from provisioner.model.ports import RunOptions, Stack

from .toy import Cloud, served

Program = Callable[[], Any]


class Harness:
    """One stack of one engine over one cloud."""

    def __init__(self, root: Path, cloud: Cloud) -> None:
        self.root = root
        self.cloud = cloud
        self.engine = EmbeddedEngine(root, lambda: "correct horse", lambda _package: cloud.address)
        self.events: list[Event] = []
        self.file = root / ".pulumi" / "stacks" / "tenant" / "acme.json"

    def stack(self, program: Program = lambda: None) -> Stack:
        return Stack("tenant", "acme", program)

    def options(self, **kwargs: Any) -> RunOptions:
        return RunOptions(progress=self.events.append, **kwargs)

    def up(self, program: Program, **kwargs: Any) -> RunResult:
        self.cloud.forget()
        return self.engine.up(self.stack(program), self.options(**kwargs))

    def preview(self, program: Program, **kwargs: Any) -> Plan:
        self.cloud.forget()
        return self.engine.preview(self.stack(program), self.options(**kwargs))

    def refresh(self, **kwargs: Any) -> RunResult:
        self.cloud.forget()
        return self.engine.refresh(self.stack(), self.options(**kwargs))

    def destroy(self, **kwargs: Any) -> RunResult:
        self.cloud.forget()
        return self.engine.destroy(self.stack(), self.options(**kwargs))

    def deployment(self) -> dict[str, Any]:
        """What the file holds."""
        latest: dict[str, Any] = json.loads(self.file.read_text())["checkpoint"]["latest"]
        return latest

    def resources(self) -> dict[str, dict[str, Any]]:
        """Live resources of the file by name. The whole must be sound."""
        deployment = self.deployment()
        load(deployment, secrets.Cipher(self.engine._vault))
        return {r["urn"].rsplit("::", 1)[-1]: r for r in deployment["resources"] if not r.get("delete")}

    def replaced(self) -> list[str]:
        """Names of resources in the file that wait for their deletion."""
        return [r["urn"].rsplit("::", 1)[-1] for r in self.deployment()["resources"] if r.get("delete")]

    def pending(self) -> list[tuple[str, str]]:
        """Operations in the file that are begun."""
        operations = self.deployment().get("pending_operations", [])
        return [(o["type"], o["resource"]["urn"].rsplit("::", 1)[-1]) for o in operations]


def ops(result: Plan | RunResult, *, same: bool = False) -> list[tuple[str, str]]:
    """What happened to which resource; unchanged ones, the stack and the provider left out."""
    hidden = {"pulumi:pulumi:Stack", "pulumi:providers:toy"}
    return [(str(s.op), s.name) for s in result.steps if s.type not in hidden and (same or s.op != "same")]


@pytest.fixture(autouse=True)
def _fast_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A million rounds would cost half a second in every test."""
    monkeypatch.setattr(secrets, "_ROUNDS", 1000)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with served(Cloud()) as running:
        yield running


@pytest.fixture
def here(tmp_path: Path, cloud: Cloud) -> Harness:
    return Harness(tmp_path, cloud)
