"""Where a file can't be written, a command says so in words: it is no bug."""

import errno
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from provisioner.cli.boundary import boundary
from provisioner.cli.main import app
from tests.installation import ROOT


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = (ROOT / "tenants.yaml").read_text().replace("examples/", f"{ROOT}/examples/")
    (tmp_path / "tenants.yaml").write_text(text.replace("tenants: {}", "tenants:\n  acme: {}\n"))
    for variable in ("PROVISION_TARGET", "PROVISION_LEDGER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PROVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PROVISION_REGISTRY", str(tmp_path / "tenants.yaml"))
    return tmp_path


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("registry", "schema", "--write", "/nonexist/x.json"), "No such file or directory"),
        (("drill", "report", "--html", "/nonexist/x.html"), "No such file or directory"),
        (("drill", "report", "--html", "/dev/null/x.html"), "Not a directory"),
        (("export-bundle", "--release", "1.0.0", "--to", "/proc/x.tgz"), "No such file or directory"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_place_that_takes_no_file(words: tuple[str, ...], reason: str) -> None:
    done = run(*words)
    assert done.exit_code == 2, done.output
    assert f"{words[-1]} can't be written: {reason}" in done.stderr
    assert "next:  name another place" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(("number", "bug"), [(errno.ENOSPC, False), (errno.EACCES, False), (errno.ENOENT, True)])
def test_what_the_machine_refuses_is_no_bug(
    home: Path, capsys: pytest.CaptureFixture[str], number: int, bug: bool
) -> None:
    with pytest.raises(typer.Exit) as left, boundary(lambda: home):
        raise OSError(number, os.strerror(number), "/some/file")
    said = capsys.readouterr().err
    assert left.value.exit_code == 1
    assert os.strerror(number) in said
    assert "/some/file" in said
    assert ("bug in provision" in said) is bug
