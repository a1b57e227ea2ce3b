"""One `new-tenant` killed again and again, each time one step further: before the step acts, its intent recorded."""

import signal

import pytest

from tests.faults.converging import STEPS, converges
from tests.installation import Installation

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


def test_killed_before_every_step_in_turn(installation: Installation) -> None:
    for step in STEPS:
        killed = installation.run("new-tenant", "stubborn", "--tier", "trial", PROVISION_FAILPOINT=f"{step}:before")
        assert killed.code == -signal.SIGKILL, (step, killed.stderr)
    [operation] = installation.ok("operations", "list", "--tenant", "stubborn", "-o", "json").json
    steps = installation.ok("operations", "show", operation["id"], "-o", "json").json["steps"]
    assert [(s["name"], s["status"]) for s in steps] == [
        *((name, "done") for name in STEPS[:-1]),
        (STEPS[-1], "started"),
    ], "each run went on where the one before had stopped"
    converges(installation, "stubborn")
