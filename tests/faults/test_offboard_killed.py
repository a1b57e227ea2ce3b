"""`offboard` killed with -9 at each step: the same command again ends it, and nothing is left."""

import signal

import pytest

from tests.installation import Installation

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


@pytest.mark.parametrize("point", ["destroy:before", "destroy:after", "retire:after"])
def test_killed_at_a_step(installation: Installation, point: str) -> None:
    tenant = "o-" + point.replace(":", "-")
    words = ("offboard", tenant, "--discard-data", "--confirm", tenant)
    installation.ok("new-tenant", tenant, "--tier", "trial")
    killed = installation.run(*words, PROVISION_FAILPOINT=f"{point}:kill")
    assert killed.code == -signal.SIGKILL, killed.stderr
    again = installation.run(*words)
    assert again.code == 0 or "retired already" in again.stderr, again.stderr
    assert set(installation.census(tenant).values()) == {0}
    assert f"{tenant}:" not in installation.registry.read_text()
