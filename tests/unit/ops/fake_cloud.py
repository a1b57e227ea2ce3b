"""A fake cloud that keeps what it was asked, and a clock that only moves itself."""

import errno
import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.model.cloud import (
    Alarm,
    Caller,
    CommandResult,
    Database,
    GroupRule,
    Machine,
    Metric,
    Quota,
    Reading,
    Restorable,
    Snapshot,
    StoredFile,
)
from provisioner.model.deployer.simulation import Answers, Question
from provisioner.model.errors import AuthenticationError, ProvisionError
from provisioner.model.json import Json
from provisioner.model.patch.port import NO_HOOKS, Operation
from provisioner.model.patch.scan import Scan
from tests.unit.ops.fake_patches import FakePatches

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


@dataclass
class FakeCloud:
    clock: StepClock = field(default_factory=StepClock)
    account: str = "123456789012"
    calls: list[str] = field(default_factory=list)
    result: CommandResult = field(default_factory=lambda: CommandResult("Success", 0, "", ""))
    left: list[str] = field(default_factory=list)
    region: str = "eu-west-1"
    alarmed: list[Alarm] = field(default_factory=list)
    limits: list[Quota] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    skew: timedelta = timedelta()
    key: str | None = "Enabled"
    known: bool = True
    machine_state: str = "running"
    database_status: dict[str, str] = field(default_factory=lambda: {"acme": "available"})
    window: Restorable | None = None
    taken: dict[str, Snapshot] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=lambda: {"provision-export/database.dump": b"dump"})
    answers: dict[str, Any] = field(default_factory=lambda: dict(ANSWERS))
    refuse_stop: ProvisionError | None = None
    measured: dict[str, list[Reading]] = field(default_factory=dict)
    full: bool = False
    rules: list[GroupRule] = field(default_factory=list)
    patches: FakePatches = field(default_factory=FakePatches)
    minors: dict[str, str] = field(default_factory=dict)
    database_version: str = "17.4"

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
        if status is None:
            return None
        return Database(
            identifier, f"db-{identifier}", status, "127.9.1.2", 5432, False, None, 20, None, self.database_version
        )

    def alarms(self, tenant: str) -> list[Alarm]:
        return self.alarmed

    def readings(self, metrics: Sequence[Metric], start: datetime, end: datetime) -> list[list[Reading]]:
        """Those of `measured`, by the metric's name, in that time."""
        return [[r for r in self.measured.get(m.name, []) if start <= r.at < end] for m in metrics]

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
        if self.refuse_stop is not None:
            raise self.refuse_stop
        self.calls.append(f"stop {machine_id}")
        self.machine_state = "stopped"

    def patch(
        self,
        machine_id: str,
        operation: Operation,
        *,
        comment: str,
        timeout: float,
        hooks: Mapping[str, str] = NO_HOOKS,
    ) -> Scan:
        self.calls.append(" ".join([operation, machine_id, *hooks.values()]))
        return self.patches.run(operation, self.clock.now())

    def reboot_machine(self, machine_id: str) -> None:
        self.calls.append(f"reboot {machine_id}")
        self.patches.reboot()

    def newest_minor(self, version: str) -> str | None:
        return self.minors.get(version)

    def upgrade_database(self, identifier: str, version: str) -> None:
        self.calls.append(f"upgrade {identifier} {version}")
        self.database_version = version

    def target_health(self, group_arn: str, machine_id: str) -> str:
        self.calls.append(f"target {machine_id}")
        return "healthy"

    def addressed(self, tenant: str) -> list[str]:
        return ["i-1"]

    def group_rules(self, groups: Collection[str]) -> list[GroupRule]:
        return [rule for rule in self.rules if rule.group in groups]

    def revoke_rule(self, rule: GroupRule) -> None:
        self.calls.append(f"revoke {rule.id}")
        self.rules = [other for other in self.rules if other.id != rule.id]

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

    def fetch_files(self, bucket: str, prefix: str, folder: Path, *, without: str = "") -> list[StoredFile]:
        self.calls.append(f"fetch {bucket}/{prefix}")
        folder.mkdir(parents=True, exist_ok=True)
        found: list[StoredFile] = []
        for key, data in self.objects.items():
            if key.startswith(prefix) and not (without and key.startswith(without)):
                path = folder / key.removeprefix(prefix)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                if self.full:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
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

    def denied(self, questions: Sequence[Question]) -> Answers:
        return Answers(tuple(self.refused), tuple(self.untold))

    def key_state(self, key: str) -> str | None:
        return self.key

    def clock_skew(self) -> timedelta:
        return self.skew
