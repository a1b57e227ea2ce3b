"""A house of fakes, with a real ledger. Each fake keeps what it was asked, so that tests assert on the transcript."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any

from provisioner.durable.holding import Holding
from provisioner.ledger.store import open_ledger
from provisioner.model.change import Plan, RunResult, Step, StepOp
from provisioner.model.cloud import (
    Health,
)
from provisioner.model.errors import ProvisionError, StuckError, UndoneError, UnsupportedError, UsageError
from provisioner.model.fleet.notice import Endpoint
from provisioner.model.fleet.work import Work
from provisioner.model.json import Json, JsonDict
from provisioner.model.ledger import Holder, Lease, OperationStatus, StepStatus, TenantRecord
from provisioner.model.ports import OperationDefinition, Progress, RunOptions, Stack, StepContext
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.stack import StackArgs
from provisioner.model.tenant import CloudKind, Freeze, Release, Sizing, Target, Tenant
from provisioner.model.tools import Tool
from provisioner.ops.definitions import definitions
from provisioner.ops.fleet import work_of
from tests.unit.ops.fake_cloud import FakeCloud, StepClock

SIZING = Sizing("t4g.small", 20, "address", "db.t4g.micro", "17", 20, 100, False, False, 7, 30, True)
TARGET = Target("sandbox", CloudKind.SANDBOX, ("eu-west-1",), "sandbox.test")
CREATE = Plan((Step(StepOp.CREATE, "urn:vpc", "aws:ec2/vpc:Vpc", "vpc"),))
SAME = Plan((Step(StepOp.SAME, "urn:vpc", "aws:ec2/vpc:Vpc", "vpc"),))
OUTPUTS: dict[str, Json] = {
    "url": "http://127.9.1.1:8080",
    "machine_id": "i-1",
    "role_name": "provision-acme-machine",
    "database_identifier": "acme",
    "database_address": "127.9.1.2",
    "database_port": 5432,
    "database_name": "product",
    "database_user": "product",
    "master_secret_arn": "arn:master",
    "product_secret_arn": "arn:product",
    "key_arn": "arn:key",
    "files_bucket": "1-acme-files",
    "other_machine_id": "",
    "target_group_arn": "",
    "databases": {
        "": {
            "identifier": "acme",
            "address": "127.9.1.2",
            "port": 5432,
            "resource_id": "db-acme",
            "master_secret_arn": "arn:master",
        }
    },
}


def tenant(tenant_id: str = "acme", **changes: Any) -> Tenant:
    values: dict[str, Any] = {
        "id": tenant_id,
        "tier": "standard",
        "ring": 2,
        "region": "eu-west-1",
        "target": TARGET,
        "sizing": SIZING,
        "desired_release": "1.0.0",
        "release_source": "channel stable",
    }
    return Tenant(**{**values, **changes})


@dataclass
class FakeRegistry:
    path: Path = Path("/registry/tenants.yaml")
    entries: dict[str, Tenant] = field(default_factory=dict)
    releases: dict[str, Release] = field(
        default_factory=lambda: {"1.0.0": Release("1.0.0", {"sandbox": "/images/1"}, 1, "none", "code-only")}
    )

    channels: dict[str, str] = field(default_factory=lambda: {"stable": "1.0.0"})
    default_channel: str = "stable"
    strategies: dict[str | None, Strategy] = field(default_factory=lambda: {None: Strategy()})
    freezes: tuple[Freeze, ...] = ()
    os_releases: Mapping[int, str] = field(default_factory=dict)
    notices: tuple[Endpoint, ...] = ()
    targets: Mapping[str, Target] = field(default_factory=lambda: {"sandbox": TARGET})
    default_target: Target = TARGET

    def load(self) -> "FakeRegistry":
        return self

    def add(self, tenant_id: str, fields: Mapping[str, Any]) -> None:
        self.entries.setdefault(tenant_id, self.resolve_new(tenant_id, fields))

    def remove(self, tenant_id: str) -> None:
        self.entries.pop(tenant_id, None)

    def override(self, tenant_id: str, settings: Mapping[str, Any], *, name: str, reason: str) -> None:
        known = self.entries[tenant_id]
        self.entries[tenant_id] = replace(known, sizing=replace(known.sizing, **settings))

    def move_channel(self, channel: str, release: str) -> None:
        self.channels[channel] = release

    def tenant_ids(self) -> list[str]:
        return list(self.entries)

    def tenant(self, tenant_id: str) -> Tenant:
        if tenant_id not in self.entries:
            raise UsageError(f"there is no tenant {tenant_id}")
        return self.entries[tenant_id]

    def tenants(self) -> list[Tenant]:
        return list(self.entries.values())

    def release(self, version: str) -> Release:
        if version not in self.releases:
            raise UsageError(f"there is no release {version}")
        return self.releases[version]

    def strategy(self, name: str | None = None) -> Strategy:
        if name not in self.strategies:
            raise UsageError(f"there is no strategy {name}")
        return self.strategies[name]

    def resolve_new(self, tenant_id: str, fields: Mapping[str, Any]) -> Tenant:
        changes = {k: v for k, v in fields.items() if k in ("tier", "ring", "region", "organization", "labels")}
        return tenant(tenant_id, **changes, desired_release=fields.get("release", "1.0.0"))


@dataclass
class FakeEngine:
    plans: dict[str, Plan | ProvisionError] = field(default_factory=dict)
    stacks: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)
    fail_up: ProvisionError | None = None
    outputs_now: dict[str, Json] = field(default_factory=lambda: dict(OUTPUTS))
    urns: list[str] = field(default_factory=list)

    def preview(self, stack: Stack, options: RunOptions = RunOptions()) -> Plan:  # noqa: B008 - as in the port
        self.calls.append(("preview", stack.name))
        plan = self.plans.get(stack.name, SAME if stack.name in self.stacks else CREATE)
        if isinstance(plan, ProvisionError):
            raise plan
        return plan

    def up(self, stack: Stack, options: RunOptions = RunOptions()) -> RunResult:  # noqa: B008
        self.calls.append(("up", stack.name))
        if self.fail_up is not None:
            raise self.fail_up
        self.stacks.add(stack.name)
        return RunResult(CREATE.steps, dict(self.outputs_now))

    def refresh(self, stack: Stack, options: RunOptions = RunOptions()) -> RunResult:  # noqa: B008
        raise NotImplementedError

    def destroy(self, stack: Stack, options: RunOptions = RunOptions()) -> RunResult:  # noqa: B008
        self.calls.append(("destroy", stack.name))
        self.stacks.discard(stack.name)
        return RunResult(())

    def outputs(self, stack: Stack) -> dict[str, Json]:
        return dict(self.outputs_now) if stack.name in self.stacks else {}

    def export(self, stack: Stack) -> JsonDict | None:
        resources: list[Json] = [{"type": "aws:rds/instance:Instance", "custom": True, "id": "acme"}]
        resources += [{"type": "any", "urn": urn} for urn in self.urns]
        return {"deployment": {"resources": resources}} if stack.name in self.stacks else None

    def import_(self, stack: Stack, deployment: Mapping[str, Json]) -> None:
        raise NotImplementedError


@dataclass
class FakeProber:
    answers: list[Health] = field(default_factory=list)

    def probe(self, url: str, *, timeout: float = 5.0) -> Health:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class InLine:
    """Runs operations in the calling thread, on the ledger's record alone."""

    def __init__(self, ledger: Any, definitions: Mapping[str, OperationDefinition]) -> None:
        self._ledger = ledger
        self._definitions = definitions
        self.closed = False

    def run(self, kind: str, operation_id: str, tenant: str, payload: JsonDict, progress: Progress) -> JsonDict:
        target: Any = payload["target"]
        operation = self._ledger.begin_operation(operation_id, kind, tenant, target["name"], payload)
        definition = self._definitions[kind]
        results: dict[str, JsonDict] = {s.name: s.result for s in operation.steps if s.status is StepStatus.DONE}
        context: Callable[[], StepContext] = lambda: StepContext(  # noqa: E731
            operation_id, tenant, payload, dict(results), progress, Flag(), lambda: None
        )
        if definition.started:
            definition.started(context())
        for step in (s for s in definition.steps if s.name not in results):
            self._ledger.record_step(operation_id, step.name, StepStatus.STARTED)
            try:
                results[step.name] = step.run(context())
            except ProvisionError as error:
                self._ledger.record_step(operation_id, step.name, StepStatus.FAILED, error=error.message)
                ends = {UndoneError: OperationStatus.UNDONE, StuckError: OperationStatus.STUCK}
                status = ends.get(type(error), OperationStatus.FAILED)
                if definition.failed and status is OperationStatus.FAILED:
                    definition.failed(context(), error.message)
                self._ledger.set_operation(operation_id, status, error=error.message)
                raise
            self._ledger.record_step(operation_id, step.name, StepStatus.DONE, result=results[step.name])
        self._ledger.set_operation(operation_id, OperationStatus.SUCCEEDED)
        return results[definition.steps[-1].name]

    def resume(self, operation_id: str, progress: Progress) -> JsonDict:
        operation = self._ledger.operation(operation_id)
        return self.run(operation.kind, operation.id, operation.tenant, operation.payload, progress)

    @contextmanager
    def hold(self, subject: str, work_id: str, reason: str) -> Iterator[Holding]:
        holder = Holder("here", "", 1, "", "test")
        lease: Lease = self._ledger.acquire_lease(subject, work_id, reason, holder, timedelta(days=30))
        try:
            yield Holding(lease)
        finally:
            self._ledger.release_lease(lease)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeTools:
    """What is installed (None: nothing), and what was asked to be."""

    cli_version: str | None = "3.272.0"
    plugin_version: str | None = "7.51.1"
    installed: list[str] = field(default_factory=list)

    def cli(self) -> Tool:
        if self.cli_version is None:
            raise UnsupportedError("there is no Pulumi CLI", hint="provision setup")
        return Tool("pulumi", self.cli_version, "/bin/pulumi")

    def install_cli(self) -> Tool:
        self.installed.append("cli")
        self.cli_version = "3.272.0"
        return self.cli()

    def plugin(self) -> Tool | None:
        return Tool("plugin aws", self.plugin_version, "/plugins") if self.plugin_version else None

    def install_plugin(self) -> Tool:
        self.installed.append("plugin")
        return Tool("plugin aws", "7.51.1", "/plugins")

    def wanted(self) -> tuple[str, str]:
        return "3.272.0", "7.51.1"


class FakeHouse:
    """Everything that the use cases need."""

    engine_name: str | None = None
    state_error: ProvisionError | None = None

    program_version = "p1"
    ledger_name: str | None = None

    def __init__(self, folder: Path) -> None:
        self.clock = StepClock()
        self.ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}", self.clock)
        self.file = FakeRegistry()
        self.fake_engine = FakeEngine()
        self.fake_cloud = FakeCloud(clock=self.clock)
        self.prober = FakeProber([Health("healthy", "1.0.0", 1, "acme")])
        self.messenger: Any = None
        self.tools = FakeTools()
        self.started: list[str] = []
        self.operations = InLine(self.ledger, definitions(self))

    def in_ledger(self, target: Target) -> bool:
        return target.ledger == self.ledger_name

    def records(self) -> list[TenantRecord]:
        return self.ledger.tenants()

    def work(self) -> Work:
        return work_of(self.ledger)

    def registry(self, path: Path | None = None) -> FakeRegistry:
        return self.file

    def ready(self, target: Target) -> None:
        self.started.append(target.name)

    def reach_state(self, target: Target) -> None:
        if self.state_error is not None:
            raise self.state_error

    def engine(self, target: Target) -> FakeEngine:
        return self.fake_engine

    def cloud(self, target: Target, region: str) -> FakeCloud:
        return self.fake_cloud

    def image(self, target: Target, release: Release, region: str, os_release: str | None = None) -> str:
        return f"ami-{os_release}" if os_release else "ami-1"

    def stack(self, args: StackArgs) -> Stack:
        return Stack(args.project, args.name, lambda: None)
