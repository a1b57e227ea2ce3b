"""The documented workflows: they are YAML, and every command in them and in the pages on rollouts exists."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from provisioner.cli.main import app
from provisioner.model.rollout import states
from tests.installation import ROOT

WORKFLOWS = sorted((ROOT / "examples" / "github").glob("*.yml"))
PAGES = [ROOT / "docs" / "ci.md", ROOT / "docs" / "rollouts.md"]


def loaded(path: Path) -> Any:
    return YAML(typ="safe").load(path)


def scripts(path: Path) -> Iterator[str]:
    """What a workflow runs, or what a page shows as typed or in passing."""
    if path.suffix == ".yml":
        for job in loaded(path)["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)
        return
    text = path.read_text()
    yield from re.findall(r"^ *\$ (provision .*)$", text, re.MULTILINE)
    yield from re.findall(r"`(provision [^`]*)`", text)


def commands(script: str) -> Iterator[list[str]]:
    """The words of each `provision` in a script, up to the next operator of the shell."""
    for line in script.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
        for place, word in enumerate(words):
            if word != "provision":
                continue
            rest = words[place + 1 :]
            end = next((n for n, w in enumerate(rest) if set(w) <= set("|&;<>()")), len(rest))
            yield rest[:end]


def found_in(path: Path) -> list[list[str]]:
    return [words for script in scripts(path) for words in commands(script)]


def check(words: list[str]) -> None:
    """Raise AssertionError where there is no such command, or where it has no such option or too many arguments."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        assert rest, words
        assert rest[0] in command.commands, words
        command = command.commands[rest.pop(0)]
    known = {name: p for p in command.params if p.param_type_name == "option" for name in p.opts}
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    given = 0
    while rest:
        word = rest.pop(0)
        if word.startswith("-"):
            assert word in known, (words, word)
            if not known[word].is_flag:
                assert rest, (words, word)
                rest.pop(0)
        else:
            given += 1
    assert given <= len(arguments) or any(p.nargs == -1 for p in arguments), words


def test_there_are_three_workflows_and_each_does_something() -> None:
    assert [p.name for p in WORKFLOWS] == ["plan.yml", "start.yml", "status.yml"]
    verbs = {" ".join(words[:2]) for path in WORKFLOWS for words in found_in(path)}
    assert verbs == {"registry validate", "rollout plan", "rollout start", "rollout list", "rollout status"}


@pytest.mark.parametrize("path", [*WORKFLOWS, *PAGES], ids=lambda p: p.name)
def test_every_command_exists_with_its_options(path: Path) -> None:
    found = found_in(path)
    assert found
    for words in found:
        check(words)


@pytest.mark.parametrize("words", [["rollout", "begin"], ["rollout", "start", "1", "--fsat"], ["doctor", "a", "b"]])
def test_the_check_itself_can_fail(words: list[str]) -> None:
    with pytest.raises(AssertionError):
        check(words)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_has_what_github_wants_and_nothing_secret(path: Path) -> None:
    raw = loaded(path)
    assert {"name", "on", "permissions", "jobs"} <= set(raw)
    for job in raw["jobs"].values():
        assert {"runs-on", "steps", "timeout-minutes"} <= set(job)
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])
    for script in scripts(path):
        assert "${{" not in script, "what others wrote must not become a part of a script"


@pytest.mark.parametrize(
    ("table", "meanings"),
    [(states.ROLLOUT, states.ROLLOUT_MEANINGS), (states.STEP, states.STEP_MEANINGS)],
    ids=["rollouts", "steps"],
)
def test_the_states_in_the_docs_are_the_program_s(table: Any, meanings: Any) -> None:
    rows = [f"| {s} | {meanings[s]} | {', '.join(sorted(table[s])) or '-'} |" for s in table]
    assert (
        "| state | meaning | next |\n|---|---|---|\n" + "\n".join(rows) in (ROOT / "docs" / "rollouts.md").read_text()
    )
