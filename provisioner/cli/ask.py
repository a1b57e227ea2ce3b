"""Questions to the operator. Their answers are never ignored; without a terminal nobody is there to give one."""

import sys

import typer

from provisioner.model.errors import CancelledError, UsageError


def confirm(question: str, *, yes: bool) -> None:
    """Go on only with a yes. Raises UsageError without a terminal and without `--yes`, CancelledError for a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to confirm this (stdin is no terminal)", hint="add --yes, or use --dry-run")
    if not typer.confirm(question, default=False, err=True):
        raise CancelledError("nothing was changed")


def type_again(what: str, expected: str, given: str | None, *, option: str | None = None) -> None:
    """Make the operator type a name again; a script gives it by `option`. Raises UsageError for another one."""
    if given is None:
        typer.echo(f"Type {what} to confirm: ", err=True, nl=False)
        given = sys.stdin.readline().strip()
    if given != expected:
        raise UsageError(
            f"{given!r} was typed, not {expected!r}; nothing was changed", hint=option or f"--confirm {expected}"
        )
