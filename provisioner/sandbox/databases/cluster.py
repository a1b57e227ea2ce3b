"""One PostgreSQL server: its folder, its process, and the daemon's way into it."""

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.model.errors import SandboxError
from provisioner.sandbox import launch
from provisioner.sandbox.addresses import Address
from provisioner.sandbox.ca import Authority
from provisioner.sandbox.databases import settings
from provisioner.sandbox.databases.binaries import Binaries
from provisioner.sandbox.databases.template import ADMIN
from provisioner.sandbox.launch import Launcher, Process, write_file

_LOCKED_SECONDS = 20.0  # as long as what was killed may take to be gone, on a host that does much else
_LOG_BYTES = 5_000_000
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C", "TZ": "UTC"}
_QUIET = "-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic"
_HELD = ("postmaster.pid", "shared memory block", "Address already in use")


@dataclass(frozen=True)
class Cluster:
    """A server that lives in `folder`: `data`, `socket`, `tls`, `archive` (of WAL) and `backups` are its uid's own."""

    folder: Path
    uid: int
    address: Address
    launcher: Launcher
    binaries: Binaries

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def archive(self) -> Path:
        return self.folder / "archive"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def log(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def _record(self) -> Path:
        return self.folder / "process.json"

    def prepare(self, authority: Authority) -> None:
        """Make the folder and its certificate, where they aren't there yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        for name in ("socket", "tls", "backups"):
            self.subfolder(name)
        if not (self.folder / "tls" / "server.key").exists():
            pair = authority.issue(self.address.host, ["localhost"])
            write_file(self.folder / "tls" / "server.crt", pair.certificate, mode=0o644, uid=self.uid)
            write_file(self.folder / "tls" / "server.key", pair.key, uid=self.uid)

    def subfolder(self, name: str) -> Path:
        """A folder of the server's own (0700), made if it isn't there."""
        path = self.folder / name
        if not path.exists():
            path.mkdir(mode=0o700)
            os.chown(path, self.uid, -1)
        return path

    def configure(self, in_force: Mapping[str, str]) -> None:
        """Write the server's files; it reads them at its start and on `reload`."""
        conf = settings.server_conf(in_force, self.address)
        write_file(self.data / "postgresql.conf", conf, uid=self.uid)
        write_file(self.data / "pg_hba.conf", settings.access_conf(in_force), uid=self.uid)

    def process(self) -> Process | None:
        """The living postmaster, ours or an earlier daemon's."""
        found = launch.recorded(self._record)
        if found is None and (pid := self._pid_in_data()) is not None and self._is_postmaster(pid):
            # A daemon died between starting it and writing its record.
            found = launch.adopt(pid, self._record)
        return found

    def start(self, *, patience: float = 30.0, options: Mapping[str, str] | None = None) -> None:
        """Start it if it doesn't run, and return when it takes connections. `options` are settings of this run only.

        Raises SandboxError with the end of its log when it doesn't come up within `patience` seconds.
        """
        deadline = time.monotonic() + patience
        locked_until = time.monotonic() + _LOCKED_SECONDS
        while True:
            process = self.process() or self._spawn(options or {})
            while launch.alive(process):
                if self._ready(process):
                    return
                if time.monotonic() > deadline:
                    raise SandboxError(f"PostgreSQL in {self.folder} is not ready: {self.log_tail()}")
                time.sleep(0.01)
            # A killed postmaster counts as alive for the next one until it is reaped, and its children end a bit later.
            if time.monotonic() > locked_until or not any(reason in self.log_tail() for reason in _HELD):
                raise SandboxError(f"PostgreSQL in {self.folder} doesn't start: {self.log_tail()}")
            self._drop_stale_pid()
            time.sleep(0.2)

    def stop(self, *, now: bool = False) -> None:
        """End it: fast (open transactions are rolled back), or at once where its data goes away anyway."""
        if process := self.process():
            launch.stop(process, signal.SIGQUIT if now else signal.SIGINT, grace=20.0)

    def reload(self) -> None:
        """Have the server read its files again; returns when it has."""
        with self.connect() as connection:
            before = connection.execute("SELECT pg_conf_load_time(), pg_reload_conf()").fetchone()[0]
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            with self.connect() as connection:
                if connection.execute("SELECT pg_conf_load_time()").fetchone()[0] != before:
                    return
            time.sleep(0.01)

    @contextmanager
    def connect(self, database: str = "postgres") -> Iterator[Any]:
        """A psycopg connection as superuser through the socket, which only root and the server's uid can reach.

        It autocommits and its statements stay out of the server's log.
        """
        import psycopg

        # Through a handle: the path itself may be longer than a Unix socket's may be.
        handle = os.open(self.folder / "socket", os.O_PATH | os.O_DIRECTORY)
        try:
            with psycopg.connect(
                host=f"/proc/self/fd/{handle}",
                port=self.address.port,
                user=ADMIN,
                dbname=database,
                autocommit=True,
                connect_timeout=10,
                options=_QUIET,
            ) as connection:
                yield connection
        finally:
            os.close(handle)

    def run(self, program: str, *arguments: str, timeout: float = 600.0) -> None:
        """Run one of PostgreSQL's programs as the server's uid, inside its folder. Raises SandboxError."""
        self.launcher.run(
            [self.binaries.program(program), *arguments],
            uid=self.uid,
            reach=[self.binaries.root],
            writable=[self.folder],
            env=_ENVIRONMENT,
            cwd=self.folder,
            timeout=timeout,
        )

    def log_tail(self) -> str:
        """The last lines of the server's log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 2_000))
                return " | ".join(file.read().decode(errors="replace").strip().splitlines()[-4:])
        except OSError:
            return "no log"

    def trim_log(self) -> None:
        """Keep one log of at most some megabytes, and the one before."""
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            shutil.copy2(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)  # the server appends: it goes on at the new end

    def _spawn(self, options: Mapping[str, str]) -> Process:
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return self.launcher.spawn(
            [self.binaries.program("postgres"), "-D", str(self.data), *words],
            uid=self.uid,
            env=_ENVIRONMENT,
            cwd=self.folder,
            log=self.log,
            record=self._record,
            reach=[self.binaries.root],
            writable=[self.folder],
        )

    def _ready(self, process: Process) -> bool:
        """The server writes its state into the last line of its pid file."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready"

    def _pid_in_data(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _is_postmaster(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return str(self.data).encode() in words

    def _drop_stale_pid(self) -> None:
        """After a reboot, the pid in the file may be anybody's; PostgreSQL can't know that, we can."""
        pid = self._pid_in_data()
        if pid is not None and Path(f"/proc/{pid}/cmdline").exists() and not self._is_postmaster(pid):
            zombie = not Path(f"/proc/{pid}/cmdline").read_bytes()
            if not zombie:
                (self.data / "postmaster.pid").unlink(missing_ok=True)
