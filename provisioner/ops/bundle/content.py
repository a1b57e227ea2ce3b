"""What lies in a bundle: each file with the place that it comes from."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from provisioner.model.errors import UnsupportedError, UsageError
from provisioner.ops.bundle.image import Image

FORMAT = 1
_TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
_PROGRAM, _FILE, _CUSTOMER = 0o755, 0o644, 0o600


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its path in the bundle with `/`, where its bytes are, its mode."""

    path: str
    source: Path | bytes
    mode: int


def entries(
    image: Image, *, tenant: str | None, data: Path | None, wheels: Path | None, origin: str | None
) -> list[Entry]:
    """All files, sorted by path. `data` is an export's folder, `origin` says which export it is, `wheels` a folder.

    Raises UnsupportedError for a product with links or with names that can't be listed, UsageError for no wheels.
    """
    found = [*_product(image.folder), *_data(data), *_wheels(wheels)]
    words = {
        "product": image.product,
        "release": image.version,
        "schema_version": image.schema_version,
        "tenant": tenant,
        "python": dict(image.python),
        "files": sum(e.path.startswith("data/files/") for e in found),
        "wheels": wheels is not None,
    }
    about = {"format": FORMAT, **words, "export": origin}
    found.append(Entry("bundle.json", (json.dumps(about, indent=2) + "\n").encode(), _FILE))
    found += [Entry(path, _rendered(template, words), mode) for path, template, mode in _written(image.product)]
    return sorted(found, key=lambda e: e.path)


def _written(product: str) -> list[tuple[str, str, int]]:
    return [
        ("README.md", "README.md.j2", _FILE),
        ("install.sh", "install.sh.j2", _PROGRAM),
        ("config/product.env", "product.env.j2", _FILE),
        (f"systemd/{product}.service", "product.service.j2", _FILE),
        ("compose.yaml", "compose.yaml.j2", _FILE),
        ("compose/secrets.sh", "compose/secrets.sh.j2", _PROGRAM),
        ("compose/database.sh", "compose/database.sh.j2", _PROGRAM),
    ]


def _product(folder: Path) -> Iterator[Entry]:
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        if "__pycache__" in path.parts:
            continue
        if path.is_symlink() or not path.is_file() or not name.isprintable() or "\\" in name:
            raise UnsupportedError(
                f"{path} can't be in a bundle: a release has plain files with printable names only",
                hint="see docs/product-contract.md, Without AWS",
            )
        yield Entry(f"product/{name}", path, _PROGRAM if path.stat().st_mode & 0o100 else _FILE)


def _data(folder: Path | None) -> Iterator[Entry]:
    if folder is None:
        return
    for name in ("database.dump", "manifest.json"):
        yield Entry(f"data/{name}", folder / name, _CUSTOMER)
    for path in _walk(folder / "files"):
        yield Entry(f"data/{path.relative_to(folder).as_posix()}", path, _CUSTOMER)


def _wheels(folder: Path | None) -> Iterator[Entry]:
    if folder is None:
        return
    found = sorted(folder.glob("*.whl"))
    if not found:
        raise UsageError(f"{folder} has no wheels", hint=f"pip download --dest {folder} REQUIREMENT")
    for path in found:
        yield Entry(f"wheels/{path.name}", path, _FILE)


def _walk(folder: Path) -> Iterator[Path]:
    """Everything below that is no folder; a link to a folder is no folder."""
    for at, folders, files in os.walk(folder):
        yield from (Path(at, name) for name in files)
        yield from (p for p in (Path(at, name) for name in folders) if p.is_symlink())


@cache
def _environment() -> Environment:
    # Scripts and settings, not HTML: what is inserted was checked by `image.read`, and ids are the registry's.
    files = FileSystemLoader(_TEMPLATES)
    return Environment(loader=files, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True)  # noqa: S701


def _rendered(template: str, words: dict[str, object]) -> bytes:
    return _environment().get_template(f"bundle/{template}").render(words).encode()
