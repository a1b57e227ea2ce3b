"""`new-tenant` killed with -9, each time some steps further: the same command again converges."""

import signal

import pytest

from tests.faults.converging import STEPS, converges
from tests.forks import Forked
from tests.installation import only_exhaustive, some

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


@pytest.mark.parametrize(
    ("tenant", "moment"),
    [
        # The intent is recorded, nothing is done
        pytest.param("before", "before", marks=only_exhaustive),
        # The work is done, its result isn't recorded
        ("after", "after:kill"),
    ],
)
def test_killed_at_every_step_in_turn(installation: Forked, tenant: str, moment: str) -> None:
    for step in some(STEPS):
        killed = installation.run("new-tenant", tenant, "--tier", "trial", PROVISION_FAILPOINT=f"{step}:{moment}")
        assert killed.code == -signal.SIGKILL, (step, killed.stderr)
    [operation] = installation.ok("operations", "list", "--tenant", tenant, "-o", "json").json
    steps = installation.ok("operations", "show", operation["id"], "-o", "json").json["steps"]
    assert [(s["name"], s["status"]) for s in steps] == [
        *((name, "done") for name in STEPS[:-1]),
        (STEPS[-1], "started"),
    ], "each run went on where the one before had stopped"
    converges(installation, tenant)
