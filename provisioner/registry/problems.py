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


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant."""
    import difflib

    by_lower = {k.lower(): k for k in sorted(known)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """`did you mean 'standard'?` where something known is near, else None."""
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else None


def suggest(word: str, known: Iterable[str], kind: str) -> str:
    """A hint for an unknown name: the near miss, or what there is."""
    names = sorted(known)
    listing = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return did_you_mean(word, names) or (f"{kind}: {listing}" if names else f"there are no {kind} yet")
