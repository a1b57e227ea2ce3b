"""Loopback addresses of their own for machines, databases and fronts; ports where the host has only 127.0.0.1."""

import json
import os
import socket
import tempfile
from pathlib import Path
from threading import Lock
from typing import NamedTuple

_FIRST, _LAST = 256, 65_000


class Address(NamedTuple):
    """Where something listens."""

    host: str
    port: int


class Addresses:
    """Gives each key an address that stays, kept in a file written atomically.

    Every key gets `127.B.x.y` and the port it asks for, B from the daemon's own `block` (so that several sandboxes on
    one host don't meet). Where only 127.0.0.1 can be bound, every key gets a free port there.
    """

    def __init__(self, file: Path, block: int) -> None:
        self._file = file
        self._block = block
        self._lock = Lock()
        self._whole_net = _can_bind(f"127.{block}.0.1")
        self._known: dict[str, Address] = {}
        if file.exists():
            self._known = {k: Address(*v) for k, v in json.loads(file.read_text()).items()}

    @property
    def whole_net(self) -> bool:
        """Whether each key has a host of its own."""
        return self._whole_net

    def take(self, key: str, port: int) -> Address:
        """The address of `key`, given now if it has none. Listening is the caller's business."""
        with self._lock:
            if key not in self._known:
                self._known[key] = self._free(port)
                self._write()
            return self._known[key]

    def release(self, key: str) -> None:
        """Forget a key; one that isn't there is fine."""
        with self._lock:
            if self._known.pop(key, None) is not None:
                self._write()

    def _free(self, port: int) -> Address:
        if not self._whole_net:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                return Address("127.0.0.1", int(probe.getsockname()[1]))
        used = {a.host for a in self._known.values()}
        for number in range(_FIRST, _LAST):
            host = f"127.{self._block}.{number >> 8}.{number & 255}"
            if host not in used and number & 255 not in (0, 255):
                return Address(host, port)
        raise RuntimeError(f"no loopback address is left in 127.{self._block}.0.0/16")

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._file.parent)
        with os.fdopen(handle, "w") as out:
            json.dump(self._known, out)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(self._file)


def _can_bind(host: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
        return True
