"""A process is told from others by place, pid and start time; what can't be read proves nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.model import processes

NOBODY = 2**22 + 1


def test_this_process() -> None:
    found = processes.stat(os.getpid())
    assert found is not None
    assert (found.dead, found.session) == (False, os.getsid(0))
    assert processes.exists(os.getpid())
    assert processes.acts(os.getpid())
    assert not processes.over(os.getpid(), found.started)
    assert processes.over(os.getpid(), "1"), "the pid is another process's now"


@pytest.mark.parametrize("pid", [NOBODY, 2**70])
def test_nobody(pid: int) -> None:
    assert processes.stat(pid) is None
    assert not processes.exists(pid)
    assert not processes.acts(pid)
    assert processes.over(pid, "1")


def test_a_zombie_is_over() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    found = processes.stat(process.pid)
    assert found is not None
    assert found.dead
    assert processes.over(process.pid, found.started)
    assert processes.exists(process.pid)
    assert not processes.acts(process.pid)
    process.wait()


def test_another_user_s_process_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    assert processes.exists(NOBODY)
    assert processes.acts(NOBODY)
    assert not processes.over(NOBODY, "1"), "it can't be read, as with hidepid: nothing is proven"


def test_the_place_is_one_namespace_of_one_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    boot, _, namespace = processes.place().partition("/")
    assert len(boot) == 36
    assert namespace.startswith("pid:[")

    def unreadable(path: Path) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", unreadable)
    assert processes.place() == ""
