"""Where a machine lives on disk, and who may touch what there.

`machines/<id>/` belongs to the daemon; the machine's own uid can pass it, and owns only `root`, `state`, `home` and
`tmp` in it (0700). So no machine can put a link in the way of a file that the daemon writes or reads.
"""

import json
import os
import shlex
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.sandbox.launch import write_file
from provisioner.sandbox.machines.userdata import File, UserData

PRODUCT_ENV = "/etc/provision/product.env"
_LOG_LIMIT = 4 << 20
_LOG_KEEP = 1 << 20
_CONSOLE_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class Place:
    """One machine's folder. `uid` owns what the machine may write."""

    folder: Path
    uid: int

    @property
    def root(self) -> Path:
        """What `/` is to `write_files`."""
        return self.folder / "root"

    @property
    def state(self) -> Path:
        """The product's STATE_DIR."""
        return self.folder / "state"

    @property
    def home(self) -> Path:
        """HOME."""
        return self.folder / "home"

    @property
    def tmp(self) -> Path:
        """TMPDIR."""
        return self.folder / "tmp"

    @property
    def own(self) -> tuple[Path, ...]:
        """Folders that belong to the machine's uid."""
        return self.root, self.state, self.home, self.tmp

    @property
    def commands(self) -> Path:
        """A folder for each SSM command under way."""
        return self.folder / "commands"

    @property
    def credentials(self) -> Path:
        """AWS_SHARED_CREDENTIALS_FILE."""
        return self.folder / "aws" / "credentials"

    @property
    def log(self) -> Path:
        """The product's output and the sandbox's remarks: the console."""
        return self.folder / "console.log"

    @property
    def record(self) -> Path:
        """The product's process."""
        return self.folder / "process.json"

    @property
    def boot(self) -> str:
        """The name of the boot since which it runs; empty where it doesn't. A product that is started again is none."""
        return self._boot.read_text() if self._boot.exists() else ""

    @property
    def _boot(self) -> Path:
        return self.folder / "boot"

    @property
    def _first_boot(self) -> Path:
        return self.folder / "first-boot.json"

    def prepare(self) -> None:
        """Make the folders. Running it again is fine."""
        for folder in (self.folder, self.commands, self.credentials.parent):
            folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        for folder in self.own:
            if not folder.exists():
                folder.mkdir(mode=0o700)
                self._give(folder)

    def begin_boot(self) -> None:
        """Name the boot, unless it goes on."""
        if not self._boot.exists():
            write_file(self._boot, uuid.uuid4().hex)

    def end_boot(self) -> None:
        """The machine went down."""
        self._boot.unlink(missing_ok=True)

    def booted(self) -> bool:
        """Whether the first boot was completed."""
        return self._first_boot.exists()

    def refused(self) -> list[str]:
        """What the first boot refused of the user data."""
        try:
            return list(json.loads(self._first_boot.read_text())["refused"])
        except FileNotFoundError:
            return []

    def first_boot(self, data: UserData) -> None:
        """Write the user data's files below `root`, then remember that it was done: never twice, never half.

        Needs `prepare` to have run.
        """
        shutil.rmtree(self.root)  # of a first boot that a kill cut short: what appends must not append again
        self.prepare()
        refused = list(data.refused)
        for file in data.files:
            try:
                self._write(file)
            except OSError as error:
                refused.append(f"write_files {file.path}: {error.strerror}")
        for line in refused:
            self.remark(f"not supported by the sandbox: {line}")
        write_file(self._first_boot, json.dumps({"refused": refused}))

    def remark(self, line: str) -> None:
        """Add a line of the sandbox's own to the console."""
        handle = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(f"[sandbox] {line}\n")

    def console(self) -> str:
        """The console's last 64 KiB."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - _CONSOLE_BYTES))
                return log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def trim_log(self) -> None:
        """Cut a console that has grown too long to its end. The product's descriptor appends, so it goes on writing."""
        if not self.log.exists() or self.log.stat().st_size <= _LOG_LIMIT:
            return
        with self.log.open("r+b") as log:
            log.seek(-_LOG_KEEP, os.SEEK_END)
            end = log.read()
            log.truncate(0)
            log.seek(0)
            log.write(b"[sandbox] earlier output was cut\n" + end)

    def product_env(self) -> dict[str, str]:
        """The variables of `/etc/provision/product.env`; nothing where there is no such file of the machine's own."""
        file = self.root / PRODUCT_ENV.lstrip("/")
        try:
            if not file.resolve(strict=True).is_relative_to(self.root.resolve()):
                return {}
            return dict(parse_env(file.read_text()))
        except (OSError, UnicodeDecodeError):
            return {}

    def remove(self) -> None:
        """Delete the machine's files; none is fine."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, file: File) -> None:
        path = self.root / file.path.lstrip("/")
        for folder in reversed(path.relative_to(self.root).parents):
            made = self.root / folder
            if not made.exists():
                made.mkdir(mode=0o755)
                self._give(made)
        with path.open("ab" if file.append else "wb") as out:
            out.write(file.content)
        path.chmod(file.mode)
        self._give(path)

    def _give(self, path: Path) -> None:
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.uid)


def parse_env(text: str) -> Iterator[tuple[str, str]]:
    """`KEY=value` lines, with a shell's quotes and comments. Lines that are something else are passed over."""
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        name, equals, value = words[0].partition("=") if len(words) == 1 else ("", "", "")
        if equals and name.isidentifier():
            yield name, value


def listen_port(data: UserData) -> int:
    """The port that the user data gives the product; 8080 where it says nothing of use."""
    for file in data.files:
        if file.path == PRODUCT_ENV:
            port = dict(parse_env(file.content.decode(errors="replace"))).get("LISTEN_PORT", "")
            if port.isdecimal() and 0 < int(port) < 65_536:
                return int(port)
    return 8080
