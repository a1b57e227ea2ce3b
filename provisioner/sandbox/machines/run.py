"""One SSM command on one machine: a script under the machine's uid, with files for its output and its exit code."""

import os
import select
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provisioner.sandbox import launch
from provisioner.sandbox.launch import Process, write_file
from provisioner.sandbox.machines import sweep
from provisioner.sandbox.machines.body import Body

OUTPUT_CHARACTERS, ERROR_CHARACTERS = 24_000, 8_000  # what GetCommandInvocation gives at most
_MARK = "SANDBOX_COMMAND"
_POLL_SECONDS = 0.2
_TERM_SECONDS = 1.0
# The exit code goes to a file: it has to be there for a daemon that wasn't when the script ended.
_WRAPPER = 'w=$1; shift; "$@" >"$w/out" 2>"$w/err"; echo $? >"$w/part" && mv "$w/part" "$w/code"'


@dataclass(frozen=True, slots=True)
class Script:
    """What a command was asked to do. `timeout` in seconds; `directory` None for the machine's home."""

    text: str
    timeout: float
    directory: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `status` is Success, Failed, TimedOut or Cancelled; `code` is -1 where none is known."""

    status: str
    code: int
    stdout: str
    stderr: str


class Run:
    """One run of a script, in a folder of its own: `commands/<command id>.<round>` of the machine. A script that asks
    for a reboot has another round after it."""

    def __init__(self, body: Body, command_id: str, number: int = 0) -> None:
        self._body = body
        self._id = command_id
        self._round = number
        self._folder = body.place.commands / f"{command_id}.{number}"
        self._work = self._folder / "work"
        self._record = self._folder / "process.json"
        self._boot = self._folder / "boot"

    @property
    def begun(self) -> bool:
        """Whether a start was tried: then it must not be tried again."""
        return self._folder.exists()

    @property
    def boot(self) -> str:
        """The machine's boot in which it was started."""
        return self._boot.read_text() if self._boot.exists() else ""

    def start(self, script: Script) -> None:
        """Start the script. Raises SandboxError or OSError when that can't be done."""
        place = self._body.place
        self._folder.mkdir(mode=0o711, parents=True)
        self._work.mkdir(mode=0o700)
        if place.uid != os.geteuid():
            os.chown(self._work, place.uid, place.uid)
        write_file(self._boot, place.boot)
        file = self._folder / "script"
        write_file(file, script.text, uid=place.uid)
        self._body.launcher.spawn(
            ["/bin/sh", "-c", _WRAPPER, "sh", str(self._work), *_interpreter(script.text), str(file)],
            uid=place.uid,
            env=self._body.environment() | {_MARK: self._id, "SANDBOX_ROUND": str(self._round)},
            cwd=Path(script.directory) if script.directory else place.home,
            log=self._folder / "wrapper.log",
            record=self._record,
            reach=[*(p for p in self._body.reach if p.exists()), self._folder],
            writable=(*place.own, self._work),
        )

    def wait(self, seconds: float, cancelled: Callable[[], bool]) -> Outcome:
        """Wait for the end of a run that was begun, by this daemon or an earlier one; end it when its time is over."""
        deadline = time.monotonic() + seconds
        process = launch.recorded(self._record)
        status = None
        while process is not None and launch.alive(process):
            if cancelled() or time.monotonic() > deadline:
                status = "Cancelled" if cancelled() else "TimedOut"
                self._kill(process)
                break
            _sleep_until_ended(process, min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        return self._outcome(status)

    def _outcome(self, status: str | None) -> Outcome:
        code = self._code()
        stdout = self._read("out", OUTPUT_CHARACTERS)
        stderr = self._read("err", ERROR_CHARACTERS)
        if status is not None:
            return Outcome(status, 137, stdout, stderr)  # what the agent reports for a script that it killed
        if code is None:
            sweep.kill(sweep.marked(_MARK, self._id))
            return Outcome("Failed", -1, stdout, stderr + "interrupted: the command was ended from outside\n")
        return Outcome("Success" if code == 0 else "Failed", code, stdout, stderr)

    def remove(self) -> None:
        """Delete script and output."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self, process: Process) -> None:
        launch.stop(process, grace=_TERM_SECONDS, group=True)
        sweep.kill(sweep.marked(_MARK, self._id))

    def _code(self) -> int | None:
        text = self._read("code", 8).strip()
        return int(text) if text.isdecimal() else None

    def _read(self, name: str, characters: int) -> str:
        """The beginning of a file of the machine's. It could have put a link there: only what it owns counts."""
        try:
            handle = os.open(self._work / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return ""
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != self._body.place.uid:
                return ""
            return file.read(4 * characters).decode(errors="replace")[:characters]


def _interpreter(text: str) -> list[str]:
    """The program of the script's first line, as the kernel would take it; `sh` where it names none."""
    first = text.partition("\n")[0]
    return first[2:].strip().split(None, 1) if first.startswith("#!") and first[2:].strip() else ["/bin/sh"]


def _sleep_until_ended(process: Process, seconds: float) -> None:
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(seconds * 1000)
    finally:
        os.close(handle)
