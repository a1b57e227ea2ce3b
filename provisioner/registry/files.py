"""The registry on disk: reading it, and replacing it under a lock so that no edit of another process is lost."""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path

from provisioner.model.errors import ProvisionError, RegistryError, TimedOutError
from provisioner.registry.registry import Reading, Registry

MAX_BYTES = 8 * 1024 * 1024
LOCK_SECONDS = 30.0


def load(path: Path, *, target: str | None, today: date | None, cache: Path | None) -> Registry:
    """See `provisioner.registry.load`."""
    from provisioner.registry import cache as kept

    today = today or datetime.now(UTC).date()
    raw = read_bytes(path)
    reading = kept.recall(cache, str(path), raw, today) if cache else None
    if reading is None:
        reading = check(raw, str(path), today)
        if cache:
            kept.remember(cache, reading, today)
    return Registry(path.absolute(), reading, today, target)


def check(raw: bytes, name: str, today: date) -> Reading:
    """Read and check a registry's bytes. Raises RegistryError with all problems."""
    from provisioner.registry.checks import examine
    from provisioner.registry.compose import read

    return Reading(name, raw, *examine(read(raw, name), today))


def read_bytes(path: Path) -> bytes:
    """The file's bytes, not many more than a registry may have. Raises RegistryError where it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        hint = "go to the folder of tenants.yaml, or name it: --registry FILE"
        raise RegistryError(f"there is no registry at {path}", hint=hint) from None
    except OSError as error:
        raise RegistryError(f"can't read the registry {path}: {error.strerror}", hint=f"ls -l {path}") from None


@contextmanager
def locked(path: Path) -> Iterator[Path]:
    """Hold the registry's lock and yield the real file behind links.

    The lock is on the file itself: nothing is left beside it in people's checkouts. Since an edit replaces the file,
    a lock that was waited for may be on a file that is gone, and has to be taken again.
    Raises TimedOutError after 30 seconds.
    """
    from filelock import lock_descriptor

    real = path.resolve()
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        descriptor = _open(real)
        try:
            while not lock_descriptor(descriptor, blocking=False):
                if time.monotonic() > deadline:
                    fact = f"another process has been editing {path} for {LOCK_SECONDS:.0f} seconds"
                    raise TimedOutError(fact, hint=f"wait and run it again, or look who holds it: fuser -v {path}")
                time.sleep(0.02)
            if _is_still(descriptor, real):
                yield real
                return
        finally:
            os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Replace the whole file or nothing, and keep its mode and owner. Raises ProvisionError where it can't be."""
    try:
        write_new(path, content, path.stat())
    except OSError as error:
        fact = f"can't write {path}: {error.strerror}; it is unchanged"
        raise ProvisionError(fact, hint=f"ls -ld {path.parent} {path}") from error


def write_new(path: Path, content: bytes, like: os.stat_result | None = None) -> None:
    """A new file beside it, on disk, renamed over it; 0600 and ours, or as `like` says. Raises OSError."""
    import tempfile

    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            if like is not None:
                _make_like(descriptor, like)
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        read_bytes(path)
        raise


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _make_like(descriptor: int, like: os.stat_result) -> None:
    """Only root can give a file away: anybody else's edit makes it theirs, as with an editor. The mode comes last,
    for a change of owner clears some of its bits."""
    if (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):
            os.fchown(descriptor, like.st_uid, like.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(like.st_mode))
