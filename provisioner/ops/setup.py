"""`provision setup`: what production needs beside Python, found or installed."""

from dataclasses import dataclass

from provisioner.model.errors import UnsupportedError
from provisioner.model.tools import Tool, Tools


@dataclass(frozen=True, slots=True)
class Prepared:
    """One tool, and whether it was there (`found`) or was installed now."""

    tool: Tool
    found: bool


def prepare(tools: Tools) -> list[Prepared]:
    """The CLI, then the plugin. What is there stays as it is."""
    try:
        cli = Prepared(tools.cli(), found=True)
    except UnsupportedError:
        cli = Prepared(tools.install_cli(), found=False)
    plugin = tools.plugin()
    second = Prepared(plugin, found=True) if plugin is not None else Prepared(tools.install_plugin(), found=False)
    return [cli, second]
