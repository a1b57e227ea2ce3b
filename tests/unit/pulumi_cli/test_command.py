"""How the CLI is started: in a session of its own, recorded, without Pulumi's variables of the terminal."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from provisioner.engines.pulumi_cli import child
from provisioner.engines.pulumi_cli.command import RECORD, Command, EndedBadlyError
from provisioner.engines.pulumi_cli.limit import Limit
from provisioner.model import processes
from provisioner.model.errors import CancelledError, TimedOutError
from tests.unit.pulumi_cli import fake

ABOUT = """
import json
end = time.monotonic() + 30
while not (os.path.exists("child.json") and open("child.json").read()) and time.monotonic() < end: time.sleep(0.01)
print(json.dumps({
    "args": sys.argv[1:],
    "session": os.getsid(0),
    "pid": os.getpid(),
    "mask": os.umask(0),
    "cwd": os.getcwd(),
    "environ": dict(os.environ),
    "record": json.load(open("child.json")),
    "interrupts": signal.getsignal(signal.SIGINT) is not signal.SIG_IGN,
}))
"""
LEAVES_ONE = """
import pathlib
plugin = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)
pathlib.Path("plugin").write_text(str(plugin.pid))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_how_it_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "of the terminal")
    monkeypatch.setenv("PULUMI_STACK", "of the terminal")
    made = fake.cli(tmp_path, ABOUT)
    environ = {"PULUMI_CONFIG_PASSPHRASE": "hush", RECORD: "child.json"}
    seen = json.loads(Command(made).run(["up", "--yes"], str(tmp_path), environ).stdout)
    assert seen["args"] == ["--non-interactive", "up", "--yes"]
    assert "hush" not in str(seen["args"])
    assert seen["session"] == seen["pid"] != os.getsid(0)
    assert seen["mask"] == 0o077
    assert seen["cwd"] == str(tmp_path)
    assert seen["interrupts"]
    assert seen["record"]["pid"] == seen["pid"]
    assert child.over(tmp_path / "child.json")
    pulumis = {k for k in seen["environ"] if k.startswith("PULUMI_")}
    assert pulumis == {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_AUTOMATION_API"}
    assert RECORD not in seen["environ"]
    assert seen["environ"]["PATH"].split(os.pathsep)[0] == str(made.path.parent), "its language plugins lie beside it"


def test_an_exit_code_comes_with_what_was_said(tmp_path: Path) -> None:
    heard: list[str] = []
    made = fake.cli(tmp_path, "print('one'); print('two', file=sys.stderr); sys.exit(3)")
    with pytest.raises(EndedBadlyError) as caught:
        Command(made).run(["up"], str(tmp_path), {}, on_output=heard.append)
    assert (caught.value.code, caught.value.words, heard) == (3, "two", ["one"])


def test_a_killed_cli_takes_its_plugins_with_it(tmp_path: Path) -> None:
    made = fake.cli(tmp_path, LEAVES_ONE)
    with pytest.raises(EndedBadlyError) as caught:
        Command(made).run(["up"], str(tmp_path), {RECORD: "child.json"})
    assert caught.value.code == -9
    plugin = int((tmp_path / "plugin").read_text())
    until(lambda: (found := processes.stat(plugin)) is None or found.dead)


WAITS = "open('begun', 'w').close(); time.sleep(60)"
STUBBORN = f"signal.signal(signal.SIGINT, signal.SIG_IGN); {WAITS}"


@pytest.mark.parametrize("script", [WAITS, STUBBORN], ids=["polite", "stubborn"])
def test_a_command_ends_at_its_limit(tmp_path: Path, script: str) -> None:
    made = fake.cli(tmp_path, script)
    began = time.monotonic()
    with pytest.raises(TimedOutError, match=r"^pulumi stack export ran out of time \(0.5 s\)$"):
        Command(made).run(["x"], str(tmp_path), {RECORD: "child.json"}, limit=Limit("pulumi stack export", 0.5))
    assert 0.5 <= time.monotonic() - began < 20
    left = child.recorded(tmp_path / "child.json")
    assert left is not None
    assert left.gone


def test_a_command_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    flag = Event()
    made = fake.cli(tmp_path, WAITS)
    threading.Timer(0.5, flag.set).start()
    with pytest.raises(CancelledError, match=r"^up was cancelled$"):
        Command(made).run(["x"], str(tmp_path), {}, limit=Limit("up", cancel=flag))


INTERRUPTED = """
import sys
from pathlib import Path
from provisioner.engines.pulumi_cli import child
from provisioner.engines.pulumi_cli.cli import Cli
from provisioner.engines.pulumi_cli.command import RECORD, Command
child.SOON = 60.0
Command(Cli(Path(sys.argv[1]), "3.272.0")).run(["x"], sys.argv[2], {RECORD: "child.json"})
"""


def test_an_interrupt_here_ends_it_and_a_second_one_at_once(tmp_path: Path) -> None:
    """A terminal's ^C doesn't reach its session."""
    made = fake.cli(tmp_path, STUBBORN)
    ours = subprocess.Popen([sys.executable, "-c", INTERRUPTED, made.path, tmp_path], stderr=subprocess.DEVNULL)
    until(lambda: (tmp_path / "begun").exists() and child.recorded(tmp_path / "child.json") is not None)
    left = child.recorded(tmp_path / "child.json")
    assert left is not None
    began = time.monotonic()
    ours.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert left.alive
    ours.send_signal(signal.SIGINT)
    until(lambda: left.gone)
    assert time.monotonic() - began < 20, "before its grace was over"
    assert ours.wait() != 0


def until(condition: Callable[[], bool]) -> None:
    assert child.within(30, condition)
