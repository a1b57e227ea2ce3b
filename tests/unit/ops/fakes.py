"""A house of fakes, with a real ledger. Each fake keeps what it was asked, so that tests assert on the transcript."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Any

from provisioner.ledger.store import open_ledger
from provisioner.model.change import Plan, RunResult, Step, StepOp
from provisioner.model.cloud import (
    Caller,
    CommandResult,
    Database,
    Health,
    Machine,
    Quota,
    Restorable,
    Snapshot,
    StoredFile,
)
from provisioner.model.errors import AuthenticationError, ProvisionError, UnsupportedError, UsageError
from provisioner.model.json import Json, JsonDict
from provisioner.model.ledger import OperationStatus, StepStatus, TenantRecord
from provisioner.model.ports import OperationDefinition, Progress, RunOptions, Stack, StepContext
from provisioner.model.stack import StackArgs
from provisioner.model.tenant import CloudKind, Release, Sizing, Target, Tenant
from provisioner.model.tools import Tool
from provisioner.ops.definitions import definitions

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


SOUND: dict[str, Any] = {
    "connection": {"value": {"tls": "TLSv1.3", "server_version": "17.10"}, "error": ""},
    "sentinel": {
        "value": {
            "tenant": "acme",
            "release": "1.0.0",
            "schema_version": 1,
            "written_at": "2026-11-22T12:00:00+00:00",
        },
        "error": "",
    },
    "rows": {"value": {"notes": 100, "people": 10}, "error": ""},
    "amcheck": {"code": 0, "text": ""},
}
"""What `templates/verify.sh.j2` says of a sound database."""
ANSWERS: dict[str, Any] = {
    "sentinel": "2026-11-22T12:00:00+00:00",
    "verify": SOUND,
    "probe": {"status": "ok", "tenant": "acme", "release": "1.0.0", "schema_version": 1, "detail": None},
    "export": {"size": 4, "sha256": hashlib.sha256(b"dump").hexdigest()},
}


class StepClock:
    """Time that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


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

    targets: Mapping[str, Target] = field(default_factory=lambda: {"sandbox": TARGET})
    default_target: Target = TARGET

    def load(self) -> "FakeRegistry":
        return self

    def add(self, tenant_id: str, fields: Mapping[str, Any]) -> None:
        self.entries.setdefault(tenant_id, self.resolve_new(tenant_id, fields))

    def remove(self, tenant_id: str) -> None:
        self.entries.pop(tenant_id, None)

    def tenant_ids(self) -> list[str]:
        return list(self.entries)

    def tenant(self, tenant_id: str) -> Tenant:
        if tenant_id not in self.entries:
            raise UsageError(f"there is no tenant {tenant_id}")
        return self.entries[tenant_id]

    def tenants(self) -> list[Tenant]:
        return list(self.entries.values())

    def release(self, version: str) -> Release:
        return self.releases[version]

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
        return {"deployment": {"resources": []}} if stack.name in self.stacks else None

    def import_(self, stack: Stack, deployment: Mapping[str, Json]) -> None:
        raise NotImplementedError


@dataclass
class FakeCloud:
    clock: StepClock = field(default_factory=StepClock)
    account: str = "123456789012"
    calls: list[str] = field(default_factory=list)
    result: CommandResult = field(default_factory=lambda: CommandResult("Success", 0, "", ""))
    left: list[str] = field(default_factory=list)
    region: str = "eu-west-1"
    limits: list[Quota] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    skew: timedelta = timedelta()
    key: str | None = "Enabled"
    known: bool = True
    machine_state: str = "running"
    database_status: dict[str, str] = field(default_factory=lambda: {"acme": "available"})
    window: Restorable | None = None
    taken: dict[str, Snapshot] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=lambda: {"provision-export/database.dump": b"dump"})
    answers: dict[str, Any] = field(default_factory=lambda: dict(ANSWERS))

    def caller(self) -> Caller:
        if not self.known:
            raise AuthenticationError("no AWS credentials were found", hint="aws sso login")
        return Caller(self.account, "arn:operator", self.region)

    def zones(self) -> tuple[str, ...]:
        return ("eu-west-1a", "eu-west-1b", "eu-west-1c")

    def machines(self, tenant: str) -> list[Machine]:
        return [Machine("i-1", self.machine_state, "ami-1", "t4g.small", "10.0.0.4")]

    def database(self, identifier: str) -> Database | None:
        status = self.database_status.get(identifier)
        return Database(identifier, f"db-{identifier}", status, "127.9.1.2", 5432, False, None) if status else None

    def databases(self, tenant: str) -> list[Database]:
        return [d for d in (self.database(name) for name in self.database_status) if d is not None]

    def ensure_password(self, secret_arn: str, username: str) -> None:
        self.calls.append(f"password {username}")

    def allow_secret(self, role: str, secret_arn: str, minutes: int) -> None:
        self.calls.append(f"allow {secret_arn}")

    def forbid_secret(self, role: str) -> None:
        self.calls.append("forbid")

    def run_command(self, machine_id: str, script: str, *, comment: str, timeout: float) -> CommandResult:
        """A script's answer is that of the last word but one of its comment: `provision WHAT TENANT`."""
        self.calls.append(comment)
        what = comment.split()[1]
        if what in self.answers and self.result.status == "Success":
            return replace(self.result, stdout=json.dumps(self.answers[what]))
        return self.result

    def start_machine(self, machine_id: str) -> None:
        self.calls.append(f"start {machine_id}")
        self.machine_state = "running"

    def stop_machine(self, machine_id: str) -> None:
        self.calls.append(f"stop {machine_id}")
        self.machine_state = "stopped"

    def start_database(self, identifier: str) -> None:
        self.calls.append(f"start {identifier}")
        self.database_status[identifier] = "available"

    def stop_database(self, identifier: str) -> None:
        self.calls.append(f"stop {identifier}")
        self.database_status[identifier] = "stopped"

    def restorable(self, identifier: str) -> Restorable | None:
        return self.window

    def snapshot(self, name: str) -> Snapshot | None:
        return self.taken.get(name)

    def snapshots(self, tenant: str) -> list[Snapshot]:
        return [s for s in self.taken.values() if s.tags["provision:tenant"] == tenant]

    def make_snapshot(self, database: str, name: str, tags: Mapping[str, str]) -> Snapshot:
        self.calls.append(f"snapshot {database} as {name}")
        at = self.clock.at + timedelta(seconds=len(self.taken))
        return self.taken.setdefault(
            name, Snapshot(name, f"arn:{name}", "available", database, 20, True, "arn:key", at, dict(tags))
        )

    def copy_snapshot(self, source_arn: str, name: str, tags: Mapping[str, str], key: str | None) -> Snapshot:
        self.calls.append(f"copy {source_arn} as {name} under {key}")
        source = self.taken[source_arn.removeprefix("arn:")]
        self.taken[name] = replace(source, name=name, arn=f"arn:{name}", key=key or source.key, tags=dict(tags))
        return self.taken[name]

    def delete_snapshot(self, name: str) -> None:
        self.calls.append(f"delete {name}")
        self.taken.pop(name, None)

    def retire_key(self, key_arn: str, days: int) -> None:
        self.calls.append(f"retire {key_arn} in {days}")

    def fetch_files(self, bucket: str, prefix: str, folder: Path) -> list[StoredFile]:
        self.calls.append(f"fetch {bucket}/{prefix}")
        folder.mkdir(parents=True, exist_ok=True)
        found = []
        for key, data in self.objects.items():
            if key.startswith(prefix):
                path = folder / key.removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                found.append(StoredFile(key.removeprefix(prefix), len(data), hashlib.sha256(data).hexdigest()))
        return found

    def delete_files(self, bucket: str, prefix: str) -> None:
        self.calls.append(f"delete {bucket}/{prefix}")
        self.objects = {k: v for k, v in self.objects.items() if not k.startswith(prefix)}

    def empty_bucket(self, bucket: str) -> None:
        self.calls.append(f"empty {bucket}")

    def leftovers(self, tenant: str, *, stack: str | None = None) -> list[str]:
        return self.left

    def find(
        self, type_: str, inputs: Mapping[str, Json], tags: Mapping[str, str], known: Collection[str]
    ) -> str | None:
        raise NotImplementedError

    def quotas(self) -> list[Quota]:
        return self.limits

    def vcpus(self, instance_type: str) -> int:
        return 2

    def denied(self, actions: Sequence[str]) -> list[str]:
        return self.refused

    def key_state(self, key: str) -> str | None:
        return self.key

    def clock_skew(self) -> timedelta:
        return self.skew


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
                if definition.failed:
                    definition.failed(context(), error.message)
                self._ledger.set_operation(operation_id, OperationStatus.FAILED, error=error.message)
                raise
            self._ledger.record_step(operation_id, step.name, StepStatus.DONE, result=results[step.name])
        self._ledger.set_operation(operation_id, OperationStatus.SUCCEEDED)
        return results[definition.steps[-1].name]

    def resume(self, operation_id: str, progress: Progress) -> JsonDict:
        operation = self._ledger.operation(operation_id)
        return self.run(operation.kind, operation.id, operation.tenant, operation.payload, progress)

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

    def __init__(self, folder: Path) -> None:
        self.clock = StepClock()
        self.ledger = open_ledger(f"sqlite:///{folder / 'ledger.db'}", self.clock)
        self.file = FakeRegistry()
        self.fake_engine = FakeEngine()
        self.fake_cloud = FakeCloud(clock=self.clock)
        self.prober = FakeProber([Health("healthy", "1.0.0", 1, "acme")])
        self.tools = FakeTools()
        self.started: list[str] = []
        self.operations = InLine(self.ledger, definitions(self))

    def records(self) -> list[TenantRecord]:
        return self.ledger.tenants()

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

    def image(self, target: Target, release: Release, region: str) -> str:
        return "ami-1"

    def stack(self, args: StackArgs) -> Stack:
        return Stack(args.project, args.name, lambda: None)
