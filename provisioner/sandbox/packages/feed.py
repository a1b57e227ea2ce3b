"""The package feed: which versions there are, which advisories they close, and what the baseline rejects.

Import it where it is needed only: pydantic costs the daemon's start more than the rest of this room.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from provisioner.model.errors import SandboxError

VARIABLE = "PROVISION_SANDBOX_FEED"
"""A feed to use in place of the one that ships. It is read for each command and each first boot."""

BASE_FILE = "packages.json"
"""In an image's directory: the packages that its machines begin with, name -> version; else the feed's `base`."""

_OWN = Path(__file__).with_name("feed.json")
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+._-]*$")]
_Version = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9+.~_]*$")]
_Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9+._-]*(/[A-Za-z0-9_-][A-Za-z0-9+._-]*)*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Release(_Strict):
    """A version of a package. `reboot`: it is in effect after the next boot only; `files`: what it brings, by path in
    its own folder; `install`: shell lines that run there, and whose failure is the installation's."""

    version: _Version
    reboot: bool = False
    files: dict[_Path, str] = Field(default_factory=dict)
    install: str = ""


class Advisory(_Strict):
    """What is wrong with versions of a package before `fixed`."""

    id: str
    cves: list[str]
    severity: Literal["Critical", "Important", "Medium", "Low"]
    classification: Literal["Security", "Bugfix"]
    package: _Name
    fixed: _Version


class Feed(_Strict):
    """All of it. `rejected`: patterns of names or `name-version`s that are never installed."""

    baseline: Annotated[str, StringConstraints(pattern=r"^pb-[0-9a-f]{17}$")]
    architecture: str
    base: dict[_Name, _Version]
    packages: dict[_Name, list[Release]]
    advisories: list[Advisory]
    rejected: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _closed(self) -> "Feed":
        for advisory in self.advisories:
            if advisory.fixed not in {r.version for r in self.packages.get(advisory.package, ())}:
                raise ValueError(f"{advisory.id}: there is no {advisory.package} {advisory.fixed} in packages")
        return self


class _Base(_Strict):
    packages: dict[_Name, _Version]


def load() -> Feed:
    """The feed. Raises SandboxError where the file that the variable names is none."""
    named = os.environ.get(VARIABLE)
    file = Path(named) if named else _OWN
    try:
        return Feed.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as problem:
        raise _unusable(file, "package feed", problem) from None


def base(image: Path) -> dict[str, str]:
    """What a machine of this image begins with. Raises SandboxError where its list, or the feed, is none."""
    file = image / BASE_FILE
    if not file.exists():
        return load().base
    try:
        return _Base(packages=json.loads(file.read_bytes())).packages
    except (OSError, ValueError) as problem:  # pydantic's and json's errors are ValueErrors
        raise _unusable(file, "list of packages", problem) from None


def _unusable(file: Path, what: str, problem: Exception) -> SandboxError:
    words = "; ".join(str(problem).splitlines()[:4])
    return SandboxError(f"{file} is no {what}: {words}", hint="see docs/patching.md, The sandbox's feed")
