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
        left = _pids(belongs)
        if not left:
            return True
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_PAUSE)
    return False


def _pids(belongs: Callable[[Path], bool]) -> list[int]:
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            if belongs(process) and not _dead(process):
                found.append(int(process.name))
        except OSError:  # it ended, or it is another user's
            continue
    return found


def _dead(process: Path) -> bool:
    return (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
