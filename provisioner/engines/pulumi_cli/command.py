"""The SDK's `PulumiCommand`, with a child that can be found again."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from pulumi.automation import PulumiCommand
from pulumi.automation._cmd import CommandResult
from pulumi.automation.errors import CommandError
from semver import VersionInfo

from provisioner.engines.pulumi_cli import child
from provisioner.engines.pulumi_cli.cli import Cli
from provisioner.engines.pulumi_cli.limit import Limit

RECORD = "PROVISION_CHILD"
"""Not for the child: the new file below the work folder that it is noted in. Without it, it isn't."""
_TICK = 0.1


class EndedBadlyError(CommandError):
    """The CLI ended with another exit code than 0. `code` is negative for a signal, `words` what it said on stderr."""

    def __init__(self, result: CommandResult) -> None:
        super().__init__(result)
        self.code = result.code
        self.words = result.stderr


class Command(PulumiCommand):
    """One CLI, for all stacks and threads. Its version is known: asking again would start it once more."""

    def __init__(self, cli: Cli) -> None:
        self.command = str(cli.path)
        self.version = VersionInfo.parse(cli.version)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Callable[[str], object] | None = None,
        on_error: Callable[[str], object] | None = None,
        *,
        limit: Limit | None = None,
    ) -> CommandResult:
        """Run it in a session of its own, so that the terminal's ^C reaches it through us alone. Whatever ends this
        call ends it too. Raises EndedBadlyError, and what `limit` raises."""
        environ = {**ambient(), **additional_env, "PULUMI_AUTOMATION_API": "true"}
        note = environ.pop(RECORD, None)
        environ["PATH"] = f"{Path(self.command).parent}{os.pathsep}{environ.get('PATH', '')}"
        words = [self.command, "--non-interactive", *args]
        process, ours = _start(words, cwd, environ, Path(cwd, note) if note else None)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        assert process.stderr is not None  # noqa: S101
        lines: list[str] = []
        errors: list[str] = []
        streams = ((process.stdout, lines, on_output), (process.stderr, errors, on_error))
        readers = [threading.Thread(target=_read, args=stream, daemon=True) for stream in streams]
        for reader in readers:
            reader.start()
        code = _wait(process, ours, limit)
        for reader in readers:
            reader.join()
        result = CommandResult("\n".join(lines), "\n".join(errors), code)
        if code != 0:
            raise EndedBadlyError(result)
        return result


def ambient() -> dict[str, str]:
    """Our environment without Pulumi's own variables: what a run does must not depend on the terminal it came from."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")}


def _start(
    words: list[str], cwd: str, environ: Mapping[str, str], note: Path | None
) -> tuple["subprocess.Popen[str]", child.Child]:
    held = None if note is None else child.begin(note)
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environ,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            umask=0o077,
            pass_fds=() if held is None else (held,),
        )
        return process, child.record(held, process.pid)
    finally:
        if held is not None:
            os.close(held)


def _wait(process: "subprocess.Popen[str]", ours: child.Child, limit: Limit | None) -> int:
    """Its exit code. Raises what `limit` does, and EngineError where it can't be ended then."""
    code = None
    try:
        while code is None:
            if limit is not None:
                limit.check()
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(None if limit is None else _TICK)
    except BaseException:
        if not child.end(ours, child.SOON):
            raise child.stuck(ours) from None
        process.wait()
        raise
    if code < 0:
        ours.kill()  # its providers would go on without it, and hold its pipes
    return code


def _read(stream: IO[str], lines: list[str], tell: Callable[[str], object] | None) -> None:
    with stream:
        for line in stream:
            lines.append(line.rstrip())
            if tell is not None:
                tell(lines[-1])
