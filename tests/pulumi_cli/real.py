"""The Pulumi CLI of this machine, if it has one."""

from pathlib import Path

from provisioner.engines.pulumi_cli.cli import Cli, find
from provisioner.model.errors import ProvisionError

MISSING = "no Pulumi CLI on PATH"


def _here() -> Cli | None:
    try:
        return find(Path("/nonexistent"))
    except ProvisionError:
        return None


CLI = _here()
