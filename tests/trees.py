"""The tree of all commands, built once in a process: it takes Typer 0.15 s of CPU, for each call."""

import functools

import typer.main
import typer.testing


def keep() -> None:
    """Have Typer, and its runner for tests, keep what they built. A tree has no state of a call."""
    kept = functools.cache(typer.main.get_command)
    typer.main.get_command = kept
    typer.testing._get_command = kept  # type: ignore[attr-defined]
