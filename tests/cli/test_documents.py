"""What the documents tell people to type can be typed, and what they tell them to write is valid."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from provisioner.cli.main import app
from provisioner.registry import load
from tests.installation import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(console|yaml)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^[$ ]+provision (.+)$", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    """`(document, words)` of every line that calls `provision`."""
    found = []
    for path in DOCUMENTS:
        blocks = (text for kind, text in _BLOCK.findall(path.read_text()) if kind == "console")
        lines = (line for block in blocks for line in _COMMAND.findall(block))
        found += [(path.name, re.split(r"\s#|\s>|\s&&|\s\|\s", line)[0].strip()) for line in lines]
    return found


def test_there_are_commands_to_check() -> None:
    assert len(commands()) > 15
    assert {"README.md", "aws.md"} <= {name for name, _ in commands()}


@pytest.mark.parametrize(("document", "line"), commands())
def test_a_command_can_be_typed(document: str, line: str) -> None:
    """Parsed as the real command would, up to and without the call."""
    check(shlex.split(line.replace("$part", "network")))


@pytest.mark.parametrize("line", ["frobnicate", "deployer frobnicate", "new-tenant --frob x", "deployer trust"])
def test_the_check_can_fail(line: str) -> None:
    with pytest.raises(Exception, match=r"No such|Missing"):
        check(line.split())


def check(words: list[str]) -> None:
    command: Any = typer.main.get_command(app)
    context = command.make_context("provision", words)
    while context._protected_args:
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


def test_the_registry_of_the_aws_document_is_valid(tmp_path: Path) -> None:
    (text,) = (text for kind, text in _BLOCK.findall((ROOT / "docs/aws.md").read_text()) if kind == "yaml")
    yaml = YAML()
    whole = yaml.load(ROOT / "tenants.yaml")
    for key, entries in yaml.load(text).items():
        for name, entry in entries.items():
            whole[key][name] = entry
    whole["channels"] = {"stable": "1.0.0"}
    whole["releases"] = {"1.0.0": whole["releases"]["1.0.0"]}
    yaml.dump(whole, tmp_path / "tenants.yaml")
    target = load(tmp_path / "tenants.yaml").targets["production"]
    assert target.role is not None
    assert target.ledger is not None
