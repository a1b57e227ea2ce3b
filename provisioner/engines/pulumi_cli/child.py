"""The CLI's process, noted as soon as it lives: whoever comes after a killed `provision` finds it and ends it.

A CLI and its providers that outlive `provision` go on changing the cloud. What they may still make must not be looked
up before they are gone, or the answer is already wrong.

A note is a file that the child, and with it all that it starts, keeps open and locked; the kernel frees it with the
last of them. So whether they are over is certain in any container and after any reboot, where pids tell nothing. Pids
are for ending them, and only where they mean the same.
"""

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.model import processes
from provisioner.model.errors import EngineError

SOON = 2.0
"""Seconds to end by itself, for what changes nothing that matters: how it ends is all the same."""
# What is killed is gone in a moment, or hangs in the kernel.
_KILLING = 10.0


@dataclass(frozen=True, slots=True)
class Child:
    """A process that leads a session of its own. `host`: as in the locks of a state; `place` and `started`: see
    `model.processes`, "" where they can't be read."""

    pid: int
    started: str
    place: str
    host: str

    @property
    def alive(self) -> bool:
        """Whether this very process is there; a zombie acts no more."""
        return self._here and not processes.over(self.pid, self.started)

    @property
    def gone(self) -> bool:
        """Whether neither it nor anything that it started is left. One of another place is: nothing here is its."""
        return not list(self._session())

    def interrupt(self) -> None:
        """Ask it to end at the next safe place."""
        if self.alive:
            _signal(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it and what it started, at once."""
        for pid in self._session():
            _signal(pid, signal.SIGKILL)

    @property
    def _here(self) -> bool:
        return bool(self.place and self.started) and self.place == processes.place()

    def _session(self) -> Iterator[int]:
        """Its session: plugins have process groups of their own, but no sessions. A pid isn't given again while a
        session of that number lives; a leader with another start time is a stranger's, and its session too."""
        leader = processes.stat(self.pid)
        if not self._here or (leader is not None and not leader.dead and leader.started != self.started):
            return
        for entry in Path("/proc").iterdir():
            found = processes.stat(int(entry.name)) if entry.name.isdigit() else None
            if found is not None and found.session == self.pid and not found.dead:
                yield int(entry.name)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def begin(path: Path) -> int:
    """A new note, still empty and locked by its descriptor, which the child inherits and the parent then closes."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def record(descriptor: int | None, pid: int) -> Child:
    """The child that was just started, written into its note, if it has one."""
    found = processes.stat(pid)
    child = Child(pid, found.started if found else "", processes.place(), socket.gethostname())
    if descriptor is not None:
        os.write(descriptor, json.dumps(asdict(child)).encode())
    return child


def recorded(path: Path) -> Child | None:
    """The child that was noted, living or not; None where none was, or where the note was cut off."""
    try:
        return Child(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def over(path: Path) -> bool:
    """Whether nothing is left of what was noted there. One that was never noted is over too."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def end(child: Child, grace: float) -> bool:
    """Interrupt a child, give it `grace` seconds, then kill what is left of it; ^C meanwhile kills it at once. Whether
    it is gone within some seconds: what hangs in the kernel isn't, nor another user's."""
    try:
        child.interrupt()
        within(grace, lambda: not child.alive)
    finally:
        gone = within(_KILLING, lambda: _killed(child))
    return gone


def end_leftover(path: Path, grace: float, check: Callable[[], None]) -> bool:
    """End what is left of a note's child. `check` is asked all the while; what it raises leaves the child to its own
    end, which it was asked for. Whether it is over."""

    def checked(holds: bool) -> bool:
        check()
        return holds

    if over(path):  # its numbers may be somebody else's by now
        return True
    left = recorded(path)
    if left is not None:
        left.interrupt()
        within(grace, lambda: checked(not left.alive))
        end(left, 0)
    # One in another place can't be ended from here, nor one whose parent was killed before it had written its pid.
    return within(_KILLING, lambda: checked(over(path)))


def stuck(left: object) -> EngineError:
    """What is raised where a child can't be ended."""
    return EngineError(
        f"a run of the Pulumi CLI can't be ended from here ({left})",
        hint="end that process where it runs, then run the same command again",
    )


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until it holds, that long at most. Whether it does."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(0.02)
    return True


def _killed(child: Child) -> bool:
    child.kill()
    return child.gone


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
