"""A release and an export to make bundles of."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from provisioner.ops.bundle import sums
from tests.unit.notes.conftest import RELEASES

FILES = {"logo.png": b"\x89PNG\r\n", "a/b c.txt": b"text", "back\\slash": b"odd", "new\nline": b"odder"}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The sample product, where it may be changed; with what Python leaves behind."""
    folder = Path(
        shutil.copytree(RELEASES / "1.1.0", tmp_path / "release", ignore=shutil.ignore_patterns("__pycache__"))
    )
    (folder / "lib/notes/__pycache__").mkdir()
    (folder / "lib/notes/__pycache__/web.cpython-311.pyc").write_bytes(b"left by Python")
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """An export's folder."""
    folder = tmp_path / "export"
    (folder / "files" / "a").mkdir(parents=True)
    (folder / "database.dump").write_bytes(b"PGDMP" + bytes(range(256)) * 1000)
    for name, content in FILES.items():
        (folder / "files" / name).write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps({"tenant": "acme", "release": "1.1.0"}))
    (folder / "README.md").write_text("how to load it")
    seal(folder)
    return folder


def seal(folder: Path) -> None:
    """Write an export's SHA256SUMS."""
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    paths = [p for p in folder.rglob("*") if p.is_file()]
    text = sums.lines({str(p.relative_to(folder)): sha256(p.read_bytes()).hexdigest() for p in paths})
    (folder / "SHA256SUMS").write_text(text)
