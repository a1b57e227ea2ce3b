"""What the cloud can do about patches: a part of the port `Cloud`."""

from collections.abc import Mapping
from typing import Literal, Protocol

from provisioner.model.patch.scan import Scan

Operation = Literal["Scan", "Install"]
NO_HOOKS: Mapping[str, str] = {}


class Patcher(Protocol):
    """Patches of machines, by Systems Manager, and minor versions of databases, by RDS."""

    def patch(
        self,
        machine_id: str,
        operation: Operation,
        *,
        comment: str,
        timeout: float,
        hooks: Mapping[str, str] = NO_HOOKS,
    ) -> Scan:
        """Look for missing patches on a machine, or install them, without a reboot; and wait. `hooks`: documents by
        moment (before, after, exit), for an installation. Returns how it stands then; a patch that couldn't be
        installed is in it. Raises TimedOutError after `timeout` seconds."""

    def reboot_machine(self, machine_id: str) -> None:
        """Ask for a reboot of a machine that runs: it goes down a little later."""

    def newest_minor(self, version: str) -> str | None:
        """The newest minor version to which RDS brings a PostgreSQL of this version; None where it is the newest."""

    def upgrade_database(self, identifier: str, version: str) -> None:
        """Begin to bring a database to a minor version. One that is on it already is success."""
