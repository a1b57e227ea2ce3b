"""Builds the later releases of the example: each is an earlier one with the files of `changes/VERSION` in it.

A release is an immutable image and has all its files; only what it changes is kept in the repository. Run by `make`;
a release that is there already, and is the same, is left alone.
"""

import filecmp
import shutil
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def build(changes: Path = _HERE / "changes", releases: Path = _HERE / "releases") -> None:
    """Build what is missing or differs. Bases come first: a version is built from an earlier one."""
    for change in sorted(changes.iterdir(), key=lambda folder: tuple(map(int, folder.name.split(".")))):
        base = releases / (change / "base").read_text().strip()
        with tempfile.TemporaryDirectory(dir=releases, prefix=".build-") as scratch:
            made = Path(scratch) / change.name
            ignored = shutil.ignore_patterns("__pycache__", "base")
            shutil.copytree(base, made, ignore=ignored)
            shutil.copytree(change, made, ignore=ignored, dirs_exist_ok=True)
            for path in (made, *made.rglob("*")):
                # Machines run under uids of their own, whatever this user's umask is.
                path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
            _put(made, releases / change.name)


def _put(made: Path, place: Path) -> None:
    if _same(made, place):
        return
    if place.exists():
        shutil.rmtree(place)
    made.rename(place)


def _same(made: Path, place: Path) -> bool:
    def files(folder: Path) -> list[str]:
        found = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        return sorted(str(p.relative_to(folder)) for p in found)

    names = files(made)
    return place.exists() and names == files(place) and filecmp.cmpfiles(made, place, names, shallow=False)[0] == names


if __name__ == "__main__":
    build()
