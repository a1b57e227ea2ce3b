"""What of a tenant can run out, how much there is of it, and what more of it costs. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil

from provisioner.model import prices
from provisioner.model.tenant import Sizing

_GIB = 1024**3
_MORE = 1.5
_MEMORY_GIB = {
    "micro": 1,
    "small": 2,
    "medium": 4,
    "large": 8,
    "xlarge": 16,
    "2xlarge": 32,
    "4xlarge": 64,
    "8xlarge": 128,
}
_FOR_ITSELF_GIB = 0.3
_CONNECTION_BYTES = 9_531_392
_MOST_CONNECTIONS = 5000
_SANDBOX_CONNECTIONS = 60


class Resource(StrEnum):
    """What can run out."""

    DISK = "disk"
    STORAGE = "database-storage"
    CONNECTIONS = "connections"
    CPU = "cpu"
    DATABASE_CPU = "database-cpu"


@dataclass(frozen=True, slots=True)
class Growth:
    """The next step up: the setting with its value, and what it costs a month in USD; None where that isn't known."""

    setting: str
    value: str | int
    usd: float | None


def connections(database_class: str, *, sandbox: bool) -> float | None:
    """How many connections PostgreSQL takes where nothing else is set: about, by RDS's default formula
    `LEAST({DBInstanceClassMemory/9531392}, 5000)`, in which the memory is without what RDS needs itself. None for a
    class that isn't known here. The sandbox's servers take few, whatever the class."""
    if sandbox:
        return float(_SANDBOX_CONNECTIONS)
    memory = _MEMORY_GIB.get(database_class.rpartition(".")[2])
    if memory is None:
        return None
    return float(min(_MOST_CONNECTIONS, int((memory - _FOR_ITSELF_GIB) * _GIB / _CONNECTION_BYTES)))


def growth(resource: Resource, sizing: Sizing) -> Growth | None:
    """Half as much again of a disk, or the next size of a class. None where there is no larger one known here."""
    setting = _SETTINGS[resource]
    now: str | int = getattr(sizing, setting)
    more = prices.larger(now) if isinstance(now, str) else ceil(now * _MORE)
    if more is None:
        return None
    changes: dict[str, str | int] = {setting: more}
    if setting == "database_storage_gib":
        changes["database_max_storage_gib"] = max(int(more), sizing.database_max_storage_gib)
    before = prices.total(prices.monthly(sizing))
    after = prices.total(prices.monthly(replace(sizing, **changes)))  # type: ignore[arg-type]
    return Growth(setting, more, None if before is None or after is None else after - before)


_SETTINGS = {
    Resource.DISK: "root_disk_gib",
    Resource.STORAGE: "database_storage_gib",
    Resource.CONNECTIONS: "database_class",
    Resource.CPU: "instance_type",
    Resource.DATABASE_CPU: "database_class",
}
