"""`new-tenant` killed at random times, its cloud killed, and ^C: the same command again converges."""

import os
import random
import signal
import time

import pytest

from tests.faults.converging import converges
from tests.installation import EXHAUSTIVE, Installation, only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


@only_exhaustive
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_a_random_time(installation: Installation, seed: int) -> None:
    tenant = f"random-{seed}"
    process = installation.start("new-tenant", tenant, "--tier", "trial")
    time.sleep(random.Random(seed).uniform(0.5, 6.0))
    process.kill()
    process.communicate()
    converges(installation, tenant)


@pytest.mark.parametrize("seed", range(2 if EXHAUSTIVE else 1))
def test_the_daemon_killed_in_the_middle(installation: Installation, seed: int) -> None:
    """Not our own process but the cloud's dies: the command fails, says so, and goes on when run again."""
    installation.ok("sandbox", "start")
    tenant = f"daemon-{seed}"
    process = installation.start("new-tenant", tenant, "--tier", "trial")
    time.sleep(random.Random(seed).uniform(1.5, 4.0))
    running = installation.control.running()
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    _, stderr = process.communicate(timeout=150)
    assert process.returncode in (0, 1, 9), stderr
    assert "Traceback" not in stderr
    converges(installation, tenant)


def test_interrupted_by_hand(installation: Installation) -> None:
    """^C: exit 130, words on stderr, and the same command goes on."""
    process = installation.start("new-tenant", "interrupted", "--tier", "trial")
    assert process.stderr is not None
    for line in process.stderr:
        if "stack started" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    operations = installation.ok("operations", "list", "--tenant", "interrupted", "-o", "json").json
    assert [o["status"] for o in operations] == ["interrupted"]
    installation.ok("operations", "resume", operations[0]["id"])
    assert installation.show("interrupted")["state"] == "active"
