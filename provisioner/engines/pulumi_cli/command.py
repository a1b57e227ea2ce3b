"""The SDK's `PulumiCommand`, with a child that can be found again."""

import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from pulumi.automation import PulumiCommand
from pulumi.automation._cmd import CommandResult
from pulumi.automation.errors import CommandError
from semver import VersionInfo

from provisioner.engines.pulumi_cli import child
from provisioner.engines.pulumi_cli.cli import Cli

RECORD = "PROVISION_CHILD"
"""Not for the child: the file below the work folder that it is recorded in. Without it, it isn't."""


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
    ) -> CommandResult:
        """Run it in a session of its own, so that the terminal's ^C reaches it through us alone. Raises
        EndedBadlyError."""
        environ = {**ambient(), **additional_env, "PULUMI_AUTOMATION_API": "true"}
        note = environ.pop(RECORD, None)
        environ["PATH"] = f"{Path(self.command).parent}{os.pathsep}{environ.get('PATH', '')}"
        words = [self.command, "--non-interactive", *args]
        pipe = subprocess.PIPE
        with subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            cwd=cwd,
            env=environ,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            umask=0o077,
        ) as process:
            noted = child.record(Path(cwd, note), process.pid) if note else None
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            assert process.stderr is not None  # noqa: S101
            lines: list[str] = []
            errors: list[str] = []
            streams = ((process.stdout, lines, on_output), (process.stderr, errors, on_error))
            readers = [threading.Thread(target=_read, args=stream, daemon=True) for stream in streams]
            for reader in readers:
                reader.start()
            code = process.wait()
            if noted and code < 0:
                noted.kill()  # its providers would go on without it, and hold its pipes
            for reader in readers:
                reader.join()
        if note:
            Path(cwd, note).unlink(missing_ok=True)
        result = CommandResult("\n".join(lines), "\n".join(errors), code)
        if code != 0:
            raise EndedBadlyError(result)
        return result


def ambient() -> dict[str, str]:
    """Our environment without Pulumi's own variables: what a run does must not depend on the terminal it came from."""
    return {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")}


def _read(stream: IO[str], lines: list[str], tell: Callable[[str], object] | None) -> None:
    for line in stream:
        lines.append(line.rstrip())
        if tell is not None:
            tell(lines[-1])
