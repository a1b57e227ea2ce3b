"""The lock of a home: whoever holds it is its daemon, or deletes it."""

import fcntl
import os
import time
from pathlib import Path

from provisioner.model.errors import SandboxError


def hold(home: Path, patience: float) -> int:
    """Take the lock and return its handle; it is free again when that is closed, or the process has ended.

    A daemon that is stopping gets `patience` seconds. Raises SandboxError where it is still held then.
    """
    handle = os.open(home / "daemon.lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                raise SandboxError(f"another daemon serves {home}", hint="provision sandbox status") from None
            time.sleep(0.02)
        else:
            return handle
