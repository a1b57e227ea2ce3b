"""Recovery points: what can be restored together, how long it is kept, and what a restore of it has proven."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class PointKind(StrEnum):
    """Why a recovery point was made. Retention thins out the first two; the others are kept until they expire."""

    MANUAL = "manual"
    SCHEDULED = "scheduled"
    BEFORE_RESTORE = "before-restore"
    BEFORE_UPGRADE = "before-upgrade"
    BEFORE_PATCH = "before-patch"
    REPLACED = "replaced"
    FINAL = "final"


class PointStatus(StrEnum):
    """Where a recovery point is. Only an available one can be restored."""

    CREATING = "creating"
    AVAILABLE = "available"
    FAILED = "failed"
    DELETED = "deleted"


class Verdict(StrEnum):
    """What a drill found. Inconclusive: it could not be told, and says nothing about the backup."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class BackupPolicy:
    """A tier's promise. `daily` ... `yearly`: of how many days, weeks, months and years the newest point is kept (UTC).
    `copy_region`: where each point is copied to, under the KMS key `copy_key` of that region. `rpo_minutes` and
    `rto_minutes`: the most data and the most time that may be lost. `drill_days`: days between two drills.
    `keep_replaced_days`: how long a database that a restore replaced is kept. `grace_days`: how long an offboarded
    tenant is only suspended. `final_days`: how long its final recovery point is kept after that."""

    every_hours: int = 24
    daily: int = 7
    weekly: int = 4
    monthly: int = 3
    yearly: int = 0
    copy_region: str | None = None
    copy_key: str | None = None
    rpo_minutes: int = 1440
    rto_minutes: int = 240
    drill_days: int = 30
    keep_replaced_days: int = 7
    grace_days: int = 14
    final_days: int = 30


@dataclass(frozen=True, slots=True)
class PointCopy:
    """A recovery point's snapshot in another region."""

    region: str
    snapshot: str
    key: str | None


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """One restorable set. `id` is the snapshot's name too. `taken_at`: the moment whose data it has. `config_digest`:
    the desired state that was reached then. `key`: ARN of the KMS key without which it can't be read. `size_gib`: of
    the database's storage. `expires`: until when a point that isn't thinned out is kept. `proven_at`: when it was last
    restored and found good."""

    id: str
    tenant: str
    target: str
    region: str
    kind: PointKind
    status: PointStatus
    database: str
    release: str
    schema_version: int
    config_digest: str | None
    key: str
    taken_at: datetime
    size_gib: int = 0
    expires: date | None = None
    copies: tuple[PointCopy, ...] = field(default_factory=tuple)
    proven_at: datetime | None = None
    verdict: Verdict | None = None
    operation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A record that proves something: a drill, a retirement. It is a line of the journal, so `hash` chains it to
    everything before it."""

    number: int
    at: datetime
    tenant: str
    kind: str
    body: dict[str, object]
    hash: str
