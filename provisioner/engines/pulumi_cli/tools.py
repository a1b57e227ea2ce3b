"""Getting the CLI and the aws plugin: found where they are, installed where they aren't, by Pulumi's own installers."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from importlib.metadata import version
from pathlib import Path

from provisioner.engines.pulumi_cli.cli import Cli, examine, find
from provisioner.model.errors import ProvisionError
from provisioner.model.tools import Tool

INSTALLER = "https://get.pulumi.com/install.sh"
_RELEASES = "https://github.com/pulumi/pulumi/releases/download/v{0}/pulumi-v{0}-{1}.tar.gz"
_PLUGINS = "https://get.pulumi.com/releases/plugins/pulumi-resource-aws-v{0}-{1}.tar.gz"
_REACH = 10.0
_INSTALL = 900.0
# In a process of its own: the SDK's download knows no timeout, and a process can be ended.
_SCRIPT = """
import sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""


class PulumiTools:
    """The port `Tools`, for one home. The versions are those of the installed SDKs: they are tested together."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def cli(self) -> Tool:
        """See the port."""
        return _tool(find(self._home))

    def install_cli(self) -> Tool:
        """See the port. A kill leaves a folder beside, which the next installation removes."""
        wanted = version("pulumi")
        where = self._home / "cli"
        missing, manual = f"the Pulumi CLI {wanted}", _manual_cli(wanted, where)
        if self.plugin() is None:
            plugin = version("pulumi-aws")
            missing, manual = f"{missing} and its plugin aws {plugin}", f"{manual}. Then {_manual_plugin(plugin)}"
        self._reach(f"{missing}: not installed", manual)
        for old in self._home.glob("cli.new-*"):
            shutil.rmtree(old, ignore_errors=True)
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = Path(tempfile.mkdtemp(prefix="cli.new-", dir=self._home))
        try:
            _run([sys.executable, "-c", _SCRIPT, str(draft), wanted], f"the Pulumi CLI {wanted}")
            examine(draft / "bin" / "pulumi")
            shutil.rmtree(where, ignore_errors=True)
            draft.rename(where)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return _tool(examine(where / "bin" / "pulumi"))

    def plugin(self) -> Tool | None:
        """See the port."""
        wanted = version("pulumi-aws")
        folder = _plugins() / f"resource-aws-v{wanted}"
        there = (folder / "pulumi-resource-aws").is_file() and not folder.with_name(f"{folder.name}.partial").exists()
        return Tool("plugin aws", wanted, str(folder)) if there else None

    def install_plugin(self) -> Tool:
        """See the port."""
        wanted = version("pulumi-aws")
        cli = find(self._home)
        self._reach(f"the plugin aws {wanted}: not installed", _manual_plugin(wanted))
        _run([str(cli.path), "plugin", "install", "resource", "aws", wanted], f"the plugin aws {wanted}")
        found = self.plugin()
        if found is None:
            raise ProvisionError(
                f"the plugin aws {wanted} was installed and is not in {_plugins()}", hint="provision doctor"
            )
        return found

    def wanted(self) -> tuple[str, str]:
        """See the port."""
        return version("pulumi"), version("pulumi-aws")

    def _reach(self, missing: str, manual: str) -> None:
        """One clear error, soon, where there is no internet."""
        try:
            with urllib.request.urlopen(INSTALLER, timeout=_REACH):
                return
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise ProvisionError(f"{missing}, and {INSTALLER} can't be reached: {reason}", hint=manual) from error


def own_home() -> dict[str, str]:
    """PULUMI_HOME for runs that use the installed plugins, where it was set: what was found there, or installed there,
    is looked for there."""
    chosen = os.environ.get("PULUMI_HOME")
    return {"PULUMI_HOME": str(Path(chosen).absolute())} if chosen else {}


def _tool(cli: Cli) -> Tool:
    return Tool("pulumi", cli.version, str(cli.path))


def _run(words: list[str], what: str) -> None:
    environ = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_INSTALL, env=environ, check=False)
    except subprocess.TimeoutExpired as error:
        raise ProvisionError(f"{what} was not installed within {_INSTALL:.0f} s", hint="provision setup") from error
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise ProvisionError(f"{what} could not be installed: {' | '.join(lines[-3:])}", hint="provision setup")


def _plugins() -> Path:
    return Path(own_home().get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"


def _manual_cli(wanted: str, where: Path) -> str:
    return f"unpack {_RELEASES.format(wanted, _machine('x64'))} so that {where}/bin/pulumi is there; or put it on PATH"


def _manual_plugin(wanted: str) -> str:
    folder = _plugins() / f"resource-aws-v{wanted}"
    return f"unpack {_PLUGINS.format(wanted, _machine('amd64'))} into {folder}"


def _machine(intel: str) -> str:
    arm = platform.machine().lower() in ("aarch64", "arm64")
    return f"{platform.system().lower()}-{'arm64' if arm else intel}"
