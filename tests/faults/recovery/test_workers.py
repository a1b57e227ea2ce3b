"""Two workers on one PostgreSQL ledger: what is due is done once, and what one of them leaves the other one ends."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from provisioner.ledger.schema import operations
from provisioner.model.ledger import OperationStatus
from provisioner.model.recovery import PointStatus
from tests.faults.recovery.life import (
    inside,
    kill_inside,
    ledger,
    make,
    notes,
    of_drills,
    points,
    settled,
    snapshots,
    unfinished,
)
from tests.faults.recovery.shared import Shared, on_postgresql
from tests.installation import TIMEOUT, Answer, only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(600)]

ONCE = ("worker", "--once", "-o", "json")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """An installation for this module."""
    with on_postgresql(tmp_path_factory.mktemp("shared")) as made:
        yield made


def both(shared: Shared) -> Counter[tuple[str, str, str]]:
    """Two workers at the same time, each once: how often they told each tenant, work and outcome, but scans."""
    workers = [shared.start(*ONCE) for _ in range(2)]
    told: Counter[tuple[str, str, str]] = Counter()
    for worker in workers:
        answer = Answer(0, *worker.communicate(timeout=TIMEOUT))
        assert worker.returncode == 0, answer.stderr
        told.update((row["tenant"], row["what"], row["outcome"]) for row in answer.json if row["what"] != "scan")
    return told


def told(shared: Shared) -> list[tuple[str, str, str]]:
    """What one worker did, but scans for patches: a new machine's first one is due at once."""
    rows = shared.ok(*ONCE).json
    return [(row["tenant"], row["what"], row["outcome"]) for row in rows if row["what"] != "scan"]


def ended(shared: Shared, tenant: str, kind: str) -> list[str]:
    """How the tenant's operations of a kind stand."""
    found = shared.ok("operations", "list", "--tenant", tenant, "-o", "json").json
    return [o["status"] for o in found if o["kind"] == kind]


def yesterday() -> datetime:
    """Long enough ago for a trial's schedule."""
    return datetime.now(UTC) - timedelta(days=1, hours=1)


@pytest.fixture(scope="module")
def alpha(shared: Shared) -> dict[str, int]:
    """A tenant with a recovery point that is a day old, and what the cloud had of it."""
    before = make(shared, "alpha", "one")
    shared.ok("backup", "create", "alpha")
    known = ledger(shared)
    [point] = known.points(tenant="alpha")
    known.save_point(replace(point, taken_at=yesterday()))
    return before


@only_exhaustive
def test_what_is_due_is_done_once(shared: Shared, alpha: dict[str, int]) -> None:
    told = both(shared)
    assert set(told) <= {("alpha", what, outcome) for what in ("backup", "drill") for outcome in ("done", "held")}
    assert ended(shared, "alpha", "backup") == ["succeeded"] * 2, "the old one and the one that was due"
    assert ended(shared, "alpha", "drill") == ["succeeded"]
    settled(shared, "alpha", alpha)
    assert len(points(shared, "alpha")) == 2
    [proof] = ledger(shared).evidence(tenant="alpha", kind="drill")
    assert proof.body["verdict"] == "passed"
    assert both(shared) == Counter(), "nothing more is due"


@only_exhaustive
def test_what_a_dead_worker_left_is_ended_by_the_other_one(shared: Shared) -> None:
    before = make(shared, "beta", "one")
    killed = shared.run(*ONCE, PROVISION_FAILPOINT="snapshot:after")
    assert killed.code == -signal.SIGKILL, killed.stderr
    known = ledger(shared)
    [begun] = known.points(tenant="beta")
    known.save_point(replace(begun, status=PointStatus.CREATING))  # as one whose snapshot takes long
    kill_inside(shared, ONCE, "aws:rds/instance:Instance database started", 0.2, PROVISION_FAILPOINT="restore:after")
    assert len(points(shared, "beta")) == 1, "the second worker ended the backup"
    assert of_drills(shared) != [], "and left a quarantine"
    assert told(shared) == [("beta", "drill", "done")]
    settled(shared, "beta", before)
    assert (ended(shared, "beta", "backup"), ended(shared, "beta", "drill")) == (["succeeded"], ["succeeded"])
    assert notes(shared, "beta") == {"one"}


@only_exhaustive
def test_what_was_handed_over_and_never_begun(shared: Shared) -> None:
    made = shared.ok("new-tenant", "gamma", "--tier", "trial", "--detach", "-o", "json").json
    os.kill(process_of(made["operation"]), signal.SIGKILL)
    known = ledger(shared)
    [operation] = known.operations(tenant="gamma")
    assert operation.status is OperationStatus.QUEUED, "it had not begun"
    with known._database.write() as connection:
        a_minute_ago = datetime.now(UTC) - timedelta(minutes=1)
        connection.execute(sa.update(operations).where(operations.c.id == operation.id).values(started_at=a_minute_ago))
    assert set(both(shared)) <= {("gamma", "new-tenant", outcome) for outcome in ("done", "held")}
    assert ended(shared, "gamma", "new-tenant") == ["succeeded"]
    assert shared.show("gamma")["health"]["status"] == "healthy"
    assert shared.census("gamma")["machines"] == 1


def process_of(operation_id: str) -> int:
    """The process that a detached command started."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if operation_id.encode() in words:
            return int(path.parent.name)
    raise AssertionError(f"no process of {operation_id}")


@only_exhaustive
def test_sigterm_ends_an_idle_worker_and_one_in_the_middle(shared: Shared) -> None:
    """Of the tenant before: its first backup is due, then its first drill."""
    worker = inside(shared, ("worker",), "worker: backup of gamma: done", 0.5)
    assert ended_by_sigterm(worker) < 5
    worker = inside(shared, ("worker",), "aws:rds/instance:Instance database started", 0.1)
    assert ended_by_sigterm(worker) < 30
    assert ended(shared, "gamma", "drill") == ["interrupted"]
    assert told(shared) == [("gamma", "drill", "done")]
    assert of_drills(shared) == []
    assert ended(shared, "gamma", "drill") == ["succeeded"]


def ended_by_sigterm(worker: subprocess.Popen[str]) -> float:
    """Seconds until it ended, in order."""
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    _, stderr = worker.communicate(timeout=90)
    assert worker.returncode == 0, stderr
    assert "Traceback" not in stderr
    return time.monotonic() - began


@only_exhaustive
def test_a_goodbye_on_its_day_then_the_end_of_its_last_point(shared: Shared, tmp_path: Path) -> None:
    shared.ok("offboard", "gamma", "--yes", "--export", str(tmp_path / "export"))
    assert shared.show("gamma")["state"] == "suspended"
    assert told(shared) == [], "its grace period has only begun"
    known = ledger(shared)
    fact = known.fact("gamma", "offboarding")
    assert fact is not None
    known.observe("gamma", "offboarding", {**fact.value, "due": yesterday().date().isoformat()})
    killed = shared.run(*ONCE, PROVISION_FAILPOINT="destroy:after")
    assert killed.code == -signal.SIGKILL, killed.stderr
    assert set(both(shared)) <= {("gamma", "retire", outcome) for outcome in ("done", "held")}
    assert shared.show("gamma")["state"] == "retired"
    assert len(known.evidence(tenant="gamma", kind="retirement")) == 1
    [final] = points(shared, "gamma")
    assert snapshots(shared, "gamma") == [final]
    assert shared.census("gamma")["keys"] == 1

    [point] = known.points(tenant="gamma")
    known.save_point(replace(point, expires=yesterday().date()))
    shared.ok("sandbox", "fault", "add", "error", "--service", "kms", "--operation", "ScheduleKeyDeletion")
    failed = shared.run(*ONCE)
    assert failed.code == 1, "the point is gone and its key isn't"
    assert snapshots(shared, "gamma") == []
    shared.ok("sandbox", "fault", "clear")
    assert told(shared) == [("gamma", "prune", "done")]
    assert shared.client("kms").describe_key(KeyId=point.key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    census = shared.census("gamma")
    assert census == dict.fromkeys(census, 0)
    assert unfinished(shared, "gamma") == []
    assert both(shared) == Counter(), "nothing more is due"
    shared.ok("operations", "journal", "--verify")
