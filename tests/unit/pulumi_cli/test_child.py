"""A child is known by place, pid and start time, and ended with all that it started; its note tells when it is over."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from provisioner.engines.pulumi_cli import child
from provisioner.engines.pulumi_cli.child import Child
from provisioner.model import processes

STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
POLITE = "import time; print('up', flush=True); time.sleep(60)"
# As a Go program does, it hands on what it was handed.
PARENT = f"""
import subprocess, sys, time
grandchild = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}], process_group=0, close_fds=False)
print(grandchild.pid, flush=True)
time.sleep(60)
"""


class Started:
    """One child of the kind that the CLI is, and its note."""

    def __init__(self, path: Path, program: str) -> None:
        self.path = path
        held = child.begin(path)
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=(held,),
        )
        self.child = child.record(held, self.process.pid)
        os.close(held)
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()


def works(pid: str) -> bool:
    """A zombie doesn't."""
    found = processes.stat(int(pid))
    return found is not None and not found.dead


Start = Callable[[str], Started]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    begun: list[Started] = []

    def one(program: str) -> Started:
        begun.append(Started(tmp_path / f"child-{len(begun)}.json", program))
        return begun[-1]

    yield one
    for each in begun:
        each.child.kill()
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate()


def test_a_note_is_private_and_found_again(start: Start) -> None:
    made = start(POLITE)
    assert child.recorded(made.path) == made.child
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.child.alive


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_note_that_was_cut_off_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "child.json").write_text(text)
    assert child.recorded(tmp_path / "child.json") is None
    assert child.recorded(tmp_path / "nothing.json") is None


def test_a_polite_child_ends_by_itself(start: Start) -> None:
    made = start(POLITE)
    assert child.end(made.child, grace=30)
    assert made.process.wait() == -signal.SIGINT


def test_a_stubborn_child_is_killed_after_the_grace(start: Start) -> None:
    made = start(STUBBORN)
    assert child.end(made.child, grace=0.1)
    assert made.process.wait() == -signal.SIGKILL


def test_what_it_started_ends_with_it_even_after_its_own_death(start: Start) -> None:
    made = start(PARENT)
    made.process.kill()
    made.process.wait()
    assert (made.child.alive, made.child.gone) == (False, False)
    assert not child.over(made.path), "what it started holds its note"
    assert child.end_leftover(made.path, 0, lambda: None)
    assert not works(made.said)
    assert (made.child.gone, child.over(made.path)) == (True, True)


def test_a_stranger_with_the_same_pid_is_left_alone(start: Start) -> None:
    made = start(POLITE)
    stranger = replace(made.child, started="1")
    assert child.end(stranger, grace=0)
    assert stranger.gone
    assert made.process.poll() is None


@pytest.mark.parametrize("place", ["another boot/pid:[4026531836]", ""])
def test_a_session_of_another_place_is_left_alone(start: Start, place: str) -> None:
    """After a reboot, or in another container, its number is somebody else's, whose leader may be dead as well."""
    made = start(PARENT)
    made.process.kill()
    made.process.wait()
    elsewhere = replace(made.child, place=place)
    assert elsewhere.gone
    assert child.end(elsewhere, grace=0)
    assert works(made.said)


def test_a_session_whose_number_was_given_again_is_left_alone(start: Start, tmp_path: Path) -> None:
    """The note is free: of what was noted nothing is left, whatever has its numbers now."""
    made = start(PARENT)
    made.process.kill()
    made.process.wait()
    old = tmp_path / "old.json"
    old.write_text(made.path.read_text())
    assert child.end_leftover(old, 0, lambda: None)
    assert works(made.said)


def test_a_note_is_over_with_the_last_who_holds_it(tmp_path: Path, start: Start) -> None:
    assert child.over(tmp_path / "nothing.json")
    made = start(POLITE)
    assert not child.over(made.path)
    made.process.kill()
    made.process.wait()
    assert child.over(made.path)


def test_another_user_s_child_can_not_be_ended_and_is_told(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start(POLITE)

    def refused(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(child, "_KILLING", 0.2)
    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", refused)
        assert not child.end(made.child, grace=0)
        assert not child.end_leftover(made.path, 0, lambda: None)
    assert made.child.alive


def test_a_child_of_another_place_that_still_works_is_waited_for_and_not_touched(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(POLITE)
    made.path.write_text(made.path.read_text().replace(processes.place(), "elsewhere"))
    monkeypatch.setattr(child, "_KILLING", 0.2)
    assert not child.end_leftover(made.path, 60, lambda: None)
    assert made.process.poll() is None


def test_waiting_for_a_leftover_ends_with_what_is_asked_meanwhile(start: Start) -> None:
    made = start(STUBBORN)

    def stop() -> NoReturn:
        raise InterruptedError

    began = time.monotonic()
    with pytest.raises(InterruptedError):
        child.end_leftover(made.path, 60, stop)
    assert time.monotonic() - began < 5
    assert made.child.alive, "it was asked to end, and the next one looks"


def test_a_second_interrupt_kills_at_once(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start(STUBBORN)

    def interrupted(seconds: float) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        child.end(made.child, grace=60)
    assert made.process.wait(timeout=5) == -signal.SIGKILL


def test_two_do_not_share_a_note(tmp_path: Path) -> None:
    held = child.begin(tmp_path / "child.json")
    with pytest.raises(FileExistsError):
        child.begin(tmp_path / "child.json")
    os.close(held)


def test_in_words() -> None:
    assert str(Child(7, "1", "", "build-7")) == "process 7 on build-7"
