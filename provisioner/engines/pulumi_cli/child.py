"""The CLI's process, recorded as soon as it lives: whoever comes after a killed `provision` finds it and ends it.

A CLI and its providers that outlive `provision` go on changing the cloud. What they may still make must not be looked
up before they are gone, or the answer is already wrong.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.settings import private


@dataclass(frozen=True, slots=True)
class Child:
    """A process that leads a session of its own. `started`: clock ticks since boot, "" where it can't be read."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Whether this very process is there; a zombie acts no more."""
        found = _stat(self.pid)
        return found is not None and found[0] not in "ZX" and found[1] == self.started

    def interrupt(self) -> None:
        """Ask it to end at the next safe place."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it and what it started, at once."""
        for pid in self._session():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @property
    def gone(self) -> bool:
        """Whether neither it nor anything that it started is left."""
        return not list(self._session())

    def _session(self) -> Iterator[int]:
        """Its session: plugins have process groups of their own, but no sessions. A pid isn't given again while a
        session of that number lives; a leader with another start time is a stranger's, and its session too."""
        leader = _stat(self.pid)
        if leader is not None and leader[0] not in "ZX" and leader[1] != self.started:
            return
        for entry in Path("/proc").iterdir():
            found = _stat(int(entry.name)) if entry.name.isdigit() else None
            if found is not None and found[2] == self.pid and found[0] not in "ZX":
                yield int(entry.name)


def record(path: Path, pid: int) -> Child:
    """Note the child that was just started."""
    found = _stat(pid)
    child = Child(pid, found[1] if found else "")
    with open(path, "w", opener=private) as out:
        json.dump(asdict(child), out)
    return child


def recorded(path: Path) -> Child | None:
    """The child that was noted, living or not; None where none was, or where the note was cut off."""
    try:
        return Child(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def end(child: Child, grace: float) -> None:
    """Interrupt a child, give it `grace` seconds, then kill what is left of it. Returns when it is gone."""
    child.interrupt()
    until = time.monotonic() + grace
    while child.alive and time.monotonic() < until:
        time.sleep(0.05)
    while not child.gone:
        child.kill()
        time.sleep(0.02)


def process_began(pid: int) -> float | None:
    """When a living process began, in seconds since the epoch; None where there is none."""
    found = _stat(pid)
    if found is None or found[0] in "ZX":
        return None
    lines = Path("/proc/stat").read_text().splitlines()
    boot = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
    return boot + int(found[1]) / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> tuple[str, str, int] | None:
    """State, start time and session of a process (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return fields[0], fields[19], int(fields[3])
