"""A small fleet with a ledger and no cloud, for commands on rollouts: a step does nothing, and ends as it is told."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typer.testing import CliRunner

from provisioner.cli.main import app
from provisioner.ledger.store import open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.ledger import Lease
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.model.rollout.states import StepState
from provisioner.ops.house import House
from provisioner.ops.rollout.step import Ended, Task

REGISTRY = """\
version: 1
product: {name: notes}
targets:
  sandbox: {cloud: sandbox, regions: [eu-west-1], domain: sandbox.test}
defaults:
  target: sandbox
  tier: trial
  channel: stable
  strategy: quick
tiers:
  trial:
    instance_type: t4g.small
    root_disk_gib: 20
    front: address
    database_class: db.t4g.micro
    database_version: "17"
    database_storage_gib: 20
    database_max_storage_gib: 40
    multi_az: false
    multi_region_key: false
    backup_retention_days: 1
    log_retention_days: 7
    deletion_protection: false
releases:
  "1.0.0":
    images: {sandbox: images/1.0.0}
    schema_version: 1
  "1.1.0":
    images: {sandbox: images/1.1.0}
    schema_version: 1
  "1.2.0":
    images: {sandbox: images/1.2.0}
    schema_version: 2
    migration: offline
    undo: needs-restore
  "1.3.0":
    images: {sandbox: images/1.3.0}
    schema_version: 2
    migration: online
    undo: one-way
channels:
  stable: "1.0.0"
strategies:
  quick:
    waves: [ring 0, rest]
    bake_minutes: [0]
freezes: []
tenants:
  acme:
    ring: 0
  beta:
    ring: 1
  gamma:
    ring: 2
  pinned:
    release: "1.0.0"
"""
IDS = ("acme", "beta", "gamma", "pinned")


class Steps:
    """`causes`: why a tenant's step fails."""

    causes: ClassVar[dict[str, str]] = {}

    def __init__(self, house: House) -> None:
        self._house = house

    def forward(self, task: Task, progress: Progress) -> Ended:
        cause = self.causes.get(task.tenant)
        if cause is not None:
            return Ended(task.tenant, StepState.FAILED, cause, operation=task.operation)
        self._house.ledger.assign_release(task.tenant, task.plan.goal(task.tenant))
        return Ended(task.tenant, StepState.SUCCEEDED, operation=task.operation)

    def back(self, task: Task, progress: Progress) -> Ended:
        self._house.ledger.assign_release(task.tenant, task.plan.tenants[task.tenant].from_release)
        return Ended(task.tenant, StepState.REVERTED, operation=task.operation)


class Fleet:
    """Four tenants on 1.0.0: one in each of the first rings, and one that is pinned."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.registry = folder / "home", folder / "tenants.yaml"
        self.home.mkdir()
        self.registry.write_text(REGISTRY)
        for name in ("PROVISION_TARGET", "PROVISION_LEDGER", "PROVISION_ENGINE", "GITHUB_ACTIONS", "GITHUB_ACTOR"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PROVISION_HOME", str(self.home))
        monkeypatch.setenv("PROVISION_REGISTRY", str(self.registry))
        monkeypatch.setattr("provisioner.ops.rollout.drive.UpgradeSteps", Steps)
        monkeypatch.setattr("provisioner.ops.rollout.drive.PatchSteps", Steps)
        monkeypatch.setattr(Steps, "causes", {})
        self.ledger = open_ledger(f"sqlite:///{self.home / 'ledger.db'}", SystemClock())
        for tenant in IDS:
            self.ledger.ensure_tenant(tenant, "sandbox")
            self.ledger.set_lifecycle(tenant, Lifecycle.PROVISIONING)
            self.ledger.set_lifecycle(tenant, Lifecycle.ACTIVE)
            self.ledger.assign_release(tenant, "1.0.0")

    def run(self, *words: str, stdin: str | None = None) -> Any:
        """One command, in this process."""
        return CliRunner().invoke(app, [*words], input=stdin, prog_name="provision")

    def ok(self, *words: str, code: int = 0, stdin: str | None = None) -> Any:
        """One command that must end so."""
        answer = self.run(*words, stdin=stdin)
        assert answer.exit_code == code, f"{words}: {answer.exit_code}\n{answer.stdout}\n{answer.stderr}"
        assert "Traceback" not in answer.stderr
        return answer

    def json(self, *words: str, code: int = 0) -> Any:
        """Its result."""
        return json.loads(self.ok(*words, "--output", "json", code=code).stdout)

    def edit(self, old: str, new: str) -> None:
        """Of the registry, by hand."""
        text = self.registry.read_text()
        assert old in text
        self.registry.write_text(text.replace(old, new, 1))

    def states(self) -> dict[str, str]:
        """Of the newest rollout."""
        newest = self.ledger.rollouts(limit=1)[0]
        record = self.ledger.rollout(newest.id)
        assert record is not None
        return {row.tenant: str(row.state) for row in record.rows}

    def driver(self, rollout_id: str) -> Lease | None:
        """Who drives it."""
        return self.ledger.lease(f"rollout/{rollout_id}")
