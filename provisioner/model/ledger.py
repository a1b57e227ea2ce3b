"""Records of the ledger: operations and their steps, leases, tenants as assigned and observed, the journal."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle


class OperationStatus(StrEnum):
    """Where an operation is. A queued one was handed over and waits for its process or a worker; only queued, running,
    failed and interrupted ones can be resumed. An undone one failed, and took back what it had done. A stuck one
    failed, and what it did stays: it is over, too, since only something else can help."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    UNDONE = "undone"
    STUCK = "stuck"


class StepStatus(StrEnum):
    """Where a step of an operation is. `started` is the intent, written before acting."""

    STARTED = "started"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lease. A dead holder is proven on its own host by pid, start time of the pid, and boot id (with the
    pid namespace; empty where it can't be read, and then only the time to live counts)."""

    host: str
    boot_id: str
    pid: int
    pid_started: str
    user: str


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to change one tenant. `token` grows with every acquisition: a stale holder is fenced by it."""

    tenant: str
    operation_id: str
    reason: str
    holder: Holder
    token: int
    acquired_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OperationStep:
    """One journalled step. `result` is JSON without secrets."""

    name: str
    status: StepStatus
    started_at: datetime
    ended_at: datetime | None = None
    attempts: int = 1
    result: JsonDict = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One mutating action on one tenant. `payload` is the frozen input."""

    id: str
    kind: str
    tenant: str
    target: str
    status: OperationStatus
    payload: JsonDict
    started_at: datetime
    ended_at: datetime | None = None
    error: str | None = None
    hint: str | None = None
    steps: tuple[OperationStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """Something observed, with its age: `value` as JSON, `at` in UTC."""

    value: JsonDict
    at: datetime


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """What the ledger holds of a tenant. `applied_digest`: desired state that the last successful apply reached."""

    id: str
    target: str
    lifecycle: Lifecycle
    assigned_release: str | None
    applied_digest: str | None
    cause: str | None
    updated_at: datetime
    facts: dict[str, Fact] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of the append-only journal. `hash` covers the entry and `previous`, so an edit breaks the chain."""

    number: int
    at: datetime
    tenant: str | None
    operation_id: str | None
    kind: str
    detail: JsonDict
    previous: str
    hash: str
