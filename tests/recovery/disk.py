"""A disk of the sandbox's databases that can be full."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.installation import Installation

_ROOM = "4g"


class Disk:
    """A file system of its own below the sandbox's databases, where the host lets us mount one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, mode=0o711)
        for parent in (folder.parent, folder.parent.parent):
            parent.chmod(0o700)
        words = ["mount", "-t", "tmpfs", "-o", f"size={_ROOM},mode=711", "tmpfs", str(folder)]
        self.own = os.geteuid() == 0 and subprocess.run(words, capture_output=True, check=False).returncode == 0

    @contextmanager
    def with_mib(self, left: int) -> Iterator[None]:
        """While this holds, only so much is free."""
        if not self.own:
            pytest.skip("a small file system can be mounted by root alone, and not in every container")
        used = shutil.disk_usage(self.folder).used
        self._resize(f"{used // 1024 + left * 1024}k")
        try:
            yield
        finally:
            self._resize(_ROOM)

    def end(self) -> None:
        """Nothing may use it any more."""
        if self.own:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)

    def _resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(self.folder)], check=True)


@contextmanager
def disk_of(installation: Installation) -> Iterator[Disk]:
    """The disk under an installation whose sandbox wasn't started yet; ends with the sandbox."""
    disk = Disk(installation.home / "sandbox" / "databases")
    try:
        yield disk
    finally:
        installation.control.stop()
        disk.end()
