"""kill -9 in the middle of a call, before or after the cloud has acted; then the same command again."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from provisioner.model.errors import EngineError

from .conftest import Harness, ops
from .victim import PROGRAMS, first

ROOT = Path(__file__).parents[3]

CASES = [
    ("emptied", "first", "Create", "a", "creating"),
    ("emptied", "first", "Create", "b", "creating"),
    ("first", "updated", "Update", "a", "updating"),
    ("first", "replaced", "Create", "a", "creating"),
    ("first", "replaced", "Delete", "a", "deleting"),
    ("first", "recreated", "Delete", "a", "deleting"),
    ("first", "recreated", "Create", "a", "creating"),
    ("first", "emptied", "Delete", "b", "deleting"),
]


def kill_during(here: Harness, program: str, method: str, name: str, *, acted: bool) -> None:
    """Run `program` in a process and kill it while a call is with the provider."""
    reached, leave = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        leave.wait(30)
        if not acted:
            raise OSError("the caller is dead; this never happens to the cloud")

    hooks = here.cloud.after if acted else here.cloud.before
    hooks[method, name] = hold
    command = [sys.executable, "-m", "tests.unit.engine.victim", str(here.root), here.cloud.address, program]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True) as victim:
        try:
            assert reached.wait(30)
            with pytest.raises(EngineError, match="another run holds the lock"):
                here.up(PROGRAMS[program])
        finally:
            os.kill(victim.pid, signal.SIGKILL)
            victim.wait()
            hooks.clear()
            leave.set()


@pytest.mark.parametrize("acted", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("before", "program", "method", "name", "operation"), CASES)
def test_the_same_command_again_converges(
    here: Harness, before: str, program: str, method: str, name: str, operation: str, acted: bool
) -> None:
    here.up(PROGRAMS[before])
    kill_during(here, program, method, name, acted=acted)
    assert (operation, name) in here.pending()
    here.up(PROGRAMS[program])
    expected = [] if program == "emptied" else ["a", "b"]
    assert here.cloud.names() == expected
    state = here.resources()
    assert {n: state[n]["id"] for n in expected} == {
        o.urn.rsplit("::", 1)[-1]: o.id for o in here.cloud.objects.values()
    }
    assert here.pending() == []
    assert here.replaced() == []
    assert ops(here.preview(PROGRAMS[program])) == []


def test_an_interrupted_run_ends_after_what_is_under_way(here: Harness) -> None:
    reached, leave = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        leave.wait(30)

    here.cloud.before["Create", "a"] = hold
    command = [sys.executable, "-m", "tests.unit.engine.victim", str(here.root), here.cloud.address, "first"]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE) as victim:
        assert reached.wait(30)
        victim.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            victim.wait(0.3)
        leave.set()
        assert b"KeyboardInterrupt" in victim.communicate(timeout=30)[1]
    assert here.pending() == []
    assert here.resources()["a"]["id"] == "a-1"
    assert "b" not in here.resources()


@pytest.mark.parametrize("acted", [False, True], ids=["before", "after"])
def test_destroy_after_a_killed_create_leaves_nothing(here: Harness, acted: bool) -> None:
    kill_during(here, "first", "Create", "a", acted=acted)
    here.destroy()
    assert here.cloud.names() == []
    assert here.deployment()["resources"] == []


def test_a_preview_leaves_unfinished_operations_alone_and_says_so(here: Harness) -> None:
    kill_during(here, "first", "Create", "a", acted=True)
    before = here.file.read_bytes()
    here.preview(first)
    assert here.file.read_bytes() == before
    assert any("unfinished" in (e.message or "") for e in here.events)
    assert here.cloud.took("Create") == []
