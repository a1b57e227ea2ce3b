"""What the daemon gives to its parts, and what it wants of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, Protocol, runtime_checkable

from provisioner.sandbox.addresses import Addresses


class Measured(NamedTuple):
    """A metric of CloudWatch at one moment."""

    namespace: str
    metric: str
    dimensions: dict[str, str]
    value: float


@dataclass(slots=True)
class World:
    """The daemon's surroundings, one for each daemon.

    `lock` is held round every dispatch of moto; take it to touch moto's models, and never do slow work under it.
    `dirty` says that state changed outside a request (it is written soon); `commit` writes it now and returns when it
    is durable (never call it under `lock`); `run` runs a job on a background thread and logs what it raises.
    """

    home: Path
    endpoint_url: str
    account: str
    block: int
    addresses: Addresses
    lock: RLock
    dirty: Callable[[], None]
    commit: Callable[[], None]
    run: Callable[[str, Callable[[], None]], None]
    rooted: bool = field(default_factory=lambda: os.geteuid() == 0)

    def folder(self, *parts: str) -> Path:
        """A folder below the daemon's home, made if it isn't there (0711 under root, so that uids can pass)."""
        path = self.home
        for part in ("", *parts):
            path = path / part
            if not path.exists():
                path.mkdir(exist_ok=True)
                path.chmod(0o711 if self.rooted else 0o700)
        return path


class Part(Protocol):
    """A kind of thing that the daemon gives a body: databases, machines, fronts (addresses and balancers)."""

    name: str

    def install(self, world: World) -> None:
        """Hook moto. Called once, before any state is loaded and before the server listens."""

    def restore(self) -> None:
        """After state was loaded (or after an empty start): adopt the bodies that live, start those that should."""

    def status(self) -> list[dict[str, Any]]:
        """One row for each body: id, tenant, kind, state, address, pid, uid, notes."""

    def stop(self) -> None:
        """End all bodies in order, keep their data. `sandbox stop` calls it; kill -9 does not."""


@runtime_checkable
class Measuring(Protocol):
    """A part that knows metrics of its own."""

    def measure(self) -> list[Measured]:
        """What there is since the last call. Called on the meters' thread, without the world's lock."""
