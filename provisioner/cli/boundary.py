"""The one place where exceptions become exit codes and words on stderr; a bug's traceback goes to a log file."""

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import typer

from provisioner.model.errors import EngineError, ExitCode, ProvisionError, RegistryError
from provisioner.settings import private

_NO_BUG = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
"""What this machine refuses: rights, and room."""


@contextmanager
def boundary(log_folder: Callable[[], Path]) -> Iterator[None]:
    """Raise `typer.Exit` with the right code for whatever happens inside."""
    try:
        yield
    except ProvisionError as error:
        complain(error)
        raise typer.Exit(int(error.exit_code)) from None
    except KeyboardInterrupt:
        say("interrupted", hint="run the same command again: it goes on where it stopped")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
    except BrokenPipeError:
        # The reader of our output is gone (as with `| head`): no words, and nothing more may be flushed to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(int(ExitCode.FAILED)) from None
    except (typer.Exit, typer.Abort, typer.TyperException):
        raise
    except OSError as error:
        if error.errno not in _NO_BUG:
            _bug(error, log_folder)
        where = f"{error.filename}: " if error.filename else ""
        say(f"{where}{error.strerror}", hint="mend that, then run the same command again: it goes on where it stopped")
        raise typer.Exit(int(ExitCode.FAILED)) from None
    except Exception as error:  # noqa: BLE001 - the outermost boundary: a bug becomes words and a log file
        _bug(error, log_folder)


def complain(error: ProvisionError) -> None:
    """One expected failure on stderr: what, each problem on a line of its own, what to run next."""
    lines = [error.message]
    if isinstance(error, RegistryError):
        lines += [str(problem) for problem in error.problems]
        annotate(error.problems)
    if isinstance(error, EngineError):
        lines += [f"  {failure}" for failure in error.failures if failure not in error.message]
    say("\n".join(lines), hint=error.hint)


def annotate(problems: Iterable[object]) -> None:
    """In a run of GitHub Actions: each problem of a registry as an annotation of its line, on stderr, where the runner
    reads it."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from provisioner.cli.annotations import annotation

    for problem in problems:
        typer.echo(annotation(problem, os.environ.get("GITHUB_WORKSPACE")), err=True)


def say(message: str, *, hint: str | None = None) -> None:
    """Words for a person, on stderr."""
    typer.echo(typer.style("error", fg="red", bold=True) + f": {message}", err=True)
    if hint:
        typer.echo(typer.style("next", fg="cyan") + f":  {hint}", err=True)


def _bug(error: Exception, log_folder: Callable[[], Path]) -> NoReturn:
    path = _log(log_folder)
    say(f"{type(error).__name__}: {error}", hint=f"this is a bug in provision; its traceback is in {path}")
    raise typer.Exit(int(ExitCode.FAILED)) from None


def _log(log_folder: Callable[[], Path]) -> str:
    try:
        path = log_folder() / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}.log"
        with open(path, "x", opener=private) as out:
            out.write(f"{sys.argv}\n{traceback.format_exc()}")
    except OSError as error:
        traceback.print_exc()
        return f"stderr (the log could not be written: {error})"
    return str(path)
