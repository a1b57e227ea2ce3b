"""A release's directory, as its `release.json` describes it (docs/product-contract.md)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.model.errors import UnsupportedError
from provisioner.model.tenant import Release

_PRODUCT = re.compile(r"[a-z][a-z0-9-]{0,30}")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,60}")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._,<>=!~\[\] -]*")


@dataclass(frozen=True, slots=True)
class Image:
    """What a release is. `python`: modules that it needs besides the standard library -> pip's requirement.

    All texts are free of what a shell, a unit file or YAML would read: templates insert them as they are.
    """

    folder: Path
    product: str
    version: str
    schema_version: int
    python: Mapping[str, str]


def folder_of(release: Release) -> Path:
    """The directory of a release. Raises UnsupportedError where it has only machine images."""
    if "sandbox" not in release.images:
        has = ", ".join(f"{region}: {image}" for region, image in release.images.items()) or "nothing"
        raise UnsupportedError(
            f"release {release.version} has no directory that a bundle could be made of ({has}): "
            "a machine image of AWS can't be unpacked",
            hint=f"add releases/{release.version}/images/sandbox: the directory that the image was built from",
        )
    return Path(release.images["sandbox"])


def read(folder: Path) -> Image:
    """Read a release's directory. Raises UnsupportedError where it isn't one, or says what can't be in a bundle."""
    file = folder / "release.json"
    try:
        image = _image(folder, json.loads(file.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise UnsupportedError(f"{folder} is no release's directory: {file}: {why}", hint=_HINT) from None
    missing = [name for name in ("bin/serve", "bin/migrate") if not (folder / name).is_file()]
    if missing:
        raise UnsupportedError(f"{folder} is no release's directory: it has no {' and no '.join(missing)}", hint=_HINT)
    return image


_HINT = "see docs/product-contract.md"


def _image(folder: Path, said: Any) -> Image:
    python = dict(said.get("python", {}))
    texts = [(_PRODUCT, said["product"]), (_VERSION, said["version"])]
    texts += [(_MODULE, name) for name in python] + [(_REQUIREMENT, text) for text in python.values()]
    for pattern, text in texts:
        if not isinstance(text, str) or not pattern.fullmatch(text):
            raise ValueError(f"{text!r} can't be used")
    return Image(folder, said["product"], said["version"], int(said["schema_version"]), python)
