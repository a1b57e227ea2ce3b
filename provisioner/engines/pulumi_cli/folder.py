"""The work folder of a stack: it lasts, so that the stack's settings (the encrypted data key, the salt) last."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from provisioner.model.errors import EngineError
from provisioner.model.ports import Stack
from provisioner.settings import private


@dataclass(frozen=True, slots=True)
class Folder:
    """`<root>/<project>/<stack>`, for this user only."""

    path: Path

    @staticmethod
    def of(root: Path, stack: Stack) -> "Folder":
        """The stack's folder, made where it isn't there."""
        path = root / stack.project / stack.name
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder = Folder(path)
        # Written by us, and not by the SDK: its settings know no field for plugins, and would drop one.
        folder.write("Pulumi.yaml", f"name: {stack.project}\nruntime: python\n")
        return folder

    @property
    def stack(self) -> str:
        """The stack's name."""
        return self.path.name

    def new_note(self, kind: str = "child") -> Path:
        """Where a command notes its CLI: with the default kind one that locks the state."""
        return self.path / f"{kind}-{uuid4().hex}.json"

    def notes(self) -> list[Path]:
        """Those of all commands that locked the state since one last came to a good end. A lock that is in the way may
        be one of theirs."""
        return sorted(self.path.glob("child-*.json"))

    def settings(self, stack: str) -> Path:
        """Pulumi's settings of the stack: how its secrets are encrypted."""
        return self.path / f"Pulumi.{stack}.yaml"

    def write(self, name: str, text: str) -> Path:
        """Put a file in place, whole or not at all; only this user can read it."""
        path = self.path / name
        if not path.exists() or path.read_text() != text:
            draft = path.with_name(f".{name}.{os.getpid()}.new")
            with open(draft, "w", opener=private) as out:
                out.write(text)
            draft.replace(path)
        return path

    @contextmanager
    def lock(self, where: str) -> Iterator[None]:
        """Hold the stack on this host. The kernel frees it with the process. Raises EngineError."""
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise EngineError(
                    f"{where}: another run of this home holds the stack",
                    hint="wait until it has ended, then run the same command again",
                ) from None
            yield
        finally:
            os.close(descriptor)
