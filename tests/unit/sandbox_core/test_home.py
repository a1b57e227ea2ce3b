"""What the daemon keeps in its home: blocks, addresses, its own file, records of bodies."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from provisioner.model.errors import SandboxError
from provisioner.sandbox import blocks, bodies, info
from provisioner.sandbox.addresses import Addresses
from provisioner.sandbox.info import Running, SandboxInfo


def _home(tmp_path: Path, name: str) -> Path:
    home = tmp_path / name
    home.mkdir()
    return home


def test_a_home_keeps_its_block(tmp_path: Path) -> None:
    shared, home = tmp_path / "blocks", _home(tmp_path, "h")
    block = blocks.claim(home, shared)
    assert blocks.FIRST <= block <= blocks.LAST
    assert blocks.claim(home, shared) == block


def test_homes_never_share_a_block(tmp_path: Path) -> None:
    shared = tmp_path / "blocks"
    taken = [blocks.claim(_home(tmp_path, f"h{n}"), shared) for n in range(60)]
    assert len(set(taken)) == 60


def test_a_block_is_free_again_when_its_home_is_gone(tmp_path: Path) -> None:
    shared = tmp_path / "blocks"
    homes = [_home(tmp_path, f"h{n}") for n in range(blocks.LAST - blocks.FIRST + 1)]
    taken = [blocks.claim(home, shared) for home in homes]
    with pytest.raises(SandboxError, match="all 241 loopback blocks are taken"):
        blocks.claim(_home(tmp_path, "late"), shared)
    (homes[7] / "block").unlink()
    homes[7].rmdir()
    assert blocks.claim(tmp_path / "late", shared) == taken[7]


def test_many_that_claim_at_once_find_one_block_each(tmp_path: Path) -> None:
    shared = tmp_path / "blocks"
    shared.mkdir()
    for block in range(blocks.FIRST, blocks.LAST + 1):  # all of them belong to homes that are gone
        (shared / str(block)).write_text(str(tmp_path / "gone"))
    homes = [_home(tmp_path, f"h{n}") for n in range(150)]
    with ThreadPoolExecutor(16) as pool:
        taken = list(pool.map(lambda home: blocks.claim(home, shared), homes))
    assert len(set(taken)) == len(homes)


def test_addresses_stay_and_are_free_again_when_released(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    addresses = Addresses(file, 77)
    one, two = addresses.take("one", 5432), addresses.take("two", 5432)
    assert one != two
    assert one.host.startswith("127.")
    assert Addresses(file, 77).take("one", 9999) == one
    addresses.release("one")
    addresses.release("one")
    assert addresses.take("three", 5432).host == one.host


def test_where_there_is_one_address_each_key_has_a_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.sandbox.addresses._can_bind", lambda _: False)
    addresses = Addresses(tmp_path / "addresses.json", 77)
    one, two = addresses.take("one", 5432), addresses.take("two", 5432)
    assert {one.host, two.host} == {"127.0.0.1"}
    assert one.port != two.port
    assert not addresses.whole_net


def _running(pid: int, started: str) -> Running:
    described = SandboxInfo(pid, "http://127.0.0.1:1", 2, "123456789012", "eu-west-1", "sandbox", "sandbox", "ca", 77)
    return Running(described, started, "token")


def test_the_daemons_file_holds_for_the_process_that_wrote_it(tmp_path: Path) -> None:
    mine = info.started(os.getpid())
    assert mine is not None
    info.write(tmp_path, _running(os.getpid(), mine))
    assert info.read(tmp_path) == _running(os.getpid(), mine)
    assert (tmp_path / "daemon.json").stat().st_mode & 0o777 == 0o600
    info.write(tmp_path, _running(os.getpid(), "1"))
    assert info.read(tmp_path) is None, "the pid is in use again, by another process"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"info": {"pid": 1}}', "\x00"])
def test_a_file_that_says_nothing_is_no_daemon(tmp_path: Path, content: str) -> None:
    (tmp_path / "daemon.json").write_text(content)
    assert info.read(tmp_path) is None
    assert info.read(tmp_path / "nowhere") is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert info.started(child.pid) is None
    child.wait()


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.mkdir()
    with pytest.raises(OSError, match="directory"):
        info.write_atomically(target, b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_what_a_killed_daemon_left_is_ended_by_its_records(tmp_path: Path) -> None:
    left, other = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2))
    folder = _home(tmp_path, "machine")
    try:
        started = info.started(left.pid)
        assert started is not None
        (folder / "process").write_text(json.dumps({"pid": left.pid, "started": int(started)}))
        (folder / "stale").write_text(json.dumps({"pid": other.pid, "started": 1}))
        (folder / "big.log").write_text("x" * 10_000)
        assert bodies.end_all(tmp_path) == 1
        assert left.wait(timeout=5) < 0
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()
