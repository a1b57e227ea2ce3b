"""How the CLI is started: in a session of its own, recorded, without Pulumi's variables of the terminal."""

import json
import os
from pathlib import Path

import pytest

from provisioner.engines.pulumi_cli import child
from provisioner.engines.pulumi_cli.command import RECORD, Command, EndedBadlyError
from tests.unit.pulumi_cli import fake

ABOUT = """
import json
end = time.monotonic() + 30
while not os.path.exists("child.json") and time.monotonic() < end: time.sleep(0.01)
print(json.dumps({
    "args": sys.argv[1:],
    "session": os.getsid(0),
    "pid": os.getpid(),
    "mask": os.umask(0),
    "cwd": os.getcwd(),
    "environ": dict(os.environ),
    "record": os.path.exists("child.json"),
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
    assert seen["record"]
    assert not (tmp_path / "child.json").exists(), "and taken back afterwards"
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
    assert child.process_began(plugin) is None
