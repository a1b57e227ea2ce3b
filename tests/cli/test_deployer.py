"""The IAM documents of a target, and of a tenant that has an account and a role of its own there."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from provisioner.cli.main import app
from tests.installation import ROOT

MINE, THEIRS = "123456789012", "444455556666"
DEPLOYER = f"arn:aws:iam::{MINE}:role/provision-deployer"
OWN = f"arn:aws:iam::{THEIRS}:role/their-deployer"


@pytest.fixture(autouse=True)
def _registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "tenants.yaml").read_text().replace("examples/", f"{ROOT}/examples/")
    for version in ("1.0.0", "1.1.0"):
        image = f"{ROOT}/examples/notes/releases/{version}"
        text = text.replace(f"sandbox: {image}", f"eu-west-1: ami-0123456789abcdef0\n      sandbox: {image}")
    text = text.replace("    cloud: aws\n", f"    cloud: aws\n    role: {DEPLOYER}\n")
    own = f'    target: production\n    account: "{THEIRS}"\n    role: {OWN}\n'
    tenants = f"tenants:\n  acme:\n    target: production\n  globex:\n{own}  beta: {{}}\n"
    (tmp_path / "tenants.yaml").write_text(text.replace("tenants: {}\n", tenants))
    monkeypatch.setenv("PROVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROVISION_REGISTRY", str(tmp_path / "tenants.yaml"))
    monkeypatch.delenv("PROVISION_TARGET", raising=False)


def document(*words: str) -> Any:
    done = CliRunner().invoke(app, ["--target", "production", "deployer", *words, "--output", "json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("words", [["policy"], ["policy", "--part", "identity"], ["boundary"]], ids=" ".join)
def test_a_tenant_s_own_documents_are_of_its_account(words: list[str]) -> None:
    ours, own = json.dumps(document(*words)), json.dumps(document(*words, "--tenant", "globex"))
    assert MINE in ours
    assert THEIRS not in ours
    assert THEIRS in own
    assert MINE not in own
    assert document(*words, "--tenant", "acme") == document(*words)


def test_the_caller_may_become_every_deployer_of_the_target() -> None:
    whole = {p["Sid"]: p for p in document("caller")["Statement"]}
    assert whole["Become"]["Resource"] == [DEPLOYER, OWN]
    assert MINE in json.dumps(whole["StateKey"])
    (one,) = document("caller", "--tenant", "globex")["Statement"]
    assert (one["Sid"], one["Resource"]) == ("Become", [OWN])


def test_who_trusts_is_the_same_in_both_accounts() -> None:
    principal = f"arn:aws:iam::{MINE}:role/operator"
    assert document("trust", principal, "--tenant", "globex") == document("trust", principal)


def test_a_tenant_on_the_sandbox_has_none() -> None:
    done = CliRunner().invoke(app, ["deployer", "policy", "--tenant", "beta"])
    assert done.exit_code == 2
    assert "is not on AWS" in done.stderr
