"""A target on AWS without credentials: exit 5 with a hint, quickly, and nothing is changed."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.installation import COMMAND, ROOT

LIMIT = 3.0
"""Seconds, on a machine with nothing else to do."""
TIMES = 25
"""As long as `provision --version` takes there: with much else to do both take longer."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Nothing of ours: no profile, no keys, no metadata service that would answer."""
    text = (ROOT / "tenants.yaml").read_text().replace("examples/", f"{ROOT}/examples/")
    for version in ("1.0.0", "1.1.0"):
        image = f"{ROOT}/examples/notes/releases/{version}"
        assert image in text
        text = text.replace(f"sandbox: {image}", f"eu-west-1: ami-0123456789abcdef0\n      sandbox: {image}")
    (tmp_path / "tenants.yaml").write_text(text.replace("tenants: {}", "tenants:\n  acme:\n    target: production\n"))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PROVISION_HOME": str(tmp_path / "home"),
        "PROVISION_REGISTRY": str(tmp_path / "tenants.yaml"),
    }


def run(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def timed(environment: dict[str, str], *words: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    began = time.monotonic()
    done = run(environment, *words)
    return time.monotonic() - began, done


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "acme"],
        ["plan", "nobody"],
        ["apply", "acme", "--yes"],
        ["new-tenant", "beta"],
        ["backup", "create", "acme"],
        ["drill", "acme"],
        ["offboard", "acme", "--now", "--confirm", "acme"],
    ],
    ids=" ".join,
)
def test_without_credentials(environment: dict[str, str], words: list[str]) -> None:
    registry = Path(environment["PROVISION_REGISTRY"])
    before = registry.read_text()
    before_it = timed(environment, "--version")[0]
    took, done = timed(environment, "--target", "production", *words)
    little = max(before_it, timed(environment, "--version")[0])
    assert done.returncode == 5, done.stderr
    assert "no AWS credentials were found" in done.stderr + done.stdout
    assert "aws sso login" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert registry.read_text() == before
    assert took < max(LIMIT, TIMES * little), "it waits for something, as a metadata service that isn't there"


def test_a_tenant_is_not_looked_for_on_a_target_where_it_does_not_live(environment: dict[str, str]) -> None:
    done = run(environment, "--target", "sandbox", "plan", "acme")
    assert done.returncode == 2
    assert "tenant acme lives on target production, not on sandbox" in done.stderr
    done = run(environment, "--target", "sandbox", "plan", "--all", "--output", "json")
    assert (done.returncode, done.stdout.strip()) == (0, "[]")


def test_without_a_cli_no_sandbox_is_started_for_nothing(environment: dict[str, str]) -> None:
    bare = {**environment, "PATH": "/usr/bin:/bin"}
    done = run(bare, "new-tenant", "beta", "--engine", "pulumi")
    assert "there is no Pulumi CLI" in done.stderr
    assert "provision setup" in done.stderr
    assert done.returncode == 1
    assert not (Path(environment["PROVISION_HOME"]) / "sandbox" / "daemon.json").exists()
    assert "beta" not in Path(environment["PROVISION_REGISTRY"]).read_text()
