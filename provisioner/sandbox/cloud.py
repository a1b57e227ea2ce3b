"""The sandbox put together: moto's state, its front, the bodies and the Pulumi provider, round one world."""

import logging
import os
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any

import moto

from provisioner.sandbox import blocks, databases, images, info, machines, meters, missing, provider, strict, truth
from provisioner.sandbox.addresses import Addresses
from provisioner.sandbox.control import Control
from provisioner.sandbox.faults import Faults
from provisioner.sandbox.front import Front
from provisioner.sandbox.server import make_server
from provisioner.sandbox.store import Store
from provisioner.sandbox.world import Part, World

log = logging.getLogger(__name__)


class SandboxCloud:
    """One sandbox. `stopping` ends it: set by a signal or by the control API."""

    def __init__(self, home: Path, stopping: Event) -> None:
        self._home = home
        self._stopping = stopping
        self._begun = datetime.now(UTC)
        self._token = secrets.token_urlsafe(24)
        self._block = blocks.claim(home)
        lock = RLock()
        self._store = Store(home / "state.bin", lock)
        faults = Faults()
        self._front = Front(self._store, faults, lock, stopping)
        self._images = images.install(home / "images.json")
        control = Control(self._token, faults, self._images, self.status, self._zone, stopping.set)
        self._server = make_server(control, self._front, home / "port")
        self._world = World(
            home=home,
            endpoint_url=f"http://127.0.0.1:{self._server.port}",
            account=info.ACCOUNT,
            block=self._block,
            addresses=Addresses(home / "addresses.json", self._block),
            lock=lock,
            dirty=self._store.dirty,
            commit=self._store.commit,
            run=_in_background,
        )
        bodies = [*databases.parts(), *machines.parts()]
        self._parts: list[Part] = [*bodies, *meters.parts(bodies)]
        self._info: info.SandboxInfo | None = None

    def start(self) -> None:
        """Hook moto, load the state, serve, wake the bodies. Raises SandboxError where the state can't be used."""
        for part in self._parts:
            part.install(self._world)
        missing.install()
        strict.install()  # last, so that it refuses before a part begins a body
        loaded = self._store.load()
        self._store.start()
        Thread(target=self._server.serve_forever, args=(0.05,), name="http", daemon=True).start()
        for part in self._parts:
            part.restore()
        self._info = self._describe(provider.serve(self._world))
        own = info.started(self._info.pid)
        info.write(self._home, info.Running(self._info, own or "", self._token))
        log.info("serving %s on %s%s", self._home, self._info.endpoint_url, " with its state" if loaded else "")

    def stop(self) -> None:
        """End the bodies in order, write everything."""
        (self._home / info.FILE).unlink(missing_ok=True)  # nobody shall find us any more
        self._server.shutdown()
        provider.stop()
        for part in reversed(self._parts):
            try:
                part.stop()
            except Exception:  # the others and the state come first
                log.exception("%s didn't stop in order", part.name)
        self._store.close()
        log.info("stopped")

    def status(self) -> dict[str, Any]:
        """What `GET /_sbx/status` answers; no secrets."""
        running = self._info
        rows = {part.name: part.status() for part in self._parts}
        return {
            "pid": running.pid if running else None,
            "home": str(self._home),
            "endpoint_url": self._world.endpoint_url,
            "provider_port": running.provider_port if running else None,
            "account": info.ACCOUNT,
            "region": info.REGION,
            "block": f"127.{self._block}.0.0/16" if self._world.addresses.whole_net else "127.0.0.1",
            "since": self._begun.isoformat(timespec="seconds"),
            "moto": moto.__version__,
            "state_bytes": self._store.size,
            "counts": {**self._front.counts, "commits": self._store.commits},
            "images": [{"id": i, **entry} for i, entry in self._images.all().items()],
            **truth.about(self._world),
            **rows,
        }

    def _describe(self, provider_port: int) -> info.SandboxInfo:
        return info.SandboxInfo(
            pid=os.getpid(),
            endpoint_url=self._world.endpoint_url,
            provider_port=provider_port,
            account=info.ACCOUNT,
            region=info.REGION,
            access_key_id=info.ACCESS_KEY_ID,
            secret_access_key=info.SECRET_ACCESS_KEY,
            ca_file=str(self._home / "ca" / "ca.pem"),
            block=self._block,
        )

    def _zone(self, name: str) -> str:
        from moto.route53.models import route53_backends

        wanted = name.rstrip(".") + "."
        with self._world.lock:
            backend = route53_backends[info.ACCOUNT]["aws"]
            zone = next((z for z in backend.zones.values() if z.name == wanted), None)
            if zone is None:
                zone = backend.create_hosted_zone(wanted, False, caller_reference=wanted, comment="made by provision")
        self._world.commit()
        return str(zone.id).rpartition("/")[2]


def _in_background(name: str, job: Callable[[], None]) -> None:
    def run() -> None:
        try:
            job()
        except Exception:
            log.exception("%s failed", name)

    Thread(target=run, name=name, daemon=True).start()
