"""A child is known by pid and start time, and ended with all that it started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.engines.pulumi_cli import child

STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
POLITE = "import time; print('up', flush=True); time.sleep(60)"
PARENT = f"""
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], process_group=0)
print(grandchild.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def start() -> Iterator[Callable[[str], tuple["subprocess.Popen[str]", str]]]:
    begun: list[subprocess.Popen[str]] = []

    def one(program: str) -> tuple["subprocess.Popen[str]", str]:
        words = [sys.executable, "-c", program]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)
        begun.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield one
    for process in begun:
        if process.poll() is None:
            process.kill()
        process.communicate()


Start = Callable[[str], tuple["subprocess.Popen[str]", str]]


def test_a_record_is_private_and_found_again(tmp_path: Path, start: Start) -> None:
    process, _ = start(POLITE)
    made = child.record(tmp_path / "child.json", process.pid)
    assert child.recorded(tmp_path / "child.json") == made
    assert (tmp_path / "child.json").stat().st_mode & 0o777 == 0o600
    assert made.alive


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_record_that_was_cut_off_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "child.json").write_text(text)
    assert child.recorded(tmp_path / "child.json") is None
    assert child.recorded(tmp_path / "nothing.json") is None


def test_a_polite_child_ends_by_itself(tmp_path: Path, start: Start) -> None:
    process, _ = start(POLITE)
    child.end(child.record(tmp_path / "c", process.pid), grace=30)
    assert process.wait() == -signal.SIGINT


def test_a_stubborn_child_is_killed_after_the_grace(tmp_path: Path, start: Start) -> None:
    process, _ = start(STUBBORN)
    child.end(child.record(tmp_path / "c", process.pid), grace=0.1)
    assert process.wait() == -signal.SIGKILL


def test_what_it_started_ends_with_it_even_after_its_own_death(tmp_path: Path, start: Start) -> None:
    process, grandchild = start(PARENT)
    noted = child.record(tmp_path / "c", process.pid)
    process.kill()
    process.wait()
    assert not noted.alive
    assert not noted.gone
    child.end(noted, grace=0)
    while Path(f"/proc/{grandchild}").exists() and "Z" not in Path(f"/proc/{grandchild}/stat").read_text().split()[2]:
        time.sleep(0.01)
    assert noted.gone


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path: Path, start: Start) -> None:
    process, _ = start(POLITE)
    stranger = replace(child.record(tmp_path / "c", process.pid), started="1")
    child.end(stranger, grace=0)
    assert stranger.gone
    assert process.poll() is None


def test_when_a_process_began() -> None:
    began = child.process_began(os.getpid())
    assert began is not None
    assert began <= time.time() + 1
    assert child.process_began(2**22 + 1) is None
