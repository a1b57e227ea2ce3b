"""Places on this machine where files go: tried before anything is done, and told in plain words."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.model.errors import UsageError


def refuse_unwritable(folder: Path) -> None:
    """Make something in a folder, or in the nearest one above it that is there, and remove it again. Raises UsageError
    where that can't be done."""
    with written(folder):
        there = next(place for place in (folder, *folder.parents) if place.exists())
        tempfile.TemporaryDirectory(prefix=".provision-", dir=there).cleanup()


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Around the writing of `path`. Raises UsageError where the system refuses it."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} can't be written: {reason(error)}", hint="name another place") from error


def reason(error: OSError) -> str:
    """The system's words for it, without numbers."""
    return error.strerror or str(error)
