"""Runs in threads here and in spawned processes, which outlive a terminal's ^C and whose death is told."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.engines.pulumi_cli.run import Outcome
from provisioner.engines.pulumi_cli.workers import Workers
from provisioner.model.errors import EngineError
from tests.unit.pulumi_cli import fake

# Who started it says where it ran.
TELL = "print('ran by', os.getppid(), file=sys.stderr); sys.exit(9)"
WAIT = "open(os.environ['NOTE'], 'w').write(str(os.getppid())); time.sleep(float(os.environ['LONG']))\n" + TELL


def ran_by(future: "Future[Outcome]") -> int:
    outcome = future.result(timeout=60)
    assert outcome.code == 9
    return int(outcome.words.split()[-1])


def noted(path: Path) -> int:
    end = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return int(path.read_text())


def test_the_first_run_here_and_the_others_in_one_worker(tmp_path: Path) -> None:
    workers = Workers(None, here=1, processes=1)
    made = fake.cli(tmp_path, "time.sleep(1)\n" + TELL)
    futures = [workers.submit(fake.job(tmp_path / str(n), made, str(n)), None) for n in range(3)]
    first, second, third = map(ran_by, futures)
    assert first == os.getpid()
    assert second == third != os.getpid()
    assert ran_by(workers.submit(fake.job(tmp_path / "4", made), None)) == os.getpid(), "the place here is free again"


def test_a_program_that_cannot_be_sent_runs_here(tmp_path: Path) -> None:
    workers = Workers(None, here=0, processes=1)
    local = replace(fake.job(tmp_path / "work", fake.cli(tmp_path, TELL)), program=lambda: None)
    assert ran_by(workers.submit(local, None)) == os.getpid()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_what_reaches_a_worker(tmp_path: Path, end: signal.Signals) -> None:
    """A terminal's ^C goes to the whole group: the run goes on, until its own child is told. A death is an error."""
    workers = Workers(None, here=0, processes=1)
    made = fake.cli(tmp_path, WAIT)
    environ = {"NOTE": str(tmp_path / "note"), "LONG": "1" if end == signal.SIGINT else "5"}
    future = workers.submit(replace(fake.job(tmp_path / "work", made), environ=environ), None)
    worker = noted(tmp_path / "note")
    assert worker != os.getpid()
    os.kill(worker, end)
    if end == signal.SIGINT:
        assert ran_by(future) == worker
        return
    with pytest.raises(EngineError, match="worker process died"):
        future.result(timeout=60)
    after = replace(fake.job(tmp_path / "again", made), environ={**environ, "NOTE": str(tmp_path / "b"), "LONG": "0"})
    assert ran_by(workers.submit(after, None)) not in (worker, os.getpid()), "another worker takes its place"


def test_the_process_is_warmed_once_before_its_first_run(tmp_path: Path) -> None:
    begun: list[str] = []
    warm: Callable[[], None] = lambda: begun.append("warm")  # noqa: E731
    workers = Workers(warm, here=2, processes=1)
    made = fake.cli(tmp_path, TELL)
    for n in range(2):
        ran_by(workers.submit(fake.job(tmp_path / str(n), made), None))
    assert begun == ["warm"]
