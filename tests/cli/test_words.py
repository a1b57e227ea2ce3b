"""Wrong words, wrong files, pipes and broken terminals: what a user meets on a bad day. No sandbox is started."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.forks import Forked
from tests.installation import COMMAND, Installation

# Each would start the sandbox only after the words and the registry were found right.
WRONG: list[tuple[list[str], str]] = [
    (["new-tenant", "Acme"], "did you mean 'acme'?"),
    (["new-tenant", "x"], "2 to 31"),
    (["new-tenant", "a" * 40], "at most 31 characters"),
    (["new-tenant", "acme", "--tier", "standart"], "standard"),
    (["new-tenant", "acme", "--region", "eu-west-9"], "eu-west-1"),
    (["new-tenant", "acme", "--release", "9.9.9"], "release"),
    (["new-tenant", "acme", "--ring", "7"], "--ring"),
    (["new-tenant", "acme", "--label", "novalue"], "key=value"),
    (["new-tenant", "acme", "--label", "a=1", "--label", "a=2"], "twice"),
    (["new-tenant", "acme", "--organization", "nobody"], "organization"),
    (["new-tenant", "acme", "--target", "sandbocks"], "sandbox"),
    (["apply"], "--all"),
    (["apply", "nobody"], "nobody"),
    (["plan", "--ring", "9"], "ring"),
    (["show", "nobody"], "nobody"),
    (["offboard", "nobody", "--now"], "nobody"),
    (["restore", "acme"], "--to POINT"),
    (["restore", "nobody", "--to", "2026-11-25T14:02"], "nobody"),
    (["restore", "nobody", "--abandon"], "nobody"),
    (["suspend", "nobody"], "nobody"),
    (["resume", "nobody"], "nobody"),
    (["export", "nobody"], "nobody"),
    (["certificate", "nobody"], "no retirement certificate"),
    (["backup", "create"], "--all"),
    (["backup", "prune", "nobody"], "nobody"),
    (["drill"], "--all"),
    (["drill", "nobody"], "nobody"),
    (["drill", "--point", "x"], "--all"),
    (["drill", "--point", "report"], "--all"),
    (["drill", "--output", "json", "report", "nobody", "--html"], "Option '--html' requires an argument"),
    (["worker", "--interval", "0"], "--interval"),
    (["operations", "show", "0123456789"], "operations list"),
    (["operations", "resume", "0123456789"], "operations list"),
    (["frobnicate"], "frobnicate"),
    (["list", "--output", "xml"], "table"),
]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Forked(tmp_path_factory.mktemp("quiet"))


@pytest.mark.parametrize(("words", "said"), WRONG, ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_wrong_words_are_exit_2_with_a_way_out_and_change_nothing(
    quiet: Installation, words: list[str], said: str
) -> None:
    before = quiet.registry.read_bytes()
    answer = quiet.run(*words)
    assert answer.code == 2, answer.stdout + answer.stderr
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""
    assert quiet.registry.read_bytes() == before
    assert not (quiet.home / "sandbox" / "daemon.json").exists(), "no cloud was asked"


def test_a_broken_registry_says_all_at_once_with_positions(quiet: Installation, tmp_path: Path) -> None:
    broken = tmp_path / "tenants.yaml"
    text = quiet.registry.read_text().replace("tenants: {}", "tenants:\n  acme:\n    ring: 7\n    teir: trial\n")
    broken.write_text(text)
    line = text[: text.index("ring: 7")].count("\n") + 1
    answer = quiet.run("list", "--registry", str(broken))
    assert answer.code == 2
    assert f"tenants.yaml:{line}:" in answer.stderr
    assert "tenants/acme/ring" in answer.stderr
    assert f"tenants.yaml:{line + 1}:" in answer.stderr
    assert "tier" in answer.stderr, "the near miss is suggested"


def test_a_missing_registry_says_where_it_was_looked_for(quiet: Installation, tmp_path: Path) -> None:
    answer = quiet.run("list", "--registry", str(tmp_path / "none.yaml"))
    assert answer.code == 2
    assert str(tmp_path / "none.yaml") in answer.stderr


def test_an_aws_target_without_credentials_is_exit_5(quiet: Installation, tmp_path: Path) -> None:
    answer = quiet.run(
        "--target", "production", "plan", "acme", "--registry", str(_with_acme(quiet, tmp_path)),
        AWS_EC2_METADATA_DISABLED="true", HOME=str(tmp_path),
    )  # fmt: skip
    assert answer.code == 5, answer.stdout + answer.stderr
    assert "credentials" in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr


def _with_acme(quiet: Installation, folder: Path) -> Path:
    path = folder / "tenants.yaml"
    path.write_text(quiet.registry.read_text().replace("tenants: {}", "tenants:\n  acme:\n    tier: trial\n"))
    return path


def test_the_fleet_is_listed_without_starting_anything(quiet: Installation, tmp_path: Path) -> None:
    answer = quiet.ok("list", "--registry", str(_with_acme(quiet, tmp_path)), "--output", "json")
    assert [(t["id"], t["state"]) for t in answer.json] == [("acme", "requested")]
    assert not (quiet.home / "sandbox" / "daemon.json").exists()


def test_a_reader_that_goes_away_is_no_error_message(quiet: Installation) -> None:
    process = subprocess.Popen(
        [*COMMAND, "registry", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=quiet.environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(timeout=30)


def test_interrupted_before_anything_began(quiet: Installation) -> None:
    process = quiet.start("list")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode in (0, 130, -signal.SIGINT)
    assert "bug in provision" not in stderr


def test_a_narrow_terminal_folds_and_loses_nothing(quiet: Installation, tmp_path: Path) -> None:
    import pty

    registry = _with_acme(quiet, tmp_path)
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "list"],
        stdout=follower,
        stderr=subprocess.PIPE,
        env=quiet.environment(PROVISION_REGISTRY=str(registry), COLUMNS="40", LINES="20"),
    ) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                chunk = os.read(leader, 4096)
            except OSError:
                break
            if not chunk:
                break
            shown += chunk
        process.wait(timeout=30)
    os.close(leader)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert max(map(len, lines)) <= 40
    assert ["id", "acme"] in [line.split() for line in lines]
    assert ["state", "requested"] in [line.split() for line in lines]


def test_the_version(quiet: Installation) -> None:
    assert quiet.ok("--version").stdout.startswith("provision ")
