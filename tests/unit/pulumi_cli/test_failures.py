"""The CLI's exit codes and words become errors of the house."""

import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from provisioner.engines.pulumi_cli import child, failures
from provisioner.engines.pulumi_cli.child import Child
from provisioner.model.errors import ExitCode

HERE = socket.gethostname()


AT = "2026-11-22T12:00:00Z"


def locked(*lines: str, number: int | None = None) -> failures.StateLockedError:
    """As pkg/backend/diy/lock.go says it."""
    words = (
        f"error: the stack is currently locked by {len(lines) if number is None else number} lock(s). Either wait for "
        "the other process(es) to end or delete the lock file with `pulumi cancel`."
    )
    error = failures.failed("up of stack tenant/acme", 255, "\n  ".join([words, *lines]), ())
    assert isinstance(error, failures.StateLockedError)
    assert error.exit_code == ExitCode.LEASE_HELD
    return error


def lock(pid: int, host: str = HERE, user: str = "ann") -> str:
    return f"file:///s/.pulumi/locks/a.json: created by {user}@{host} (pid {pid}) at {AT}"


def ended() -> Child:
    """A CLI of ours that is over."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    made = child.record(None, process.pid)
    process.wait()
    return made


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


def test_a_lock_of_our_own_dead_cli_was_left() -> None:
    ours = ended()
    error = locked(lock(ours.pid))
    assert error.left_by([ours])
    assert (
        error.message == f"up of stack tenant/acme: the state is locked by ann@{HERE}, process {ours.pid}, since {AT}"
    )


@pytest.mark.parametrize("user", ["DOMAIN\\ann smith", "", "a@b"])
def test_whatever_the_user_is_called(user: str) -> None:
    ours = ended()
    assert locked(lock(ours.pid, user=user)).left_by([ours])


def test_a_dead_process_that_was_not_ours_proves_nothing() -> None:
    """Its pid may mean something else: in another container, or on a host of the same name."""
    error = locked(lock(ended().pid))
    assert not error.left_by([])
    assert not error.left_by([ended()])


def test_nor_does_ours_of_another_host() -> None:
    ours = ended()
    assert not locked(lock(ours.pid, host="elsewhere")).left_by([ours])
    assert not locked(lock(ours.pid)).left_by([replace(ours, host="elsewhere")])


def test_a_living_process_of_that_number_may_have_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = replace(ended(), pid=os.getpid())
    assert not locked(lock(os.getpid())).left_by([ours])

    def refused(pid: int, number: int) -> None:
        raise PermissionError

    ours = ended()
    assert locked(lock(ours.pid)).left_by([ours])
    monkeypatch.setattr(os, "kill", refused)  # another user's
    assert not locked(lock(ours.pid)).left_by([ours])


def test_a_zombie_of_that_number_writes_no_more() -> None:
    """Its parent was killed, and init takes seconds to ask for what became of it."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert locked(lock(process.pid)).left_by([replace(ended(), pid=process.pid)])
    process.wait()


def test_one_strange_lock_among_ours_counts() -> None:
    ours = ended()
    error = locked(lock(ours.pid), lock(ended().pid))
    assert len(error.holders) == 2
    assert not error.left_by([ours])


@pytest.mark.parametrize("line", ["file:///s/b.json: created by nobody knows whom", "", lock(1).replace("pid", "id")])
def test_a_lock_that_can_not_be_read_counts_too(line: str) -> None:
    ours = ended()
    error = locked(lock(ours.pid), line, number=2)
    assert len(error.holders) == 1
    assert error.message.endswith("; somebody who can't be read")
    assert not error.left_by([ours])


def test_holders_that_cannot_be_read_prove_nothing() -> None:
    for words in ("the stack is currently locked by 1 lock(s)", "the stack is currently locked by somebody"):
        error = failures.failed("up", 255, words, ())
        assert isinstance(error, failures.StateLockedError)
        assert error.message == "up: the state is locked by somebody who can't be read"
        assert not error.left_by([ended()])
