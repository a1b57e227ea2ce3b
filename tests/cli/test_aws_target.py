"""A target on AWS without credentials: exit 5 with a hint, quickly, and nothing is changed."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from tests.installation import COMMAND, ROOT

LIMIT = 3.0


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


@pytest.mark.parametrize(
    "words",
    [["plan", "acme"], ["apply", "acme", "--yes"], ["new-tenant", "beta"], ["offboard", "acme", "--discard-data"]],
    ids=lambda w: w[0],
)
def test_without_credentials(environment: dict[str, str], words: list[str]) -> None:
    registry = Path(environment["PROVISION_REGISTRY"])
    before = registry.read_text()
    began = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "--target", "production", *words],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    took = time.monotonic() - began
    assert done.returncode == 5, done.stderr
    assert "no AWS credentials were found" in done.stderr + done.stdout
    assert "aws sso login" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert registry.read_text() == before
    # Not a benchmark: a wait for a metadata service that isn't there would be many times as long.
    assert took < LIMIT * 5
