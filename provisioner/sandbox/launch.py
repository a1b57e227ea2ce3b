"""Bodies as processes: detached, under a uid of their own where root started the daemon, found again by their record.

Interpreters, binaries and the daemon's home often lie under a folder like `/root` (0700) that no other uid can pass.
Such a process gets a private mount namespace in which that folder is covered by an empty one, and only the paths that
it needs are bound back at their own places.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from provisioner.model.errors import SandboxError
from provisioner.sandbox import blocks

_FIRST_UID, _UIDS = 20_000, 160  # of each block; all blocks end below 60,000, where Debian's ordinary users do, too
_TICK = 0.01
_UNSHARE = ["unshare", "--mount", "--propagation", "private"]
_uids_lock = Lock()  # two launchers of one daemon share the file
_children: dict[int, "subprocess.Popen[bytes]"] = {}  # our own children have to be reaped; adopted ones have not


class Process(NamedTuple):
    """A process that a pid alone can't name for ever: `started` is field 22 of /proc/PID/stat, ticks since boot."""

    pid: int
    started: int


class Launcher:
    """Builds and starts the processes of one daemon's bodies; the uids that it gives are kept in `<home>/uids.json`.

    `block` is the daemon's own (sandbox/blocks.py), and so are the uids that belong to it: the uid of a body that is
    stopped has no process to show that it is taken, and a machine is ended by killing all that runs under its uid.
    """

    def __init__(self, home: Path, block: int) -> None:
        self._home = home
        self._first = _FIRST_UID + (block - blocks.FIRST) * _UIDS
        self._file = home / "uids.json"

    @cached_property
    def own_uids(self) -> bool:
        """Whether a body can have a uid of its own: started by root, with a `setpriv` that works."""
        if os.geteuid() != 0 or shutil.which("setpriv") is None:
            return False
        return _works([*_setpriv(_FIRST_UID), "true"])

    @cached_property
    def namespaces(self) -> bool:
        """Whether a body can have mounts of its own. Containers without CAP_SYS_ADMIN refuse that."""
        if not self.own_uids or shutil.which("unshare") is None:
            return False
        return _works([*_UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(self._home)])

    @property
    def isolation(self) -> str:
        """What holds bodies apart from each other and the daemon, for people to read."""
        if not self.own_uids:
            return "the daemon's own uid: bodies are not isolated (start the sandbox as root for a uid each)"
        return "a uid and mounts of its own" if self.namespaces else "a uid of its own"

    def uid(self, key: str) -> int:
        """The uid of the body `key`, given now if it has none; the daemon's own where bodies can't have one."""
        if not self.own_uids:
            return os.geteuid()
        with _uids_lock:
            given = self._given()
            if key not in given:
                given[key] = self._free(set(given.values()))
                write_file(self._file, json.dumps(given))
            return given[key]

    def release(self, key: str) -> None:
        """Forget the uid of a body whose files are gone; one that has none is fine."""
        with _uids_lock:
            given = self._given()
            if given.pop(key, None) is not None:
                write_file(self._file, json.dumps(given))

    def command(
        self,
        argv: Sequence[str],
        *,
        uid: int,
        reach: Iterable[Path] = (),
        writable: Iterable[Path] = (),
        cwd: Path = Path("/"),
    ) -> list[str]:
        """`argv` wrapped so that it runs as `uid`, without privileges or groups, and can pass to the given paths.

        Raises SandboxError when a path can't be reached by `uid` and mounts of its own can't be had.
        """
        if uid == os.geteuid():
            return list(argv)
        rw = [p.absolute() for p in writable]
        wanted = dict.fromkeys([*(p.absolute() for p in reach), *rw])
        covers = {p: cover for p in [*wanted, *(p.resolve() for p in wanted)] if (cover := _first_closed(p, uid))}
        dropped = [*_setpriv(uid), *argv]
        if not covers:
            return dropped
        if not self.namespaces:
            closed = ", ".join(sorted({str(cover) for cover in covers.values()}))
            raise SandboxError(
                f"uid {uid} can't pass {closed}, and this host gives no private mounts",
                hint="put PROVISION_HOME and the checkout where every user can pass, or run as an ordinary user",
            )
        script = _mount_script(covers, {*rw, *(p.resolve() for p in rw)}, cwd)
        return [*_UNSHARE, "sh", "-c", script, "sh", *dropped]

    def spawn(
        self,
        argv: Sequence[str],
        *,
        uid: int,
        env: Mapping[str, str],
        cwd: Path,
        log: Path,
        record: Path,
        reach: Iterable[Path] = (),
        writable: Iterable[Path] = (),
    ) -> Process:
        """Start a process that outlives the daemon: a session of its own, output appended to `log` (0600).

        It is written to `record` before this returns, so that a later daemon finds it by `recorded`.
        """
        command = self.command(argv, uid=uid, reach=reach, writable=writable, cwd=cwd)
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as out:
            child = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        _children[child.pid] = child
        process = Process(child.pid, _stat(child.pid)[1])
        write_file(record, json.dumps(process._asdict()))
        return process

    def run(
        self,
        argv: Sequence[str],
        *,
        uid: int,
        reach: Iterable[Path] = (),
        writable: Iterable[Path] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path = Path("/"),
        text: str = "",
        timeout: float = 60.0,
    ) -> str:
        """Run to the end with `text` as standard input (the place for secrets) and return standard output.

        Raises SandboxError with the last lines of standard error when it fails or takes longer than `timeout` seconds.
        """
        command = self.command(argv, uid=uid, reach=reach, writable=writable, cwd=cwd)
        try:
            done = subprocess.run(
                command,
                input=text,
                env=env and dict(env),
                cwd=cwd,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as slow:
            raise SandboxError(f"{Path(argv[0]).name} did not end within {timeout:g} s") from slow
        if done.returncode != 0:
            tail = " | ".join(done.stderr.strip().splitlines()[-3:])
            raise SandboxError(f"{Path(argv[0]).name} failed with code {done.returncode}: {tail}")
        return done.stdout

    def _given(self) -> dict[str, int]:
        return dict(json.loads(self._file.read_text())) if self._file.exists() else {}

    def _free(self, given: set[int]) -> int:
        taken = given | _uids_of_processes()  # also what a sandbox that had the block before left running
        for uid in range(self._first, self._first + _UIDS):
            if uid not in taken:
                return uid
        raise SandboxError(
            f"all {_UIDS} uids of this sandbox are taken: no machine or database more",
            hint="provision offboard what is not needed, or use another PROVISION_HOME",
        )


def recorded(record: Path) -> Process | None:
    """The process that a record names, if that very one is alive."""
    try:
        process = Process(**json.loads(record.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return process if alive(process) else None


def adopt(pid: int, record: Path) -> Process | None:
    """Record a process that runs already; None where it has gone."""
    process = Process(pid, _stat(pid)[1])
    if not alive(process):
        return None
    write_file(record, json.dumps(process._asdict()))
    return process


def alive(process: Process) -> bool:
    """Whether it runs. A zombie doesn't, nor does another process that got its pid."""
    child = _children.get(process.pid)
    if child is not None and child.poll() is not None:
        _children.pop(process.pid, None)
    state, started = _stat(process.pid)
    return started == process.started and state not in {"Z", "X"}


def stop(process: Process, sig: int = signal.SIGTERM, *, grace: float = 10.0, group: bool = False) -> None:
    """Send `sig`, wait up to `grace` seconds, then kill; with `group` its whole process group."""
    for number, patience in ((sig, grace), (signal.SIGKILL, 10.0)):
        _signal(process, number, group=group)
        if _gone_within(process, patience):
            break
    else:
        raise SandboxError(f"process {process.pid} can't be killed")
    if group:
        _signal_group(process.pid, signal.SIGKILL)


def write_file(path: Path, text: str, *, mode: int = 0o600, uid: int | None = None) -> None:
    """Write a file atomically; as `uid`'s own where given. The folder must be there.

    It survives the death of every process, not that of the host, like all that the sandbox holds.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w") as out:
        out.write(text)
        os.fchmod(out.fileno(), mode)
        if uid is not None and uid != os.geteuid():
            os.fchown(out.fileno(), uid, uid)
    Path(name).replace(path)


def _setpriv(uid: int) -> list[str]:
    ids = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    return ["setpriv", *ids, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _first_closed(path: Path, uid: int) -> Path | None:
    """The topmost folder above `path` that `uid` can't pass."""
    for folder in reversed(path.parents):
        try:
            found = folder.stat()
        except FileNotFoundError:
            return None
        bit = 0o100 if found.st_uid == uid else 0o010 if found.st_gid == uid else 0o001
        if not found.st_mode & bit:
            return folder
    return None


def _mount_script(covers: Mapping[Path, Path], writable: set[Path], cwd: Path) -> str:
    """Shell text that covers the closed folders, binds the paths back, and executes its arguments in `cwd`.

    The shell goes into a closed folder before it covers it: relative paths still lead to what lies below the cover.
    `mount -c` keeps mount from making them absolute again.
    """
    lines = ["set -e", "mask=$(umask)", "umask 022"]
    for cover in sorted({*covers.values()}):
        lines += [f"cd {_q(cover)}", f"mount -t tmpfs -o mode=755,size=1m tmpfs {_q(cover)}"]
        for path in sorted(p for p, c in covers.items() if c == cover):  # a folder comes before what lies in it
            source, target = _q(Path(".", path.relative_to(cover))), _q(path)
            if path.is_dir():
                lines.append(f"[ -d {target} ] || mkdir -p -m 755 {target}")
            else:
                lines.append(f"[ -e {target} ] || {{ mkdir -p {_q(path.parent)}; : > {target}; }}")
            lines.append(f"mount -c --bind ./{source} {target}")
            if path not in writable:
                lines.append(f"mount -c -o remount,bind,ro {target}")
    return "\n".join([*lines, "umask $mask", f"cd {_q(cwd)}", 'exec "$@"'])


def _q(path: Path) -> str:
    return "'" + str(path).replace("'", "'\\''") + "'"


def _stat(pid: int) -> tuple[str, int]:
    """State letter and start time of a process; ("X", -1) when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "X", -1
    return fields[0], int(fields[19])


def _signal(process: Process, sig: int, *, group: bool) -> None:
    try:
        handle = os.pidfd_open(process.pid)  # names this very process, however fast its pid is given away
    except ProcessLookupError:
        return
    try:
        if _stat(process.pid)[1] != process.started:
            return
        if group:
            _signal_group(process.pid, sig)
        else:
            signal.pidfd_send_signal(handle, sig)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _signal_group(pid: int, sig: int) -> None:
    try:
        os.killpg(pid, sig)
    except (ProcessLookupError, PermissionError):
        return


def _gone_within(process: Process, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while alive(process):
        if time.monotonic() > end:
            return False
        time.sleep(_TICK)
    return True


def _uids_of_processes() -> set[int]:
    uids = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                uids.add(entry.stat().st_uid)
            except OSError:
                continue
    return uids
