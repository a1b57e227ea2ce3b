"""`new-tenant` killed with -9 after a step acted, its result not recorded: the same command again converges."""

import signal

import pytest

from tests.faults.converging import STEPS, converges
from tests.installation import Installation

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


@pytest.mark.parametrize("step", STEPS)
def test_killed(installation: Installation, step: str) -> None:
    tenant = f"after-{step}"
    killed = installation.run("new-tenant", tenant, "--tier", "trial", PROVISION_FAILPOINT=f"{step}:after:kill")
    assert killed.code == -signal.SIGKILL, killed.stderr
    converges(installation, tenant)
