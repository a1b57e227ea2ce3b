"""What is read from the host of folders and processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioner.sandbox.meters import gauges
from provisioner.sandbox.meters.gauges import Running, below, clients, folder_bytes, processes

BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint(flush=True)\ninput()"


def test_a_folder_takes_what_du_says(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "large").write_bytes(b"x" * 3_000_000)
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "out").symlink_to("/")
    os.truncate(_made(tmp_path / "sparse"), 1 << 30)
    said = subprocess.run(["du", "-sB1", tmp_path], capture_output=True, text=True, check=True).stdout.split()[0]
    own = tmp_path.stat().st_blocks * 512  # du counts the folder itself
    assert folder_bytes(tmp_path) == int(said) - own
    assert folder_bytes(tmp_path / "nowhere") == 0


def _made(path: Path) -> Path:
    path.touch()
    return path


def test_a_process_with_all_that_descends_from_it() -> None:
    everything = [Running(pid, parent, uid, 0.0) for pid, parent, uid in [(1, 0, 0), (2, 1, 5), (3, 2, 5), (4, 1, 7)]]
    assert {p.pid for p in below(everything, 2)} == {2, 3}
    assert {p.pid for p in below(everything, 3, uid=7)} == {3, 4}
    assert below(everything, 9) == []


def test_seconds_of_cpu_are_those_that_were_used() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.02)
        found = below(processes(), child.pid)
        child.kill()
    assert found[0].parent == os.getpid()
    assert 0.25 <= sum(p.seconds for p in found) <= 1.0


def test_only_clients_of_that_server_are_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    titles = {
        10: "postgres: product product 127.20.0.3(40112) idle",
        11: "postgres: acme: provision product 127.20.0.3(40113) SELECT",
        12: "postgres: rdsadmin postgres [local] idle",
        13: "postgres: checkpointer ",
        14: "postgres: autovacuum worker product",
        15: "postgres: walwriter ",
        16: "postgres: product product 127.20.0.4(40112) idle",
    }
    monkeypatch.setattr(gauges, "_title", lambda pid: titles[pid].encode() + b" ")
    everything = [Running(pid, 20 if pid == 16 else 9, 0, 0.0) for pid in titles]
    assert clients(9, everything) == 3
