"""Writes a bundle beside its place and puts it there at the end: there is a whole one or none."""

import fcntl
import filecmp
import gzip
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from provisioner.model.errors import UsageError
from provisioner.ops.bundle import sums
from provisioner.ops.bundle.content import Entry
from provisioner.ops.places import written

SUMS = "SHA256SUMS"
_TIME = 315532800  # 1980: the same bytes again need the same time, and tar wonders at 1970


class _Sink(Protocol):
    def add(self, path: str, stream: BinaryIO, size: int, mode: int) -> None:
        """Take one file."""


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A closed folder beside the target, gone at the end. What killed processes left of theirs goes first.

    Raises UsageError where the target's own folder isn't there, or can't be written.
    """
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no folder", hint=f"mkdir -p {target.parent}")
    prefix = f".{target.name}."
    for left in target.parent.glob(f"{prefix}partial-*"):
        _remove_dead(left)
    with written(target):
        made = Path(tempfile.mkdtemp(prefix=prefix, dir=target.parent))
    handle = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Only a folder whose maker holds its lock gets the name by which leftovers are known.
        fcntl.flock(handle, fcntl.LOCK_EX)
        folder = made.rename(made.with_name(made.name.replace(prefix, f"{prefix}partial-", 1)))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def is_tar(target: Path) -> bool:
    """Whether a path asks for a tar."""
    return target.name.endswith((".tar.gz", ".tgz"))


def write(target: Path, root: str, entries: Sequence[Entry], work: Path) -> dict[str, str]:
    """Write the files and their SHA256SUMS below `work`; give path -> SHA-256. `publish` puts them into their place."""
    staged = work / target.name
    digests: dict[str, str] = {}
    if not is_tar(target):
        staged.mkdir(mode=0o700)
        _fill(_Folder(staged), entries, digests)
        return digests
    with (
        open(staged, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as out,
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        _fill(_Tar(tar, root), entries, digests)
    return digests


def publish(target: Path, work: Path) -> None:
    """Put what `write` made into its place. The same bytes again are no change.

    Raises UsageError where something else is there: nobody's file is replaced.
    """
    staged = work / target.name
    if target.is_symlink() or (target.exists() and not _replaceable(target)):
        same = _same_tar(staged, target) if staged.is_file() else _same_folder(staged, target)
        if same and not target.is_symlink():
            return
        raise occupied(target)
    _sync(staged)
    staged.rename(target)
    _sync(target.parent)


def occupied(target: Path) -> UsageError:
    """The refusal to replace what is there."""
    return UsageError(f"{target} is there already, and is something else", hint="remove it, or say --to ANOTHER")


def _replaceable(target: Path) -> bool:
    return target.is_dir() and not any(target.iterdir())


def _same_tar(staged: Path, target: Path) -> bool:
    return target.is_file() and filecmp.cmp(staged, target, shallow=False)


def _same_folder(staged: Path, target: Path) -> bool:
    """By the list of checksums: a damaged bundle is found by its own install.sh."""
    there = target / SUMS
    return there.is_file() and there.read_bytes() == (staged / SUMS).read_bytes()


def _fill(sink: _Sink, entries: Sequence[Entry], digests: dict[str, str]) -> None:
    for entry in entries:
        if isinstance(entry.source, bytes):
            digests[entry.path] = _pass(sink, entry, BytesIO(entry.source), len(entry.source))
        else:
            with entry.source.open("rb") as stream:
                digests[entry.path] = _pass(sink, entry, stream, os.fstat(stream.fileno()).st_size)
    # Last: where it is, everything is.
    text = sums.lines(digests).encode()
    sink.add(SUMS, BytesIO(text), len(text), 0o644)


def _pass(sink: _Sink, entry: Entry, stream: BinaryIO, size: int) -> str:
    hashing = _Hashing(stream)
    sink.add(entry.path, hashing, size, entry.mode)  # type: ignore[arg-type]  # both sinks only read
    return hashing.digest.hexdigest()


class _Hashing:
    """A stream that hashes what is read of it, so that the checksum is that of the bytes that were written."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self.digest.update(data)
        return data


class _Tar:
    def __init__(self, tar: tarfile.TarFile, root: str) -> None:
        self._tar = tar
        self._root = root

    def add(self, path: str, stream: BinaryIO, size: int, mode: int) -> None:
        about = tarfile.TarInfo(f"{self._root}/{path}")
        about.size, about.mode, about.mtime = size, mode, _TIME
        self._tar.addfile(about, stream)


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, path: str, stream: BinaryIO, size: int, mode: int) -> None:
        del size
        file = self._folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
            shutil.copyfileobj(stream, out)
        file.chmod(mode)
        os.utime(file, (_TIME, _TIME))


def _remove_dead(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass  # it lives
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
