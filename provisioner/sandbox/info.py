"""What a running daemon says of itself in `daemon.json`, and whether it is still the one that wrote it."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ACCESS_KEY_ID = SECRET_ACCESS_KEY = "sandbox"  # noqa: S105 - no secret: everything listens on loopback only

FILE = "daemon.json"
LOG = "daemon.log"
TOKEN_HEADER = "X-Sandbox-Token"  # noqa: S105 - the header's name


@dataclass(frozen=True, slots=True)
class SandboxInfo:
    """How to reach a daemon. `block`: second octet of its loopback addresses; `region`: the default for clients."""

    pid: int
    endpoint_url: str
    provider_port: int
    account: str
    region: str
    access_key_id: str
    secret_access_key: str
    ca_file: str
    block: int


@dataclass(frozen=True, slots=True)
class Running:
    """`daemon.json`: the info, the start time of its pid (a pid is used again, the pair isn't), and the token that
    the control API asks for."""

    info: SandboxInfo
    started: str
    token: str


def write(home: Path, running: Running) -> None:
    """Write `daemon.json` atomically, 0600."""
    write_atomically(home / FILE, json.dumps(asdict(running), indent=2).encode())


def read(home: Path) -> Running | None:
    """The daemon that lives and serves this home. None where there is none, or what is left is of a dead one."""
    try:
        data = json.loads((home / FILE).read_text())
        known = {f.name for f in fields(SandboxInfo)}
        info = SandboxInfo(**{k: v for k, v in data["info"].items() if k in known})
        running = Running(info, data["started"], data["token"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return running if started(info.pid) == running.started else None


def started(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot; None where it is gone or only waits to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    after_name = stat.rpartition(")")[2].split()  # the name may hold spaces and brackets
    return None if after_name[0] in "ZX" else after_name[19]


def write_atomically(file: Path, content: bytes, *, sync: bool = True) -> None:
    """Replace a file by a whole new one, 0600; readers see the old or the new, after a crash too."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            if sync:
                os.fsync(out.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
