"""A command works with one ledger: a tenant whose target has another one is refused, whatever the command is."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from provisioner.cli import running
from provisioner.cli.framework import _NAMING, Session, Shared
from provisioner.cli.main import app
from provisioner.ledger.store import open_ledger
from provisioner.model.clock import SystemClock
from provisioner.settings import Settings
from tests.installation import ROOT

HINT = "add --target production"
NAMING = [
    "show acme",
    "plan acme",
    "apply acme --yes",
    "plan --tenant acme",
    "list --tenant acme",
    "status --tenant acme",
    "operations list --tenant acme",
    "operations journal --tenant acme",
    "backup create acme",
    "backup list acme",
    "backup prune acme",
    "drill acme",
    "drill report acme",
    "restore acme --to 2026-11-25T14:02 --yes",
    "restore beta --to x --into acme --yes",
    "restore acme --abandon --yes",
    "suspend acme --yes",
    "resume acme",
    "export acme",
    "export-bundle acme",
    "offboard acme",
    "certificate acme",
    "new-tenant acme",
    "upgrade acme --to 1.2.0 --yes",
    "rollout plan 1.2.0 acme",
    "rollout start 1.2.0 acme --yes",
    "rollout rehearse 1.2.0 acme",
    "rollout skip acme",
    "rollout retry-failed acme",
    "drift acme",
    "forecast acme",
    "resize acme --disk 40",
    "skew --tenant acme",
    "patch scan acme",
    "patch plan acme",
    "patch install acme --yes",
    "patch report acme",
]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """acme on production, with a ledger of its own; beta where the defaults say, with the home's."""
    text = (ROOT / "tenants.yaml").read_text().replace("examples/", f"{ROOT}/examples/")
    text = "\n".join(line for line in text.splitlines() if not line.strip().startswith("ledger:"))
    for version in ("1.0.0", "1.1.0"):
        image = f"{ROOT}/examples/notes/releases/{version}"
        text = text.replace(f"sandbox: {image}", f"eu-west-1: ami-0123456789abcdef0\n      sandbox: {image}")
    at = "    cloud: aws\n"
    assert at in text
    text = text.replace(at, f"{at}    ledger: sqlite:///{tmp_path}/production.db\n")
    text = text.replace("tenants: {}", "tenants:\n  acme:\n    target: production\n  beta: {}\n")
    (tmp_path / "tenants.yaml").write_text(text)
    for variable in ("PROVISION_TARGET", "PROVISION_LEDGER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PROVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROVISION_REGISTRY", str(tmp_path / "tenants.yaml"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(words: str) -> Result:
    return CliRunner().invoke(app, words.split())


@pytest.mark.parametrize("words", NAMING)
def test_whatever_names_the_tenant_is_refused(home: Path, words: str) -> None:
    done = run(words)
    assert done.exit_code == 2, done.output
    assert "tenant acme lives on target production, whose ledger is not the one of this command" in done.stderr
    assert HINT in done.stderr
    assert not (home / "production.db").exists()


def commands(group: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command's path and the names of its words."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield path + name, {p.name for p in command.params}


def test_every_command_that_names_a_tenant_is_tried() -> None:
    """One that is new and names a tenant by another word than these isn't held: see `framework._NAMING`."""
    naming = {name for name, words in commands(get_command(app)) if words & {*_NAMING}}
    tried = {
        words.partition(" acme")[0].partition(" --")[0].removesuffix(" beta").removesuffix(" 1.2.0") for words in NAMING
    }
    assert {name if name != "drill run" else "drill" for name in naming} == tried


@pytest.mark.parametrize("words", ["plan --all", "apply --all --yes", "plan --ring 2", "backup create --all"])
def test_so_is_a_selection_that_he_is_in(home: Path, words: str) -> None:
    done = run(words)
    assert done.exit_code == 2, done.output
    assert HINT in done.stderr


def test_a_view_of_the_fleet_leaves_him_out_and_says_so(home: Path) -> None:
    done = run("list --output json")
    assert (done.exit_code, [row["id"] for row in json.loads(done.stdout)]) == (0, ["beta"])
    words = "1 tenant(s) of target production are in another ledger: --target production shows them"
    assert words in done.stderr
    assert words in run("drill report").stderr
    done = run("list --target production --output json")
    assert "acme" in [row["id"] for row in json.loads(done.stdout)]


def test_with_the_target_his_ledger_is_used(home: Path) -> None:
    ledger = open_ledger(f"sqlite:///{home}/production.db", SystemClock())
    ledger.ensure_tenant("acme", "production")
    done = run("operations list --tenant acme --target production --output json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])
    done = run("show acme --target production --no-probe --output json")
    assert json.loads(done.stdout)["state"] == "requested"


def test_a_ledger_for_all_is_everybody_s(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISION_LEDGER", f"sqlite:///{home}/all.db")
    assert run("show acme --no-probe").exit_code == 0
    assert run("show beta --no-probe").exit_code == 0


def test_what_goes_on_by_itself_reads_the_same_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--detach` hands the operation to another process: it must find it in the same ledger."""
    started: list[dict[str, str]] = []

    def popen(words: list[str], **more: Any) -> None:
        started.append(more["env"])

    monkeypatch.setattr(subprocess, "Popen", popen)
    for ledger in (None, f"sqlite:///{home}/all.db"):
        if ledger:
            monkeypatch.setenv("PROVISION_LEDGER", ledger)
        session = Session(Shared(registry=home / "tenants.yaml", target="production"))
        running.detached(session, "acme", "0123456789abcdef0")
        environment = started.pop()
        assert environment["PROVISION_TARGET"] == "production"
        assert environment["PROVISION_REGISTRY"] == str(home / "tenants.yaml")
        assert environment["PROVISION_HOME"] == str(home / "home")
        assert environment.get("PROVISION_LEDGER") == ledger
        assert Settings.read(environ=environment) == session.settings
