"""A drill killed with -9, its cloud killed, and ^C: the same command goes on, and no quarantine is left."""

import signal

import pytest

from tests.faults.recovery.life import (
    inside,
    kill_the_cloud_inside,
    ledger,
    make,
    notes,
    of_drills,
    settled,
    unfinished,
    walk,
)
from tests.forks import Forked
from tests.installation import only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(600)]

STEPS = ("restore", "verify", "probe", "clear", "conclude")
DATABASE = "aws:rds/instance:Instance database started"
INSIDE = {
    "restore": ("aws:ec2/vpc:Vpc vpc started", DATABASE, "aws:ec2/instance:Instance machine started"),
    "verify": ("verify runs on",),
    "clear": ("delete aws:rds/instance:Instance database started", "delete aws:ec2/vpc:Vpc vpc started"),
}
BACKUP = ("mark", "snapshot", "copy", "finish")


@pytest.fixture(scope="module")
def before(installation: Forked) -> dict[str, int]:
    """The tenant of this module, with one recovery point, and what the cloud had of it before any drill."""
    found = make(installation, "acme", "one", "two")
    installation.ok("backup", "create", "acme")
    return found


def concluded(installation: Forked, before: dict[str, int], drills: int) -> None:
    """The drill has ended once, nothing of it is left, and the tenant was never touched."""
    settled(installation, "acme", before)
    assert notes(installation, "acme") == {"one", "two"}
    assert installation.show("acme")["health"]["status"] == "healthy"
    found = ledger(installation).evidence(tenant="acme", kind="drill")
    assert [e.body["verdict"] for e in found] == ["passed"] * drills


@only_exhaustive
def test_a_backup_killed_around_every_step_makes_one_recovery_point(
    installation: Forked, before: dict[str, int]
) -> None:
    done = walk(installation, ("backup", "create", "acme"), BACKUP)
    assert done.code == 0, done.stderr
    settled(installation, "acme", before)


def test_killed_around_and_inside_every_step(installation: Forked, before: dict[str, int]) -> None:
    done = walk(installation, ("drill", "acme"), STEPS, INSIDE)
    assert done.code == 0, done.stderr
    concluded(installation, before, 1)


def test_interrupted_by_hand_and_reaped(installation: Forked, before: dict[str, int]) -> None:
    """^C: exit 130, words on stderr; `reap` goes on with it, so that its quarantine ends."""
    process = inside(installation, ("drill", "acme"), DATABASE, 0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert of_drills(installation) != [], "the quarantine is still there"
    reaped = installation.ok("drill", "reap", "-o", "json").json
    assert [(r["tenant"], r["outcome"]) for r in reaped] == [("acme", "done")]
    concluded(installation, before, 2)
    assert installation.ok("drill", "reap", "-o", "json").json == []


@only_exhaustive
def test_the_cloud_killed_in_the_middle(installation: Forked, before: dict[str, int]) -> None:
    """Not our own process but the cloud dies: that says nothing about the backup, and the quarantine ends all the
    same."""
    kill_the_cloud_inside(installation, ("drill", "acme"), DATABASE, 0.2)
    while unfinished(installation, "acme"):
        again = installation.run("drill", "acme")
        assert again.code in (0, 1), again.stderr
    verdicts = [e.body["verdict"] for e in ledger(installation).evidence(tenant="acme", kind="drill")]
    assert verdicts[1:] == ["passed"] * 2
    assert verdicts[0] in ("passed", "inconclusive"), "never failed"
    settled(installation, "acme", before)
    assert notes(installation, "acme") == {"one", "two"}
