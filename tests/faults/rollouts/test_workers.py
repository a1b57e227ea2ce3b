"""Operators and workers as processes of their own on one PostgreSQL: one rollout, one driver, nothing twice."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.ledger.store import SqlLedger
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import RolloutStatus, StepState
from provisioner.ops.rollout.find import lease_of
from tests.faults.recovery.life import settled, tagged
from tests.faults.recovery.shared import Shared, on_postgresql
from tests.faults.recovery.test_upgrade_killed import STEPS
from tests.faults.rollouts.fleet import bodies, channel, ledger, make_fleet, newest, serves, url
from tests.faults.rollouts.proofs import attempts, each_step_once, journal, one_at_a_time, under_its_lease
from tests.faults.rollouts.writer import Writer
from tests.installation import COMMAND, TIMEOUT, only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(900), only_exhaustive]

CALM, CUT = "alpha", ("beta", "gamma")
RINGS = {CALM: 0, **dict.fromkeys(CUT, 1)}
OPERATORS = ("alice", "bob")


@dataclass(frozen=True, slots=True)
class Driven:
    """What came of it: `ends` of the two operators by name (exit code, stderr); the processes of the two workers, the
    killed one first; `killed_at`; who wrote meanwhile, by tenant; what the cloud had of each before."""

    installation: Shared
    ends: dict[str, tuple[int, str]]
    workers: tuple[int, int]
    killed_at: datetime
    writers: dict[str, Writer]
    before: dict[str, dict[str, int]]

    @property
    def ledger(self) -> SqlLedger:
        """The one that they share."""
        return ledger(self.installation)

    @property
    def record(self) -> RolloutRecord:
        """The rollout."""
        return newest(self.installation)


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    """Two operators start the same rollout at once, for workers to carry on; of two workers the one that drives it is
    killed in the middle of the second wave's upgrades."""
    folder = tmp_path_factory.mktemp("shared")
    with on_postgresql(folder) as shared:
        make_fleet(shared, RINGS, "1.1.0")
        idle(shared)
        before = {tenant: tagged(shared, tenant) for tenant in RINGS}
        writers = {tenant: Writer(url(shared, tenant), "while") for tenant in (CALM, "beta")}
        ends = race(shared)
        with worker(shared, folder) as one, worker(shared, folder) as two, writers["beta"]:
            with writers[CALM]:
                until(lambda: any(inside(shared, tenant) for tenant in CUT), "the first wave is over")
            until(lambda: all(inside(shared, tenant) for tenant in CUT), "the second one is in the middle of it")
            lease = ledger(shared).lease(lease_of(newest(shared).id))
            assert lease is not None
            victim, other = (one, two) if lease.holder.pid == one.pid else (two, one)
            assert lease.holder.pid == victim.pid
            victim.kill()
            victim.wait()
            killed_at = datetime.now(UTC)
            until(lambda: newest(shared).status is not RolloutStatus.RUNNING, "the other one ended it")
            other.send_signal(signal.SIGTERM)
            assert other.wait(TIMEOUT) == 0
        yield Driven(shared, ends, (victim.pid, other.pid), killed_at, writers, before)


def idle(shared: Shared) -> None:
    """Workers have nothing else to do: a recovery point of each tenant is there, and a drill of today."""
    shared.ok("backup", "create", "--all", "--max-concurrency", "3")
    for tenant in RINGS:
        ledger(shared).observe(tenant, "drill", {"verdict": "passed"})


def race(shared: Shared) -> dict[str, tuple[int, str]]:
    """Both at the same time. How each ended."""
    words = ("rollout", "start", "1.2.0", "--yes", "--detach")
    begun = {name: shared.start(*words, GITHUB_ACTOR=name) for name in OPERATORS}
    stderr = {name: process.communicate(timeout=TIMEOUT)[1] for name, process in begun.items()}
    return {name: (process.returncode, stderr[name]) for name, process in begun.items()}


@contextmanager
def worker(shared: Shared, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker, which writes into a file: nobody reads its pipe meanwhile."""
    with (folder / f"worker-{time.monotonic_ns()}.log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "worker", "--interval", "1"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=shared.environment(),
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def until(look: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    end = time.monotonic() + 300
    while not look():
        assert time.monotonic() < end, f"it never came that far: {what}"
        time.sleep(0.1)


def inside(shared: Shared, tenant: str) -> bool:
    """Its upgrade has begun to change something, and isn't over."""
    [row] = [row for row in newest(shared).rows if row.tenant == tenant]
    if row.state is not StepState.RUNNING:
        return False
    found = ledger(shared).operation(str(row.operation))
    return found is not None and "beside" in [step.name for step in found.steps]


def test_one_operator_wins_and_the_other_learns_who(driven: Driven) -> None:
    codes = {name: code for name, (code, _) in driven.ends.items()}
    assert sorted(codes.values()) == [0, 4], driven.ends
    [winner], [loser] = ([n for n in OPERATORS if codes[n] == code] for code in (0, 4))
    words = " ".join(driven.ends[loser][1].split())
    assert f"which {winner} (GitHub Actions) started" in words
    assert f"provision rollout status {driven.record.id}" in words
    assert driven.record.by == f"{winner} (GitHub Actions)"
    assert len(driven.ledger.rollouts()) == 1, "the loser leaves nothing behind"


def test_the_other_worker_ends_what_the_dead_one_left(driven: Driven) -> None:
    record = driven.record
    assert (record.status, {row.state for row in record.rows}) == (RolloutStatus.SUCCEEDED, {StepState.SUCCEEDED})
    assert channel(driven.installation) == "1.2.0"
    for tenant in RINGS:
        serves(driven.installation, tenant, "1.2.0")
        settled(driven.installation, tenant, driven.before[tenant])


def test_nothing_ran_twice_at_the_same_time(driven: Driven) -> None:
    entries = journal(driven.ledger)
    dead, alive = driven.workers
    held = one_at_a_time(entries, {dead: driven.killed_at})
    under_its_lease(entries)
    assert held["rollout"] == 2, "by one worker after the other"
    operations = {row.tenant: str(row.operation) for row in driven.record.rows}
    for tenant, operation in operations.items():
        assert len(driven.ledger.operations(tenant=tenant, kinds=("upgrade",))) == 1
        assert each_step_once(entries, operation) == list(STEPS)
        by = [e.detail["pid"] for e in entries if e.kind == "lease-acquired" and e.operation_id == operation]
        assert by == ([dead, alive] if tenant in CUT else [dead])
        again = {step: n for step, n in attempts(driven.ledger, operation).items() if n != 1}
        assert len(again) <= (tenant in CUT), "only the step that was cut off was begun again"
        assert set(again.values()) <= {2}


def test_no_write_was_lost_and_the_switch_was_short(
    driven: Driven, record_property: Callable[[str, object], None]
) -> None:
    for tenant, writer in driven.writers.items():
        words = "its worker was killed in the middle" if tenant in CUT else "undisturbed"
        record_property("measured", f"1.1.0 to 1.2.0, {words}: {writer.told()}")
        writer.check(bodies(driven.installation, tenant))
    assert driven.writers[CALM].gap < 2.0, driven.writers[CALM].told()
