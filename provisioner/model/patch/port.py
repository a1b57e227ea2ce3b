"""What the cloud can do about patches: a part of the port `Cloud`."""

from typing import Literal, Protocol

from provisioner.model.patch.scan import Scan


class Patcher(Protocol):
    """Patches of machines, by Systems Manager."""

    def patch(self, machine_id: str, operation: Literal["Scan", "Install"], *, comment: str, timeout: float) -> Scan:
        """Look for missing patches on a machine, or install them, without a reboot; and wait. Returns how it stands
        then; a patch that couldn't be installed is in it. Raises TimedOutError after `timeout` seconds."""

    def reboot_machine(self, machine_id: str) -> None:
        """Ask for a reboot of a machine that runs: it goes down a little later."""
