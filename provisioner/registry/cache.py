"""A checked reading of a registry, kept: a command that only lists need not parse and check a thousand tenants again.

Valid for the same bytes under the same name on the same day, read by the same code. Anything else is checked anew, and
a cache that can't be read or written is no error.
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import astuple
from datetime import date
from functools import cache
from pathlib import Path

from provisioner.model import recovery
from provisioner.model.patch import policy as patching
from provisioner.model.rollout import strategy
from provisioner.registry.files import write_new
from provisioner.registry.problems import Problem
from provisioner.registry.registry import Reading


def recall(folder: Path, name: str, raw: bytes, today: date) -> Reading | None:
    """The reading of these very bytes, if it was kept."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(_file(folder, name).read_bytes())
        if kept["key"] == _key(name, raw, today):
            return Reading(name, raw, kept["plain"], tuple(Problem(*w) for w in kept["warnings"]))
    return None


def remember(folder: Path, reading: Reading, today: date) -> None:
    """Keep a reading in place of the file's older one; readable by this user only."""
    kept = {
        "key": _key(reading.name, reading.raw, today),
        "plain": reading.plain,
        "warnings": [astuple(w) for w in reading.warnings],
    }
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_new(_file(folder, reading.name), json.dumps(kept, ensure_ascii=False).encode())


def _file(folder: Path, name: str) -> Path:
    return folder / f"registry-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


def _key(name: str, raw: bytes, today: date) -> str:
    digest = hashlib.sha256(raw)
    digest.update(f"\0{name}\0{today}\0{_code()}".encode())
    return digest.hexdigest()


@cache
def _code() -> str:
    """What this room's code is, and where the defaults are that it fills in: another version of it may refuse what this
    one took."""
    digest = hashlib.sha256()
    defaults = [Path(file) for file in (recovery.__file__, strategy.__file__, patching.__file__)]
    for path in [*sorted(Path(__file__).parent.glob("*.py")), *defaults]:
        digest.update(path.read_bytes())
    return digest.hexdigest()
