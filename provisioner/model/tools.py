"""The programs that production runs on and that no Python package brings."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Tool:
    """One program: its name for people, its version, and where it is."""

    name: str
    version: str
    path: str


class Tools(Protocol):
    """Finds and installs them. All raise ProvisionError with what to do by hand."""

    def cli(self) -> Tool:
        """The Pulumi CLI that would be used. Raises UnsupportedError where there is none, or where it is too old."""

    def install_cli(self) -> Tool:
        """Install the pinned one below the home."""

    def plugin(self) -> Tool | None:
        """The aws plugin in the version that the program was written for; None where it isn't installed."""

    def install_plugin(self) -> Tool:
        """Install that one, with the CLI."""

    def wanted(self) -> tuple[str, str]:
        """Versions of CLI and plugin that `install` would bring."""
