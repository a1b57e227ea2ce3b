"""Which program this is: a digest that changes with the source, so that `apply` looks again after an edit of it."""

import hashlib
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_SOURCES = ("stacks/*.py", "templates/cloud-init.yaml.j2")


@cache
def program_version() -> str:
    """SHA-256 over names and contents of the program's files, as 64 hexadecimal digits. Imports no pulumi."""
    digest = hashlib.sha256()
    for path in sorted(p for pattern in _SOURCES for p in _ROOT.glob(pattern)):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(_ROOT).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
