"""The state of all of moto's backends in one file: written before a reply leaves, read at the start.

One committer serves all writers (group commit): a call that changed something takes a ticket under the world's lock
and waits for it; the committer dumps everything once for all the tickets given so far. A kill -9 therefore loses
nothing that a client was told. The file is synced only at the end of an orderly stop: until then it survives the death
of the process, not that of the host, like the databases of the sandbox.
"""

import hashlib
import json
import logging
import os
import time
from pathlib import Path
from threading import Condition, RLock, Thread
from typing import Any

import moto

from provisioner.model.errors import SandboxError
from provisioner.sandbox import pickling
from provisioner.sandbox.info import write_atomically

_MAGIC = b"provision-sandbox-state 1\n"
_RESET = "provision sandbox reset (throws the sandbox's tenants away)"
log = logging.getLogger(__name__)


class NotDurableError(Exception):
    """A change is in memory, but could not be written."""


_LONGEST_GATHERING = 0.05


class Store:
    """Keeps moto's state durable. All methods may be called from any thread."""

    def __init__(self, file: Path, lock: RLock) -> None:
        self._file = file
        self._world_lock = lock
        self._turn = Condition()
        self._given = 0
        self._tried = 0
        self._failure: tuple[int, str] | None = None
        self._closing = False
        self._cost = 0.0
        self._thread = Thread(target=self._commit_forever, name="committer", daemon=True)
        self.size = 0
        self.commits = 0

    def load(self) -> bool:
        """Put the file's state into moto's backends; False where there is no file yet.

        Raises SandboxError where the file is damaged, or was written with another moto.
        """
        try:
            content = self._file.read_bytes()
        except FileNotFoundError:
            return False
        pickling.restore(_checked_payload(self._file, content))
        self.size = len(content)
        # A file that could be loaded is worth keeping: it costs a link, as the next write makes a new file.
        backup = self._file.with_suffix(".bak")
        backup.unlink(missing_ok=True)
        os.link(self._file, backup)
        return True

    def start(self) -> None:
        """Start the committer."""
        self._thread.start()

    def touch(self) -> int:
        """State has changed: have it written soon. Returns a ticket for `wait`. Call it under the world's lock, or
        after the change."""
        with self._turn:
            self._given += 1
            self._turn.notify_all()
            return self._given

    def dirty(self) -> None:
        """State has changed outside a call: have it written soon."""
        self.touch()

    def wait(self, ticket: int) -> None:
        """Return when everything up to `ticket` is in the file. Raises NotDurableError where that failed."""
        with self._turn:
            self._turn.wait_for(lambda: self._tried >= ticket)
            if self._failure and ticket <= self._failure[0]:
                raise NotDurableError(self._failure[1])

    def commit(self) -> None:
        """Write now; return when it is durable. Never call it under the world's lock: the committer needs it."""
        if self._world_lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 - the only way to ask an RLock
            raise RuntimeError("commit() under the world's lock would never return")
        self.wait(self.touch())

    def close(self) -> None:
        """Write what is left, to the disk, and end the committer."""
        self.touch()
        with self._turn:
            self._closing = True
            self._turn.notify_all()
        self._thread.join()

    def _commit_forever(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._closing or self._given > self._tried)
                closing = self._closing
            # As PostgreSQL's commit_delay: a write costs the same for one change as for many, so wait about as long as
            # one takes for others to join it. Nobody waits alone for long: the first writes of a home cost nothing.
            if not closing:
                time.sleep(min(self._cost, _LONGEST_GATHERING))
            begun = time.perf_counter()
            failure = None
            with self._world_lock:
                upto = self._given
                try:
                    payload = pickling.dump()
                except Exception as error:  # noqa: BLE001 - pickle raises anything; every waiter must hear of it
                    failure = f"the state can't be written: {error!r}"
            if failure is None:
                failure = self._write(payload, sync=closing)
            self._cost = time.perf_counter() - begun
            with self._turn:
                self._tried = upto
                # A later success holds the earlier changes as well: the failure is over for those that still wait.
                self._failure = (upto, failure) if failure else None
                self._turn.notify_all()
                if closing and self._given == upto:
                    return

    def _write(self, payload: bytes, *, sync: bool) -> str | None:
        header = json.dumps({"moto": moto.__version__, "sha256": hashlib.sha256(payload).hexdigest()}).encode()
        try:
            write_atomically(self._file, _MAGIC + header + b"\n" + payload, sync=sync)
        except OSError as error:
            log.error("the state can't be written to %s: %s", self._file, error)
            return f"the state can't be written to {self._file}: {error.strerror}"
        self.size = len(payload)
        self.commits += 1
        return None


def _checked_payload(file: Path, content: bytes) -> bytes:
    damaged = SandboxError(
        f"the sandbox's state file {file} is damaged; the last one that could be loaded is {file.with_suffix('.bak')}",
        hint=f"put the .bak in its place, or {_RESET}",
    )
    if not content.startswith(_MAGIC):
        raise damaged
    header, _, payload = content[len(_MAGIC) :].partition(b"\n")
    try:
        meta: dict[str, Any] = json.loads(header)
    except ValueError:
        raise damaged from None
    if meta.get("moto") != moto.__version__:
        raise SandboxError(
            f"the sandbox's state file {file} was written with moto {meta.get('moto')}; this is {moto.__version__}",
            hint=f"pip install moto=={meta.get('moto')}, or {_RESET}",
        )
    if hashlib.sha256(payload).hexdigest() != meta.get("sha256"):
        raise damaged
    return payload
