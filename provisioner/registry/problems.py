"""What is wrong with a registry: one line each, with its position, the path with ids, and a hint."""

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.model.errors import RegistryError


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault (or warning). `line` and `column` count from 1, in characters; `path` reads `tenants/acme/ring`."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.without_position()}"

    def without_position(self) -> str:
        """The same line for a text that was never written to the file."""
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message}" + (f" ({self.hint})" if self.hint else "")


def registry_error(file: str, problems: Iterable[Problem]) -> RegistryError:
    """The error that carries all problems, in file order, each once."""
    ordered = tuple(sorted(set(problems), key=lambda p: (p.line, p.column, p.path, p.message)))
    count = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems"
    return RegistryError(
        f"{file} has {count}; nothing was done",
        problems=ordered,
        hint="mend the file and run `provision registry validate`",
    )
