"""The CLI's exit codes and words become errors of the house."""

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from provisioner.engines.pulumi_cli import failures
from provisioner.model.errors import ExitCode

HERE = socket.gethostname()


def lock(host: str, pid: int, at: datetime) -> str:
    """As pkg/backend/diy/lock.go says it."""
    return (
        "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the "
        f"lock file with `pulumi cancel`.\n  file:///s/.pulumi/locks/a.json: created by ann@{host} (pid {pid}) at "
        f"{at.isoformat(timespec='seconds')}"
    )


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("code", "words", "lines", "exit_code", "said", "hint"),
    [
        (3, "error: 401", (), ExitCode.AUTHENTICATION, "401", "aws sso login"),
        (255, "error: operation error S3: get identity: get credentials: no EC2 IMDS role found", (), 5, "IMDS", "aws"),
        (255, "", ("", "aws x: create failed: ExpiredToken: it has expired"), 5, "ExpiredToken", "aws sso login"),
        (
            255,
            "error: no resource plugin 'pulumi-resource-aws' found in the workspace",
            (),
            1,
            "aws is missing",
            "setup",
        ),
        (255, "", ("Could not find plugin aws",), 1, "aws is missing", "provision setup"),
        (255, "error: incorrect passphrase", (), 1, "another passphrase", "passphrase"),
        (8, "", (), ExitCode.CANCELLED, "was cancelled", "same command again"),
        (-9, "", (), ExitCode.FAILED, "killed by signal 9", "same command again"),
        (
            1,
            "noise",
            ("aws:ec2/vpc:Vpc vpc: create failed: no",),
            1,
            "\n  aws:ec2/vpc:Vpc vpc: create failed: no",
            None,
        ),
        (2, "error: unknown flag: --x\nusage", (), 1, "exit code 2: error: unknown flag: --x | usage", "doctor"),
        (1, "", (), 1, "it said nothing", "provision doctor"),
    ],
)
def test_kinds_of_failure(
    code: int, words: str, lines: tuple[str, ...], exit_code: int, said: str, hint: str | None
) -> None:
    error = failures.failed("up of stack tenant/acme", code, words, lines)
    assert error.exit_code == exit_code
    assert error.message.startswith("up of stack tenant/acme")
    assert said in error.message
    assert (hint in error.hint) if hint and error.hint else error.hint == hint


def test_a_lock_of_a_dead_process_here_is_stale() -> None:
    error = failures.failed("up", 255, lock(HERE, dead_pid(), datetime.now(UTC)), ())
    assert isinstance(error, failures.StateLockedError)
    assert error.exit_code == ExitCode.LEASE_HELD
    assert error.stale
    assert f"ann@{HERE}, process" in error.message


def test_a_lock_of_a_living_process_is_not() -> None:
    error = failures.failed("up", 255, lock(HERE, os.getpid(), datetime.now(UTC)), ())
    assert isinstance(error, failures.StateLockedError)
    assert not error.stale


def test_a_pid_that_was_given_again_proves_the_death() -> None:
    yesterday = datetime.now(UTC) - timedelta(days=365)
    error = failures.failed("up", 255, lock(HERE, os.getpid(), yesterday), ())
    assert isinstance(error, failures.StateLockedError)
    assert error.stale


def test_a_lock_of_another_host_is_never_judged() -> None:
    error = failures.failed("up", 255, lock("elsewhere", dead_pid(), datetime.now(UTC)), ())
    assert isinstance(error, failures.StateLockedError)
    assert not error.stale


def test_one_living_holder_among_dead_ones_counts() -> None:
    now = datetime.now(UTC)
    words = lock(HERE, dead_pid(), now) + "\n" + lock(HERE, os.getpid(), now)
    error = failures.failed("up", 255, words, ())
    assert isinstance(error, failures.StateLockedError)
    assert len(error.holders) == 2
    assert not error.stale


def test_holders_that_cannot_be_read_prove_nothing() -> None:
    error = failures.failed("up", 255, "the stack is currently locked by 1 lock(s)", ())
    assert isinstance(error, failures.StateLockedError)
    assert not error.stale
