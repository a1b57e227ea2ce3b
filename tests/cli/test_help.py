"""Every command's help, as a snapshot, and the reference that is made from it."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from syrupy.assertion import SnapshotAssertion
from typer.testing import CliRunner

from provisioner.cli.main import app
from provisioner.cli.reference import markdown
from tests.installation import ROOT


def paths(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    group = group or typer.main.get_command(app)
    yield path
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from paths(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(paths()), ids=" ".join)
def test_help(path: tuple[str, ...], snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    result = CliRunner().invoke(app, [*path, "--help"], prog_name="provision")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert "\n".join(line.rstrip() for line in result.stdout.splitlines()) == snapshot


def test_the_reference_in_docs_is_the_commands_own() -> None:
    written = (ROOT / "docs" / "commands.md").read_text()
    assert written == markdown(), "run `make docs`"


def test_every_public_command_has_help_and_every_word_too() -> None:
    for path in paths():
        command: Any = typer.main.get_command(app)
        for name in path:
            command = command.commands[name]
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", None) or parameter.name == "help", (path, parameter.name)
