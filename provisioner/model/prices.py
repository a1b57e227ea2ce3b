"""What a tenant costs by the list: on demand in eu-west-1, USD, of 2026-11. Pure.

The numbers are approximate and were not checked against AWS's price list; other regions differ by some tens of percent;
traffic, copies to other regions and taxes come on top. The table in docs/aws.md is this module's, and a test compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from provisioner.model.tenant import Sizing

_HOURS = 730.0
"""In a month."""

_SIZES = {
    "nano": 1 / 16,
    "micro": 1 / 8,
    "small": 1 / 4,
    "medium": 1 / 2,
    "large": 1,
    "xlarge": 2,
    "2xlarge": 4,
    "4xlarge": 8,
    "8xlarge": 16,
}
"""What a class costs against its family's `large`."""

_BURSTABLE = ("nano", "micro", "small", "medium", "large", "xlarge", "2xlarge")
_STEADY = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge")

_MACHINES: dict[str, tuple[float, tuple[str, ...]]] = {
    "t3": (0.0912, _BURSTABLE),
    "t4g": (0.0736, _BURSTABLE),
    "m6g": (0.0860, ("medium", *_STEADY)),
    "m7g": (0.0911, ("medium", *_STEADY)),
}
"""Family -> an hour of its `large` with Linux, and the sizes that there are."""

_DATABASES: dict[str, tuple[float, tuple[str, ...]]] = {
    "db.t4g": (0.1400, _BURSTABLE[1:]),
    "db.m6g": (0.1760, _STEADY),
    "db.m7g": (0.1850, _STEADY),
}
"""The same of PostgreSQL on RDS in one availability zone; a standby costs as much again."""

_DISK = 0.088  # gp3, a GiB
_DATABASE_DISK = 0.127  # gp3 of RDS, a GiB in one zone
_SNAPSHOT = 0.095  # a GiB beyond what is free: as much as the database's storage
_FILES = 0.023  # S3, a GiB
_LOG_WRITTEN, _LOG_KEPT = 0.57, 0.03  # CloudWatch, a GiB
_METRIC, _METRICS_OF_A_MACHINE = 0.30, 7
_ADDRESS, _BALANCER, _BALANCER_UNIT, _NAT = 0.005, 0.0252, 0.008, 0.048  # an hour
_KEY, _SECRET, _SECRETS, _ALARM = 1.00, 0.40, 2, 0.10

_LOGGED = 0.1
"""Of the database's storage, logged in a month. No setting says it, nor that files and (beyond what is free) backups
are as much as the database's storage each."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One item of a tenant. `usd`: a month of 730 hours; None where the class's price isn't known here.
    `while_suspended`: whether it goes on while machine and database are stopped."""

    item: str
    usd: float | None
    while_suspended: bool


def monthly(sizing: Sizing) -> list[Cost]:
    """Everything that is paid for one tenant of this size."""
    storage, zones = sizing.database_storage_gib, 2 if sizing.multi_az else 1
    logged = storage * _LOGGED
    return [
        Cost("machine", _machine(sizing.instance_type), while_suspended=False),
        Cost("detailed monitoring of the machine", _METRIC * _METRICS_OF_A_MACHINE, while_suspended=False),
        Cost("disk", sizing.root_disk_gib * _DISK, while_suspended=True),
        Cost("database", _database(sizing.database_class, zones), while_suspended=False),
        Cost("database storage", storage * _DATABASE_DISK * zones, while_suspended=True),
        *_front(sizing),
        Cost("key, secrets, alarms", _KEY + _SECRET * _SECRETS + _ALARM * _alarms(sizing), while_suspended=True),
        Cost("logs, as they are written", logged * _LOG_WRITTEN, while_suspended=False),
        Cost("logs and files, as they are kept", _kept(sizing, logged), while_suspended=True),
        Cost("backups", storage * _SNAPSHOT, while_suspended=True),
    ]


def total(costs: Sequence[Cost], *, suspended: bool = False) -> float | None:
    """The sum, or what of it goes on while the tenant is suspended. None where a part isn't known."""
    parts = [c.usd for c in costs if c.while_suspended or not suspended]
    known = [usd for usd in parts if usd is not None]
    return sum(known) if len(known) == len(parts) else None


def larger(class_: str) -> str | None:
    """The next size of a machine's or database's class; None where there is none, or it isn't known here."""
    family, _, size = class_.rpartition(".")
    _, sizes = {**_MACHINES, **_DATABASES}.get(family, (0.0, ()))
    rest = sizes[sizes.index(size) + 1 :] if size in sizes else ()
    return f"{family}.{rest[0]}" if rest else None


def _front(sizing: Sizing) -> list[Cost]:
    if sizing.front == "address":
        return [Cost("address", _HOURS * _ADDRESS, while_suspended=True)]
    return [
        Cost("balancer and its addresses", _HOURS * (_BALANCER + 2 * _ADDRESS), while_suspended=True),
        Cost("balancer's load", _HOURS * _BALANCER_UNIT, while_suspended=False),
        Cost("NAT gateway and its address", _HOURS * (_NAT + _ADDRESS), while_suspended=True),
    ]


def _alarms(sizing: Sizing) -> int:
    """Those of stacks/watch.py."""
    burstable = sizing.instance_type.startswith("t") + sizing.database_class.startswith("db.t")
    return 7 + burstable + (2 if sizing.front == "balancer" else 0)


def _kept(sizing: Sizing, logged: float) -> float:
    months = sizing.log_retention_days * 24 / _HOURS
    return logged * months * _LOG_KEPT + sizing.database_storage_gib * _FILES


def _machine(type_: str) -> float | None:
    return _compute(_MACHINES, type_)


def _database(class_: str, zones: int) -> float | None:
    price = _compute(_DATABASES, class_)
    return None if price is None else price * zones


def _compute(families: dict[str, tuple[float, tuple[str, ...]]], class_: str) -> float | None:
    family, _, size = class_.rpartition(".")
    large, sizes = families.get(family, (0.0, ()))
    return large * _SIZES[size] * _HOURS if size in sizes else None
