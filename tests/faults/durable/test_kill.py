"""Kill -9 at every boundary, ^C, and two processes at once, with real processes and signals."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from provisioner.durable.failpoints import VARIABLE
from provisioner.model.ledger import OperationStatus
from tests.faults.durable import house

pytestmark = pytest.mark.faults
REPOSITORY = Path(__file__).parents[3]
OPERATION = "op-000001"
RESULT = {"made": "made-health", "before": sorted(house.STEPS[:-1])}


def _process(home: Path, *waiting: str, operation: str = OPERATION, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.durable.house", str(home), operation, *waiting],
        cwd=REPOSITORY,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _check_end(home: Path, repeated: str | None) -> None:
    """Every step acted once and in order; the one in flight at the kill may have acted twice, in a row."""
    expected = list(house.STEPS)
    if repeated is not None:
        expected.insert(expected.index(repeated), repeated)
    assert house.effects(home) == expected
    assert {p.read_text() for p in home.glob("made-*")} == {f"{OPERATION} 1.0.0"}
    durable, ledger = house.operations(home)
    operation = ledger.operation(OPERATION)
    assert operation is not None
    assert operation.status is OperationStatus.SUCCEEDED
    assert [(s.name, s.status) for s in operation.steps] == [(name, "done") for name in house.STEPS]
    assert ledger.lease("acme") is None
    ledger.verify_journal()
    durable.close()
    ledger.close()


@pytest.mark.parametrize("step", house.STEPS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_a_boundary_the_same_command_converges(tmp_path: Path, step: str, moment: str) -> None:
    process = _process(tmp_path, **{VARIABLE: f"{step}:{moment}"})
    assert process.communicate() == ("", "")
    assert process.returncode == -signal.SIGKILL
    acted = house.STEPS[: house.STEPS.index(step) + (moment == "after")]
    assert house.effects(tmp_path) == list(acted)
    assert house.run(tmp_path, OPERATION) == RESULT
    _check_end(tmp_path, repeated=step if moment == "after" else None)


def test_killed_at_each_step_in_turn_in_processes_of_their_own(tmp_path: Path) -> None:
    """One life a step: the work done before is never done again."""
    for step in house.STEPS:
        process = _process(tmp_path, **{VARIABLE: f"{step}:before"})
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    process = _process(tmp_path)
    assert process.communicate() == (f"{RESULT}\n", "")
    assert process.returncode == 0
    _check_end(tmp_path, repeated=None)


def test_killed_at_random_times_it_converges(tmp_path: Path) -> None:
    """Whatever the kill hits: opening the ledger, launching DBOS, a step, the end."""
    chance = random.Random(7)
    for _ in range(4):
        process = _process(tmp_path)
        time.sleep(chance.uniform(0.2, 1.2))
        process.kill()
        process.communicate()
    assert house.run(tmp_path, OPERATION) == RESULT
    seen = house.effects(tmp_path)
    assert list(dict.fromkeys(seen)) == list(house.STEPS)
    assert seen == sorted(seen, key=house.STEPS.index), "repeated in a row, never out of order"


def test_a_killed_holder_is_taken_over_by_another_operation(tmp_path: Path) -> None:
    _process(tmp_path, **{VARIABLE: "stack:before"}).communicate()
    assert house.run(tmp_path, "op-000002") == RESULT
    durable, ledger = house.operations(tmp_path)
    stranded = ledger.operation(OPERATION)
    assert stranded is not None
    assert (stranded.status, stranded.error) == (OperationStatus.INTERRUPTED, "its process ended")
    assert durable.resume(OPERATION, lambda _: None) == RESULT
    durable.close()
    ledger.close()


def test_two_processes_with_one_operation(tmp_path: Path) -> None:
    first = _process(tmp_path, "stack")
    assert first.stdout is not None
    assert first.stdout.readline() == "waiting in stack\n"
    for operation in (OPERATION, "op-000002"):
        second = _process(tmp_path, operation=operation)
        out, err = second.communicate()
        assert (second.returncode, out) == (4, "")
        assert f"(pid {first.pid}): a demonstration, operation {OPERATION}, since " in err
        assert err.endswith(f"\nprovision operations show {OPERATION}\n")
    first.kill()
    first.communicate()
    assert house.run(tmp_path, OPERATION) == RESULT
    _check_end(tmp_path, repeated="stack")


def test_control_c_ends_after_the_step_in_flight(tmp_path: Path) -> None:
    process = _process(tmp_path, "stack")
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting in stack\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate() == ("", "")
    assert process.returncode == 130
    durable, ledger = house.operations(tmp_path)
    operation = ledger.operation(OPERATION)
    assert operation is not None
    assert operation.status is OperationStatus.INTERRUPTED
    assert [(s.name, s.status) for s in operation.steps] == [("register", "done"), ("stack", "done")]
    assert ledger.lease("acme") is None
    durable.close()
    ledger.close()
    assert house.run(tmp_path, OPERATION) == RESULT
    _check_end(tmp_path, repeated=None)


_ORDINARY = """
import os, sys
from pathlib import Path
from tests.faults.durable import house
house.run(Path(sys.argv[1]), "op-000001")
os.setgroups([]), os.setgid(65534), os.setuid(65534)
print(house.run(Path(sys.argv[2]), "op-000001"))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="changes the uid")
@pytest.mark.skipif(
    not all(p.stat().st_mode & 0o001 for p in REPOSITORY.parents), reason="another user can't reach this checkout"
)
def test_it_works_for_an_ordinary_user_too(tmp_path: Path) -> None:
    """The first run, as root, imports everything: the interpreter may lie where the other user can't read."""
    with tempfile.TemporaryDirectory(prefix="ledger-user-", dir="/tmp") as folder:
        os.chown(folder, 65534, 65534)
        command = [sys.executable, "-c", _ORDINARY, str(tmp_path), folder]
        answer = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert (answer.stdout, answer.stderr) == (f"{RESULT}\n", "")
        assert {p.stat().st_uid for p in Path(folder).rglob("*")} == {65534}
