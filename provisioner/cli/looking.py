"""The fleet, once or again and again."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from provisioner.cli.boundary import say
from provisioner.cli.fleet_view import FleetView, changed, stranded_words
from provisioner.cli.framework import Selection, Session
from provisioner.cli.selection import listed, selector
from provisioner.model.errors import ExitCode
from provisioner.ops import fleet


def look(session: Session, selection: Selection, *, needing: bool, probe: bool) -> FleetView:
    """One look. Rollouts that nobody drives are told on stderr, too: whoever reads only the tenants should know."""
    view = _look(session, selection, needing=needing, probe=probe)
    for rolling in view.fleet.rollouts:
        if rolling.stranded:
            typer.echo(stranded_words(rolling), err=True)
    return view


def watched(session: Session, selection: Selection, *, needing: bool, probe: bool, interval: float) -> FleetView:
    """Look until ^C: on a terminal it is drawn anew, elsewhere each change is a line, both on stderr."""
    try:
        with _shown() as tell:
            while True:
                tell(_look(session, selection, needing=needing, probe=probe))
                session.app.clock.sleep(interval)
    except KeyboardInterrupt:
        say("interrupted; this only looked at it", hint="provision status")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from None


def _look(session: Session, selection: Selection, *, needing: bool, probe: bool) -> FleetView:
    registry, tenants = listed(session, selection)
    if probe:
        fleet.probe(session.app, tenants)
    found = fleet.look(session.app, registry, tenants, orphans=not selector(selection).narrows)
    return FleetView(found, needing=needing)


@contextmanager
def _shown() -> Iterator[Callable[[FleetView], None]]:
    if sys.stderr.isatty():
        from provisioner.cli.following import drawn

        with drawn() as tell:
            yield tell
        return
    before: FleetView | None = None

    def lines(view: FleetView) -> None:
        nonlocal before
        for line in changed(before, view):
            typer.echo(line, err=True)
        before = view

    yield lines
