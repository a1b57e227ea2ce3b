"""What a tenant should be, after defaults, tier and overrides are folded together. Plain values, no behaviour."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from provisioner.model.json import digest
from provisioner.model.patch.policy import PatchException, PatchPolicy
from provisioner.model.recovery import BackupPolicy

DRIFT_HOURS = 24


class CloudKind(StrEnum):
    """Where a target runs."""

    SANDBOX = "sandbox"
    AWS = "aws"


@dataclass(frozen=True, slots=True)
class Target:
    """A place to run: a cloud with its state, secrets and ledger. `account` is the 12-digit AWS account, if pinned;
    `role` the ARN of the role that all work on tenants assumes. In a tenant's own view of its target both may be the
    tenant's, and `tenant` is its id where a role is assumed: the session's tag."""

    name: str
    cloud: CloudKind
    regions: tuple[str, ...]
    domain: str
    state: str | None = None
    secrets: str | None = None
    ledger: str | None = None
    account: str | None = None
    max_tenants: int = 1000
    role: str | None = None
    tenant: str | None = None

    def place(self, region: str) -> str:
        """Under which name a release has its image for tenants of this region."""
        return "sandbox" if self.cloud is CloudKind.SANDBOX else region


@dataclass(frozen=True, slots=True)
class Sizing:
    """What a tier buys. Sizes in GiB, retention in days."""

    instance_type: str
    root_disk_gib: int
    front: Literal["address", "balancer"]
    database_class: str
    database_version: str
    database_storage_gib: int
    database_max_storage_gib: int
    multi_az: bool
    multi_region_key: bool
    backup_retention_days: int
    log_retention_days: int
    deletion_protection: bool


@dataclass(frozen=True, slots=True)
class Tier:
    """A commercial size: its name, what it buys, and words for people who sell it. `drift_hours`: hours between two
    looks of a worker for what somebody changed by hand."""

    name: str
    sizing: Sizing
    description: str | None = None
    backup: BackupPolicy = field(default_factory=BackupPolicy)
    drift_hours: int = DRIFT_HOURS
    patch: PatchPolicy = field(default_factory=PatchPolicy)


@dataclass(frozen=True, slots=True)
class Organization:
    """A group of tenants under one owner; `name` is for people."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Release:
    """An immutable version of the product. `images`: region or "sandbox" -> AMI id or directory (absolute path);
    `rebuilds`: the same of the same release on newer operating systems, by the name of the OS release; `patch_hooks`:
    SSM documents that run on its machines while patches are installed, by moment: before, after, exit."""

    version: str
    images: Mapping[str, str]
    schema_version: int
    migration: Literal["none", "online", "offline"]
    undo: Literal["code-only", "needs-restore", "one-way"]
    min_from: str | None = None
    yanked: str | None = None
    rebuilds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    patch_hooks: Mapping[str, str] = field(default_factory=dict)

    def images_on(self, os_release: str | None) -> Mapping[str, str]:
        """Its images on an OS release; None: those that it was published with."""
        return self.images if os_release is None else self.rebuilds.get(os_release, {})


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window in the tenant's time zone. `days`: mon..sun; `start`: HH:MM; `hours`: its length."""

    days: tuple[str, ...]
    start: str
    hours: int


@dataclass(frozen=True, slots=True)
class Pin:
    """Why a tenant stays on its release, who allowed it, and until when. Past its last day it still holds: time alone
    never upgrades anybody. Nothing of it need be said."""

    reason: str | None = None
    name: str | None = None
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A customer declines rollouts, whatever their release, up to and with the day `until` (UTC)."""

    until: date
    reason: str
    name: str


@dataclass(frozen=True, slots=True)
class Freeze:
    """From `start` and before `end` no rollout changes anybody of these rings; of any ring, where none is said."""

    start: datetime
    end: datetime
    reason: str
    name: str
    rings: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Override:
    """One typed exception of one tenant: which setting, its value, who allowed it, why and until when."""

    setting: str
    value: str | int | bool
    name: str
    reason: str
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Waiver:
    """A named, expiring permission for exactly one stateful change: `operation` on the resource named `resource`.
    `create`: to make it again empty, where what was in it is lost. For `restore-into` the resource is the id of the
    tenant that this one's data may be restored into."""

    resource: str
    operation: Literal["replace", "delete", "create", "restore-into"]
    name: str
    reason: str
    expires: date


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer's desired instance. `sizing` already has the tier's values and the live overrides folded in;
    `overrides`, `waivers`, `patch_exceptions` and `hold` are there when they have expired, too. It follows
    `channel`, or has a `pin`. `name` is the customer's, for people."""

    id: str
    tier: str
    ring: int
    region: str
    target: Target
    sizing: Sizing
    desired_release: str
    release_source: str
    organization: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    window: Window | None = None
    time_zone: str = "UTC"
    expires: date | None = None
    overrides: tuple[Override, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    name: str | None = None
    backup: BackupPolicy = field(default_factory=BackupPolicy)
    drift_hours: int = DRIFT_HOURS
    channel: str | None = None
    pin: Pin | None = None
    hold: Hold | None = None
    patch: PatchPolicy = field(default_factory=PatchPolicy)
    patch_exceptions: tuple[PatchException, ...] = ()


def desired_digest(tenant: Tenant, assigned_release: str, program_version: str) -> str:
    """What `apply` compares to skip an unchanged tenant: all that the stack's program can see, and its version."""
    return digest(
        {
            "tenant": tenant.id,
            "tier": tenant.tier,
            "ring": tenant.ring,
            "region": tenant.region,
            "organization": tenant.organization,
            "labels": dict(tenant.labels),
            "sizing": asdict(tenant.sizing),
            "target": asdict(tenant.target),
            "release": assigned_release,
            "program": program_version,
        }
    )
