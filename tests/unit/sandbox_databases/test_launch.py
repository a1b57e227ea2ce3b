"""Processes under uids of their own, found again by their records."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.model.errors import SandboxError
from provisioner.sandbox import blocks, launch
from provisioner.sandbox.launch import Launcher, Process, alive, recorded, stop, write_file

_PYTHON = [Path(sys.prefix), Path(sys.base_prefix)]
rooted = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a uid")


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path, blocks.claim(tmp_path))


def spawn(launcher: Launcher, home: Path, *argv: str) -> Process:
    return launcher.spawn(
        list(argv),
        uid=os.geteuid(),
        env={"PATH": os.environ["PATH"]},
        cwd=home,
        log=home / "log",
        record=home / "record",
    )


def test_a_process_is_found_by_its_record_and_stopped(launcher: Launcher, tmp_path: Path) -> None:
    process = spawn(launcher, tmp_path, "sleep", "100")
    assert recorded(tmp_path / "record") == process
    assert os.getsid(process.pid) == process.pid
    stop(process)
    assert not alive(process)
    assert recorded(tmp_path / "record") is None
    stop(process)  # a second time is fine


def test_another_process_with_its_pid_is_not_it(tmp_path: Path) -> None:
    stranger = Process(os.getpid(), 1)
    assert not alive(stranger)
    stop(stranger)  # or this test would end here


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "100"])
    process = launch.adopt(child.pid, tmp_path / "record")
    assert process is not None
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(process)
    child.wait()


def test_one_that_ignores_the_signal_is_killed(launcher: Launcher, tmp_path: Path) -> None:
    process = spawn(launcher, tmp_path, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    while "ready" not in (tmp_path / "log").read_text():
        assert alive(process)
    stop(process, signal.SIGTERM, grace=0.1, group=True)
    assert not alive(process)


def test_a_damaged_record_names_nobody(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"pid": 1}', '{"pid": 1, "started": 2, "more": 3}'):
        (tmp_path / "record").write_text(text)
        assert recorded(tmp_path / "record") is None


def test_the_log_is_appended_to_and_private(launcher: Launcher, tmp_path: Path) -> None:
    for word in ("one", "two"):
        process = spawn(launcher, tmp_path, "echo", word)
        while alive(process):
            pass
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_run_takes_its_input_and_says_what_failed(launcher: Launcher, tmp_path: Path) -> None:
    assert launcher.run(["cat"], uid=os.geteuid(), text="secret") == "secret"
    with pytest.raises(SandboxError, match="sh failed with code 3: gone"):
        launcher.run(["sh", "-c", "echo gone >&2; exit 3"], uid=os.geteuid())
    with pytest.raises(SandboxError, match=r"did not end within 0\.1 s"):
        launcher.run(["sleep", "5"], uid=os.geteuid(), timeout=0.1)


def test_a_file_is_written_whole_and_private(tmp_path: Path) -> None:
    write_file(tmp_path / "file", "one")
    write_file(tmp_path / "file", "two")
    assert (tmp_path / "file").read_text() == "two"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@rooted
def test_uids_stay_and_differ(launcher: Launcher, tmp_path: Path) -> None:
    first, second = launcher.uid("a"), launcher.uid("b")
    assert len({0, first, second}) == 3
    assert Launcher(tmp_path, blocks.claim(tmp_path)).uid("a") == first
    launcher.release("a")
    launcher.release("a")
    assert launcher.uid("b") == second


@rooted
def test_no_two_sandboxes_give_the_same_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped machine shows no uid by a process; another sandbox's machine under it would be ended with it."""
    monkeypatch.setattr(launch, "_uids_of_processes", set)
    given: set[int] = set()
    for block in (blocks.FIRST, blocks.FIRST + 1, blocks.LAST):
        home = tmp_path / str(block)
        home.mkdir()
        launcher = Launcher(home, block)
        mine = {launcher.uid(f"machine/{n}") for n in range(160)}
        assert len(mine) == 160
        assert not mine & given
        with pytest.raises(SandboxError, match="all 160 uids of this sandbox are taken"):
            launcher.uid("machine/160")
        given |= mine
    assert min(given) >= 20_000
    assert max(given) < 60_000


@rooted
def test_under_a_closed_folder_only_what_is_needed_can_be_reached(launcher: Launcher, tmp_path: Path) -> None:
    closed = tmp_path / "it's closed"
    for name in ("given", "own", "secret"):
        (closed / name).mkdir(parents=True)
        (closed / name / "file").write_text(name)
    closed.chmod(0o700)
    uid = launcher.uid("a")
    os.chown(closed / "own", uid, uid)
    script = (
        "import os, pathlib, sys\n"
        "closed = pathlib.Path(sys.argv[1])\n"
        "(closed / 'own' / 'new').write_text('new')\n"
        "def writable(path):\n"
        "    try: path.write_text(''); return True\n"
        "    except OSError: return False\n"
        "print(os.getuid(), os.getgroups(), sorted(p.name for p in closed.iterdir()),\n"
        "      (closed / 'given' / 'file').read_text(), writable(closed / 'given' / 'file'))\n"
    )
    said = launcher.run(
        [sys.executable, "-c", script, str(closed)],
        uid=uid,
        reach=[*_PYTHON, closed / "given"],
        writable=[closed / "own"],
    )
    assert said.split("\n")[0] == f"{uid} [] ['given', 'own'] given False"
    assert (closed / "own" / "new").read_text() == "new"
    assert (closed / "own" / "new").stat().st_uid == uid


@rooted
def test_it_gains_no_privileges(launcher: Launcher) -> None:
    status = launcher.run(["cat", "/proc/self/status"], uid=launcher.uid("a"))
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["NoNewPrivs"] == "1"
    assert {fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}


@rooted
def test_without_mounts_what_cannot_be_reached_is_said(
    launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(launcher.__dict__, "namespaces", False)
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(SandboxError, match="can't pass") as caught:
        launcher.command(["true"], uid=launcher.uid("a"), reach=[tmp_path / "closed" / "file"])
    assert "PROVISION_HOME" in str(caught.value.hint)
    assert launcher.isolation == "a uid of its own"
