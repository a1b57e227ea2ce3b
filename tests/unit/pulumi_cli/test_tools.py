"""Finding and installing the CLI and its plugin; the installer is a program here, its server a local one."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from provisioner.engines.pulumi_cli import tools
from provisioner.engines.pulumi_cli.cli import candidates, find
from provisioner.engines.pulumi_cli.tools import PulumiTools
from provisioner.model.errors import ProvisionError, UnsupportedError
from provisioner.ops.setup import prepare
from tests.unit.pulumi_cli import fake

WANTED = version("pulumi")
PLUGIN = version("pulumi-aws")
# What the SDK's installer leaves, as a CLI that knows `plugin install` too.
INSTALLS = f"""
import os, stat, sys
path = os.path.join(sys.argv[1], "bin", "pulumi")
os.makedirs(os.path.dirname(path))
assert sys.argv[2] == {WANTED!r}
with open(path, "w") as out:
    out.write('''#!/bin/sh
if [ "$1" = version ]; then echo v{WANTED}; exit; fi
echo "$@" > "$PULUMI_HOME/asked"
folder="$PULUMI_HOME/plugins/resource-aws-v{PLUGIN}"
mkdir -p "$folder" && touch "$folder/pulumi-resource-aws"
''')
os.chmod(path, 0o755)
"""


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a CLI."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    (tmp_path / "pulumi").mkdir()


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Enough of it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(tools, "INSTALLER", f"http://127.0.0.1:{server.server_port}/install.sh")
    yield
    server.shutdown()
    server.server_close()


def test_without_internet_one_error_names_what_is_missing_and_where_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "INSTALLER", "http://127.0.0.1:9/install.sh")
    with pytest.raises(ProvisionError) as caught:
        PulumiTools(tmp_path).install_cli()
    assert caught.value.message.startswith(f"the Pulumi CLI {WANTED} and its plugin aws {PLUGIN}: not installed, and ")
    assert "can't be reached: [Errno" in caught.value.message
    hint = str(caught.value.hint)
    assert f"{tmp_path}/cli/bin/pulumi is there; or put it on PATH" in hint
    assert f"into {tmp_path}/pulumi/plugins/resource-aws-v{PLUGIN}" in hint
    assert not (tmp_path / "cli").exists()


@pytest.mark.usefixtures("internet")
def test_both_are_installed_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "_SCRIPT", INSTALLS)
    made = PulumiTools(tmp_path)
    with pytest.raises(UnsupportedError, match="there is no Pulumi CLI"):
        made.cli()
    assert made.plugin() is None
    assert made.install_cli().path == str(tmp_path / "cli" / "bin" / "pulumi")
    assert made.cli().version == WANTED
    plugin = made.install_plugin()
    assert (tmp_path / "pulumi" / "asked").read_text().split() == ["plugin", "install", "resource", "aws", PLUGIN]
    assert plugin == made.plugin()


@pytest.mark.usefixtures("internet")
def test_a_failed_installation_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cli" / "bin").mkdir(parents=True)
    (tmp_path / "cli" / "bin" / "pulumi").write_text("an old one")
    (tmp_path / "cli.new-of-a-killed-one").mkdir()
    monkeypatch.setattr(tools, "_SCRIPT", "import sys; print('tar: no space left', file=sys.stderr); sys.exit(2)")
    with pytest.raises(ProvisionError, match=f"the Pulumi CLI {WANTED} could not be installed: tar: no space left"):
        PulumiTools(tmp_path).install_cli()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cli", "pulumi"]
    assert (tmp_path / "cli" / "bin" / "pulumi").read_text() == "an old one"


def test_a_plugin_that_is_half_there_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "pulumi" / "plugins" / f"resource-aws-v{PLUGIN}"
    folder.mkdir(parents=True)
    (folder / "pulumi-resource-aws").touch()
    mark = folder.with_name(f"{folder.name}.partial")
    mark.touch()
    assert PulumiTools(tmp_path).plugin() is None
    mark.unlink()
    assert PulumiTools(tmp_path).plugin() is not None


def test_the_home_of_pulumi_comes_before_the_path_and_the_path_before_ours(tmp_path: Path) -> None:
    for place in ("pulumi", "path", "cli"):
        fake.cli(tmp_path / place, "")
    environ = {"PULUMI_HOME": str(tmp_path / "pulumi"), "PATH": str(tmp_path / "path" / "bin")}
    assert list(candidates(tmp_path, environ)) == [
        tmp_path / place / "bin" / "pulumi" for place in ("pulumi", "path", "cli")
    ]
    assert find(tmp_path, environ).path == tmp_path / "pulumi" / "bin" / "pulumi"
    assert find(tmp_path, {}).path == tmp_path / "cli" / "bin" / "pulumi"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo v3.100.0", "is version 3.100.0; provision needs 3.230.0"),
        ("echo dev", "says an unknown version: 'dev'"),
        ("exit 1", "is no usable Pulumi CLI"),
    ],
)
def test_a_cli_that_can_not_be_used_is_named(tmp_path: Path, script: str, said: str) -> None:
    path = tmp_path / "cli" / "bin" / "pulumi"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    with pytest.raises(UnsupportedError, match=said) as caught:
        find(tmp_path, {})
    assert str(path) in caught.value.message
    assert caught.value.hint == "provision setup"


def old(folder: Path) -> Path:
    """A CLI that is too old."""
    path = folder / "bin" / "pulumi"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\necho v3.100.0\n")
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("internet")
def test_an_old_cli_on_the_path_does_not_hide_the_one_that_setup_installs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "_SCRIPT", INSTALLS)
    monkeypatch.setenv("PATH", f"{old(tmp_path / 'path').parent}:/usr/bin:/bin")
    done = prepare(PulumiTools(tmp_path))
    assert [(p.tool.name, p.tool.version, p.found) for p in done] == [
        ("pulumi", WANTED, False),
        ("plugin aws", PLUGIN, False),
    ]
    assert [p.found for p in prepare(PulumiTools(tmp_path))] == [True, True]


def test_where_none_can_be_used_the_first_one_s_reason_is_told(tmp_path: Path) -> None:
    first, _ = old(tmp_path / "path"), old(tmp_path / "cli")
    with pytest.raises(UnsupportedError, match=f"{first} is version 3.100.0"):
        find(tmp_path, {"PATH": str(first.parent)})
