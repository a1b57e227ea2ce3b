"""Where the Pulumi CLI is, and whether this version of provision can use it."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.model.errors import UnsupportedError

# gRPC event stream (3.205), exit codes by kind of failure and `refresh --import-pending-creates` without questions.
MINIMUM = (3, 230, 0)
_SETUP = "provision setup"


@dataclass(frozen=True, slots=True)
class Cli:
    """A Pulumi CLI that can be used. `path` is absolute, `version` without a leading v."""

    path: Path
    version: str


def candidates(home: Path, environ: Mapping[str, str] = os.environ) -> Iterator[Path]:
    """Where a CLI may be, best first: PULUMI_HOME, PATH, what `provision setup` installed below `home`."""
    if environ.get("PULUMI_HOME"):
        yield Path(environ["PULUMI_HOME"]) / "bin" / "pulumi"
    found = shutil.which("pulumi", path=environ.get("PATH", ""))
    if found:
        yield Path(found)
    yield home / "cli" / "bin" / "pulumi"


def find(home: Path, environ: Mapping[str, str] = os.environ) -> Cli:
    """The first CLI that can be used: an old one on PATH must not hide the one that `provision setup` installed.
    Raises UnsupportedError where there is none: of those that can't be used, for the first one's reason."""
    reason: UnsupportedError | None = None
    for path in candidates(home, environ):
        if path.is_file() and os.access(path, os.X_OK):
            try:
                return examine(path.absolute())
            except UnsupportedError as error:
                reason = reason or error
    looked = ", ".join(str(p) for p in candidates(home, environ))
    raise reason or UnsupportedError(f"there is no Pulumi CLI (looked at PATH, {looked})", hint=_SETUP)


def examine(path: Path) -> Cli:
    """Ask a CLI for its version. Raises UnsupportedError where it doesn't answer or is too old."""
    environ = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        answer = subprocess.run([path, "version"], capture_output=True, text=True, timeout=30, env=environ, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnsupportedError(f"{path} is no usable Pulumi CLI: {error}", hint=_SETUP) from error
    version = answer.stdout.strip().removeprefix("v")
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if numbers is None:
        raise UnsupportedError(f"{path} says an unknown version: {version[:80]!r}", hint=_SETUP)
    if tuple(int(n) for n in numbers.groups()) < MINIMUM:
        least = ".".join(str(n) for n in MINIMUM)
        raise UnsupportedError(f"the Pulumi CLI {path} is version {version}; provision needs {least}", hint=_SETUP)
    return Cli(path, version)
