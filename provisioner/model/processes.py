"""Which process is meant, and whether it is over.

A pid alone proves nothing: it is reused, means something else in another pid namespace, and something else after a
reboot. So a process is named by its place (the boot of its host and its pid namespace), its pid and its start time.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stat:
    """What /proc says of a process. `dead`: a zombie, which acts no more; `started`: clock ticks since boot."""

    dead: bool
    started: str
    session: int


def place() -> str:
    """Where pids can be compared: the boot id joined with this pid namespace. Empty where it can't be read (no
    /proc), and then nothing can be proven by pids."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def stat(pid: int) -> Stat | None:
    """None where there is no such process, or where it can't be read (hidepid)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the command's name before may contain anything
    return Stat(fields[0] in {"Z", "X"}, fields[19], int(fields[3]))


def exists(pid: int) -> bool:
    """Whether this place has any process of that number, whosever it is."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it exists and is another user's
        return True
    return True


def acts(pid: int) -> bool:
    """Whether this place has a process of that number that may still do something: a zombie, which stays until its
    parent or init asks for it, doesn't."""
    return _acts(pid, stat(pid))


def over(pid: int, started: str) -> bool:
    """Whether that very process of this place is proven to be over: gone, a zombie, or its pid another's by now."""
    found = stat(pid)
    return not _acts(pid, found) or (found is not None and found.started != started)


def _acts(pid: int, found: Stat | None) -> bool:
    return exists(pid) and not (found is not None and found.dead)
