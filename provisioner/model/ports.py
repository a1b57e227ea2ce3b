"""The ports of the house. Rooms on one floor don't know each other: they meet here, and `app.py` introduces them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event as Flag
from typing import Protocol

from provisioner.model.change import Event, Plan, RunResult
from provisioner.model.cloud import (
    Caller,
    CommandResult,
    Database,
    GroupRule,
    Machine,
    Quota,
    Restorable,
    Snapshot,
    StoredFile,
)
from provisioner.model.deployer.simulation import Answers, Question
from provisioner.model.fleet.notice import NoticeStore
from provisioner.model.fleet.watcher import Watcher
from provisioner.model.json import Json, JsonDict
from provisioner.model.ledger import (
    Fact,
    Holder,
    JournalEntry,
    Lease,
    Operation,
    OperationStatus,
    StepStatus,
    TenantRecord,
)
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.port import Patcher
from provisioner.model.recovery import Evidence, RecoveryPoint
from provisioner.model.rollout.record import RolloutStore

Progress = Callable[[Event], None]
"""Called from any thread; must return quickly and never raise."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What an engine runs: a program (no arguments; registers resources, exports outputs) under project and name."""

    project: str
    name: str
    program: Callable[[], None]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """`parallel`: steps at once; `cancel`: when set, no new step starts and CancelledError is raised at the end;
    `deadline`: seconds for the whole run, None for no limit (TimedOutError); `guard`: raises LeaseLostError unless the
    caller holds the tenant's lease: without one, an engine never takes over what a dead process left locked."""

    parallel: int = 8
    continue_on_error: bool = False
    refresh: bool = False
    progress: Progress | None = None
    cancel: Flag | None = None
    deadline: float | None = None
    guard: Callable[[], None] | None = None


class Engine(Protocol):
    """Runs Pulumi programs. Every method may be called for several stacks at once, from several threads.

    All raise EngineError (which resources failed and why), CancelledError, TimedOutError. State is kept whatever
    happens: after a failure the same call goes on from what exists.
    """

    def preview(self, stack: Stack, options: RunOptions = RunOptions()) -> Plan:
        """What `up` would do; changes nothing, in the cloud or in the state. With `refresh`, against the cloud as
        it is now (read, in memory) and not as the state remembers it."""

    def up(self, stack: Stack, options: RunOptions = RunOptions()) -> RunResult:
        """Make the stack what its program says. With `refresh`, read the cloud into the state first."""

    def refresh(self, stack: Stack, options: RunOptions = RunOptions()) -> RunResult:
        """Read the cloud into the state. Needs no program; resources that are gone leave the state."""

    def destroy(self, stack: Stack, options: RunOptions = RunOptions()) -> RunResult:
        """Delete all resources of the state, dependents first. A stack that isn't there is success."""

    def outputs(self, stack: Stack) -> dict[str, Json]:
        """Outputs of the last successful run, without secret ones. Empty where the stack isn't there."""

    def export(self, stack: Stack) -> JsonDict | None:
        """The deployment as `pulumi stack export` gives it, secrets encrypted. None where the stack isn't there."""

    def import_(self, stack: Stack, deployment: Mapping[str, Json]) -> None:
        """Take a deployment over, in place of what is there. Raises EngineError where it isn't sound."""


class Ledger(RolloutStore, NoticeStore, Protocol):
    """What happened and what holds. Safe from many threads and processes. Every write is one transaction."""

    def begin_operation(
        self, operation_id: str, kind: str, tenant: str, target: str, payload: JsonDict, *, queued: bool = False
    ) -> Operation:
        """Record an intent. The same id again returns what is there. `queued`: another process shall begin it."""

    def operation(self, operation_id: str) -> Operation | None:
        """One operation with its steps. An unambiguous prefix of the id, 6 characters or more, is enough."""

    def operations(
        self,
        *,
        tenant: str | None = None,
        statuses: Sequence[OperationStatus] = (),
        kinds: Sequence[str] = (),
        limit: int = 50,
    ) -> list[Operation]:
        """Newest first, without their steps."""

    def record_step(
        self,
        operation_id: str,
        step: str,
        status: StepStatus,
        *,
        result: JsonDict | None = None,
        error: str | None = None,
        lease: Lease | None = None,
    ) -> None:
        """`STARTED` again counts an attempt. With `lease`, in the same transaction: raises LeaseLostError where it
        isn't the tenant's newest any more."""

    def set_operation(
        self,
        operation_id: str,
        status: OperationStatus,
        *,
        error: str | None = None,
        hint: str | None = None,
        lease: Lease | None = None,
    ) -> None:
        """End an operation, or set it running again. `lease` as in `record_step`."""

    def acquire_lease(self, tenant: str, operation_id: str, reason: str, holder: Holder, ttl: timedelta) -> Lease:
        """Take the tenant's lease. A lease is free when released, expired, or held by a process proven dead on this
        host. `holder` is this process. Raises LeaseHeldError naming holder, reason and since when. An operation that
        a dead process left running, and that loses its lease to another one, becomes `interrupted`."""

    def renew_lease(self, lease: Lease, ttl: timedelta) -> Lease:
        """Heartbeat. Raises LeaseLostError where another took it."""

    def release_lease(self, lease: Lease) -> None:
        """Give it back; one that is lost already is no error."""

    def check_fence(self, tenant: str, token: int) -> None:
        """Raises LeaseLostError unless `token` is the newest token of that tenant."""

    def lease(self, tenant: str) -> Lease | None:
        """Who holds it now; None where nobody does."""

    def tenant(self, tenant: str) -> TenantRecord | None:
        """One record with its facts."""

    def tenants(self) -> list[TenantRecord]:
        """All records with their facts, by id. One query for a thousand tenants."""

    def ensure_tenant(self, tenant: str, target: str) -> TenantRecord:
        """Make a record in lifecycle `requested`, if there is none (a retired one becomes requested again)."""

    def set_lifecycle(
        self, tenant: str, lifecycle: Lifecycle, *, cause: str | None = None, operation_id: str | None = None
    ) -> None:
        """Raises RefusedError for a transition that isn't legal."""

    def assign_release(self, tenant: str, release: str, *, operation_id: str | None = None) -> None:
        """Which release the tenant is on, as decided."""

    def set_applied(self, tenant: str, digest: str | None) -> None:
        """Which desired state was reached; None forgets it, so that the next apply looks again."""

    def observe(self, tenant: str, fact: str, value: JsonDict, at: datetime | None = None) -> None:
        """Keep the newest value of a fact ("health", "stack", "machine", "database", "url")."""

    def fact(self, tenant: str, fact: str) -> Fact | None:
        """The newest value."""

    def journal(self, *, tenant: str | None = None, limit: int = 100) -> Iterable[JournalEntry]:
        """Newest first."""

    def save_point(self, point: RecoveryPoint, *, lease: Lease | None = None) -> None:
        """Keep a recovery point, in place of an earlier record of it. A change of its status is journalled. `lease` as
        in `record_step`."""

    def point(self, point_id: str) -> RecoveryPoint | None:
        """One recovery point, deleted ones too. An unambiguous prefix of the id, 6 characters or more, is enough."""

    def points(self, *, tenant: str | None = None, deleted: bool = False) -> list[RecoveryPoint]:
        """Newest first; with `deleted` also those that are gone."""

    def add_evidence(self, tenant: str, kind: str, body: JsonDict, *, operation_id: str) -> Evidence:
        """Append a record that proves something. The same kind, operation and body again returns what is there."""

    def evidence(self, *, tenant: str | None = None, kind: str | None = None, limit: int = 50) -> list[Evidence]:
        """Newest first."""

    def verify_journal(self) -> None:
        """Walk the whole chain. Raises ProvisionError naming the first entry that doesn't fit."""


class Cloud(Patcher, Watcher, Protocol):
    """One account and region of a target, seen through boto3. Errors of the SDK become ProvisionErrors once, here:
    AuthenticationError, TimedOutError, UnsupportedError, or ProvisionError with service, operation and code."""

    def caller(self) -> Caller:
        """Who we are (STS)."""

    def zones(self) -> tuple[str, ...]:
        """Availability zones that can be used, sorted."""

    def machines(self, tenant: str) -> list[Machine]:
        """Instances tagged with the tenant that are not terminated, oldest first."""

    def database(self, identifier: str) -> Database | None:
        """One RDS instance."""

    def databases(self, tenant: str) -> list[Database]:
        """RDS instances tagged with the tenant."""

    def ensure_password(self, secret_arn: str, username: str) -> None:
        """Give the secret a random password as its first version; one that has a version is left alone."""

    def allow_secret(self, role: str, secret_arn: str, minutes: int) -> None:
        """Let `role` read `secret_arn` for some minutes: an inline policy that expires by itself."""

    def forbid_secret(self, role: str) -> None:
        """Take that back; what is gone already is success."""

    def run_command(self, machine_id: str, script: str, *, comment: str, timeout: float) -> CommandResult:
        """Run a shell script on a machine through SSM and wait. Raises TimedOutError after `timeout` seconds.
        Waits for the machine to be reachable by SSM within the same time."""

    def start_machine(self, machine_id: str) -> None:
        """Begin to start it; one that runs or starts is success."""

    def stop_machine(self, machine_id: str) -> None:
        """Begin to stop it; one that is stopped, stops or is gone is success."""

    def target_health(self, group_arn: str, machine_id: str) -> str:
        """How a balancer's target group finds a machine: healthy, initial, unhealthy, draining, or unused where it has
        nothing to do with it."""

    def addressed(self, tenant: str) -> list[str]:
        """Machines to which an Elastic IP of the tenant points."""

    def group_rules(self, groups: Collection[str]) -> list[GroupRule]:
        """All rules of these security groups, sorted by id."""

    def revoke_rule(self, rule: GroupRule) -> None:
        """Take a rule of a security group away; one that is gone is success."""

    def start_database(self, identifier: str) -> None:
        """Begin to start it; one that runs or starts is success."""

    def stop_database(self, identifier: str) -> None:
        """Begin to stop it; one that is stopped, stops or is gone is success."""

    def restorable(self, identifier: str) -> Restorable | None:
        """To which times a database can be restored; None where to none."""

    def snapshot(self, name: str) -> Snapshot | None:
        """One snapshot of this region."""

    def snapshots(self, tenant: str) -> list[Snapshot]:
        """Snapshots that people and `provision` made of the tenant's databases, oldest first; automated ones not."""

    def make_snapshot(self, database: str, name: str, tags: Mapping[str, str]) -> Snapshot:
        """Begin a snapshot. One of that name is success where its tag `provision:tenant` is the same, and raises
        RefusedError where it isn't."""

    def copy_snapshot(self, source_arn: str, name: str, tags: Mapping[str, str], key: str | None) -> Snapshot:
        """Begin a copy of a snapshot, of this region or another one, in this region, encrypted by `key` (None: by the
        same; another region needs one). One of that name as in `make_snapshot`."""

    def delete_snapshot(self, name: str) -> None:
        """Delete it; one that is gone is success."""

    def retire_key(self, key_arn: str, days: int) -> None:
        """Have a key deleted in `days` (7 to 30); one that waits for its deletion or is gone is success."""

    def fetch_files(self, bucket: str, prefix: str, folder: Path, *, without: str = "") -> list[StoredFile]:
        """Fetch all objects below `prefix` (newest versions), but those below `without`, into `folder`, without the
        prefix, each 0600 in folders 0700. A key that would leave the folder, and a file that can't be written, raise
        ProvisionError. Sorted by path."""

    def delete_files(self, bucket: str, prefix: str) -> None:
        """Delete all objects and versions below `prefix`, which must not be empty; a bucket that is gone is success."""

    def empty_bucket(self, bucket: str) -> None:
        """Delete all objects and versions; a bucket that is gone is success."""

    def leftovers(self, tenant: str, *, stack: str | None = None) -> list[str]:
        """Ids or ARNs of what is still tagged or named for the tenant: snapshots and names in the DNS too; keys and
        secrets that wait for their deletion not. With `stack` (PROJECT/NAME) only what bears that stack's tag."""

    def find(
        self, type_: str, inputs: Mapping[str, Json], tags: Mapping[str, str], known: Collection[str]
    ) -> str | None:
        """A resource whose creation was begun and whose reply is lost: the id by which Pulumi imports it; None where
        it was not made, or where making it again changes nothing.

        `type_` is Pulumi's token, `inputs` what it was to be made with (secrets left out), `tags` what every resource
        of the stack is tagged with, `known` the ids of live resources that the state has in the same place. Raises
        UnsupportedError for a type that can't be looked up, ProvisionError where more than one is found."""

    def quotas(self) -> list[Quota]:
        """The account's limits in this region that tenants use up. The sandbox has none: UnsupportedError."""

    def vcpus(self, instance_type: str) -> int:
        """How many virtual processors a machine of this type has."""

    def denied(self, questions: Sequence[Question]) -> Answers:
        """Which of these permissions the caller lacks, by IAM's own simulation. Raises ProvisionError where nothing
        can be told (the caller may not simulate)."""

    def key_state(self, key: str) -> str | None:
        """The state of a KMS key (id, ARN or alias/NAME), as "Enabled" or "PendingDeletion"; None where it is gone."""

    def clock_skew(self) -> timedelta:
        """The cloud's clock minus ours. AWS refuses requests that are off by more than 5 minutes."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step of an operation is given. `results`: what the steps before it returned, by name; `guard`: raises
    LeaseLostError unless the operation still holds the tenant's lease."""

    operation_id: str
    tenant: str
    payload: JsonDict
    results: Mapping[str, JsonDict]
    progress: Progress
    cancel: Flag
    guard: Callable[[], None]


@dataclass(frozen=True, slots=True)
class OperationStepDefinition:
    """An idempotent step: run again after a kill it finds what it made. Returns JSON without secrets."""

    name: str
    run: Callable[[StepContext], JsonDict]


@dataclass(frozen=True, slots=True)
class OperationDefinition:
    """A kind of operation. Both hooks record the lifecycle, under the lease. `started` is called at the beginning of
    every attempt that has something left to do, also of one that goes on after a failure; `failed` when a step has
    failed, with the cause, and not for an interruption or a lost lease. `beside`: it doesn't change the tenant itself,
    and holds a lease of its own, so that only others of its kind wait for it."""

    kind: str
    reason: str
    steps: tuple[OperationStepDefinition, ...]
    started: Callable[[StepContext], None] | None = None
    failed: Callable[[StepContext, str], None] | None = None
    beside: bool = False


class Hold(Protocol):
    """A lease that isn't an operation's, while it is held."""

    lease: Lease

    def check(self) -> None:
        """Raise LeaseLostError where another took it, CancelledError where this process shall stop."""


class Operations(Protocol):
    """Runs operations durably: lease, intent before action, recorded steps, resumable after a kill."""

    def run(self, kind: str, operation_id: str, tenant: str, payload: JsonDict, progress: Progress) -> JsonDict:
        """Run to the end and return the last step's result. An operation with this id that was interrupted goes on
        after its last recorded step; one that succeeded returns what was recorded. `payload["target"]` is the
        target's name, or a mapping with `name`. Raises LeaseHeldError, or what the step raised."""

    def resume(self, operation_id: str, progress: Progress) -> JsonDict:
        """Go on with an interrupted or failed operation under its frozen payload."""

    def hold(self, subject: str, work_id: str, reason: str) -> AbstractContextManager[Hold]:
        """Hold a lease that isn't an operation's, as long as the body runs. Raises LeaseHeldError."""

    def close(self) -> None:
        """Ask running operations to stop (their callers get CancelledError, and they can be resumed), wait for steps
        in flight within a grace period, stop threads. What a command with several threads calls on ^C."""
