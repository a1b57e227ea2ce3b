"""Finds and kills what a machine or a command left behind, `setsid` or not."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

_ROUNDS = 100
_PAUSE = 0.02


def of_uid(uid: int) -> Callable[[Path], bool]:
    """Everything that runs under a machine's own uid."""
    return lambda process: process.stat().st_uid == uid


def marked(variable: str, value: str) -> Callable[[Path], bool]:
    """Everything that inherited this environment variable, what is on its way to the machine's uid too. What clears its
    environment escapes."""
    entry = b"\0" + f"{variable}={value}".encode() + b"\0"
    return lambda process: entry in b"\0" + (process / "environ").read_bytes()


def either(*some: Callable[[Path], bool]) -> Callable[[Path], bool]:
    """What one of them finds."""
    return lambda process: any(belongs(process) for belongs in some)


def kill(belongs: Callable[[Path], bool]) -> bool:
    """Kill all processes that belong, until there are none (they may fork meanwhile). False when some don't die."""
    for _ in range(_ROUNDS):
        left = [process for process in Path("/proc").iterdir() if process.name.isdigit() and _kill(process, belongs)]
        if not left:
            return True
        time.sleep(_PAUSE)
    return False


def _kill(process: Path, belongs: Callable[[Path], bool]) -> bool:
    """Whether the process belonged, and was alive to be killed."""
    pid = int(process.name)
    if pid == os.getpid():
        return False
    try:
        handle = os.pidfd_open(pid)  # names this very process, whatever becomes of its pid
    except OSError:
        return False
    try:
        found = belongs(process) and not _dead(process)
        if found:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:  # it ended, or it is another user's
        return False
    finally:
        os.close(handle)
    return found


def _dead(process: Path) -> bool:
    return (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
