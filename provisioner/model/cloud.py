"""What the cloud adapters report. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

_BROKEN = frozenset(
    {
        "failed",
        "inaccessible-encryption-credentials",
        "inaccessible-encryption-credentials-recoverable",
        "incompatible-create",
        "incompatible-network",
        "incompatible-option-group",
        "incompatible-parameters",
        "incompatible-restore",
        "insufficient-capacity",
        "restore-error",
        "storage-full",
    }
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who we are to the cloud."""

    account: str
    arn: str
    region: str


@dataclass(frozen=True, slots=True)
class Machine:
    """An EC2 instance of a tenant. `state`: pending, running, stopping, stopped, shutting-down."""

    id: str
    state: str
    image_id: str
    instance_type: str
    private_ip: str | None


@dataclass(frozen=True, slots=True)
class Database:
    """An RDS instance of a tenant. `status` as RDS says it; `address` and `port` are None until it is available.
    `max_storage_gib`: up to where RDS enlarges its storage by itself; None where it doesn't."""

    identifier: str
    resource_id: str
    status: str
    address: str | None
    port: int | None
    deletion_protection: bool
    master_secret_arn: str | None
    storage_gib: int | None = None
    max_storage_gib: int | None = None
    version: str | None = None

    @property
    def broken(self) -> bool:
        """Whether RDS says that it doesn't serve and won't without help: no snapshot of it can be taken."""
        return self.status in _BROKEN


@dataclass(frozen=True, slots=True)
class GroupRule:
    """One rule of a security group. `peer`: addresses, a prefix list, or another group."""

    id: str
    group: str
    egress: bool
    protocol: str
    from_port: int | None
    to_port: int | None
    peer: str

    def __str__(self) -> str:
        ports = f" {self.from_port}" if self.from_port == self.to_port else f" {self.from_port}-{self.to_port}"
        what = "everything" if self.protocol == "-1" else self.protocol + ("" if self.from_port is None else ports)
        return f"{what} {'to' if self.egress else 'from'} {self.peer}"


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command on a machine ended. Output is cut to 24,000 characters, as SSM does."""

    status: str
    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Health:
    """One answer of the product's `/healthz`. `status`: healthy, unhealthy, unreachable."""

    status: str
    release: str | None = None
    schema_version: int | None = None
    tenant: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """One of the account's limits in the region. `name`: vpcs, addresses, databases, vcpus; `service` and `code` as
    Service Quotas has them."""

    name: str
    title: str
    service: str
    code: str
    limit: float
    used: float

    @property
    def left(self) -> float:
        """How many more can be made."""
        return self.limit - self.used


@dataclass(frozen=True, slots=True)
class Metric:
    """A series of CloudWatch as it is asked for: the `statistic` of each `period` (seconds)."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    period: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a metric was in one period; `at` is the middle of it."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of a tenant. `state`: ok, firing, or silent (too little was measured); `since`: when it came to it."""

    name: str
    state: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of a database. `status` as RDS says it: creating, available, failed, deleted. `taken_at`: the moment
    whose data it has, once it is known."""

    name: str
    arn: str
    status: str
    database: str
    size_gib: int
    encrypted: bool
    key: str | None
    taken_at: datetime | None
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Restorable:
    """The times (UTC) between which a database can be restored to any moment."""

    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was fetched from a bucket: its path below the folder, bytes, and SHA-256 in hexadecimal digits."""

    path: str
    size: int
    sha256: str
