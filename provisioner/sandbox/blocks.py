"""Which block belongs to which sandbox on this host: its loopback addresses (127.B.0.0/16), and its bodies' uids.

A block is claimed by a small file that names the sandbox's home, in a folder that all users of the host share, and is
free again when that home is gone. So a stopped sandbox keeps its addresses, and two that run never meet.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from provisioner.model.errors import SandboxError

FIRST, LAST = 10, 250


def claim(home: Path, shared: Path | None = None) -> int:
    """The block of `home`: the one it had, else the first free one from where the hash of its path points.

    Raises SandboxError where all are taken.
    """
    shared = shared or Path(tempfile.gettempdir(), "provision-sandbox-blocks")
    with contextlib.suppress(FileExistsError):
        shared.mkdir()
        shared.chmod(0o1777)
    kept = home / "block"
    wanted = [int(kept.read_text())] if kept.exists() else []
    count = LAST - FIRST + 1
    start = int.from_bytes(hashlib.sha256(str(home).encode()).digest()[:4]) % count
    with _alone(shared):
        for block in (*wanted, *(FIRST + (start + n) % count for n in range(count))):
            if _take(shared / str(block), home):
                kept.write_text(f"{block}\n")
                return block
    raise SandboxError(
        f"all {count} loopback blocks are taken by other sandboxes (see {shared})",
        hint="provision sandbox reset, in those that aren't needed",
    )


@contextlib.contextmanager
def _alone(shared: Path) -> Iterator[None]:
    """One claimer at a time: two that find the same home gone would each take away the other's new claim."""
    handle = os.open(shared, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _take(claim_file: Path, home: Path) -> bool:
    for _ in range(2):
        try:
            handle = os.open(claim_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            if _owner(claim_file) == str(home):
                return True
            if _lives(claim_file):
                return False
            try:
                claim_file.unlink(missing_ok=True)
            except PermissionError:  # another user's, in a sticky folder
                return False
            continue
        with os.fdopen(handle, "w") as out:
            out.write(str(home))
        return True
    return False


def _owner(claim_file: Path) -> str:
    try:
        return claim_file.read_text()
    except OSError:
        return ""


def _lives(claim_file: Path) -> bool:
    owner = _owner(claim_file)
    try:
        return not owner or Path(owner).exists()
    except PermissionError:  # a home below another user's 0700 folder
        return True
