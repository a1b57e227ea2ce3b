"""A rollout that another process drives, shown until it stops."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO

import typer

from provisioner.cli.boundary import say
from provisioner.cli.rollout_status import RolloutView, changed, look
from provisioner.cli.tables import show
from provisioner.model.errors import ExitCode
from provisioner.model.rollout.states import DRIVEN
from provisioner.ops.house import House

EVERY = 2.0
"""Seconds between two looks."""


def followed(house: House, rollout_id: str, *, wide: bool = False) -> RolloutView:
    """Look again and again until it is over, paused or halted: on a terminal it is drawn anew, elsewhere each change is
    a line, both on stderr. ^C ends the looking, and nothing else."""
    try:
        with _shown() as tell:
            while True:
                view = look(house, rollout_id, wide=wide)
                tell(view)
                if view.record.status not in DRIVEN:
                    return view
                house.clock.sleep(EVERY)
    except KeyboardInterrupt:
        say("interrupted; this only looked at it", hint=f"provision rollout status {rollout_id} --watch")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None


@contextmanager
def _shown() -> Iterator[Callable[[RolloutView], None]]:
    if sys.stderr.isatty():
        with drawn() as tell:
            yield tell
        return
    before: RolloutView | None = None

    def lines(view: RolloutView) -> None:
        nonlocal before
        for line in changed(before, view):
            typer.echo(line, err=True)
        before = view

    yield lines


@contextmanager
def drawn() -> Iterator[Callable[[object], None]]:
    """On a terminal: each look in place of the one before."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console(stderr=True, highlight=False)

    def draw(view: object) -> None:
        page = Console(file=StringIO(), force_terminal=True, width=console.width, highlight=False)
        with page.capture() as captured:
            show(view, page)
        live.update(Text.from_ansi(captured.get()), refresh=True)

    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield draw
