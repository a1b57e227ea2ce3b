"""What lasts on a terminal: each step's end, and all that was said; the rest is a live line."""

import io

import pytest
from rich.console import Console

from provisioner.cli import progress
from provisioner.model.change import Event, EventKind

WHO = "works in account 123456789012, region eu-west-1, as arn:aws:sts::123456789012:assumed-role/" + "x" * 60


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_was_said_lasts_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out, console = Terminal(), Console
    monkeypatch.setattr("rich.console.Console", lambda **_: console(file=out, force_terminal=True, highlight=False))
    monkeypatch.setattr("sys.stderr", out)
    with progress.progress() as sink:
        sink(Event(EventKind.MESSAGE, "acme", "target production", message=WHO))
        sink(Event(EventKind.STEP_STARTED, "acme", "stack"))
        sink(Event(EventKind.STEP_DONE, "acme", "stack", seconds=1.0))
    # What is live is drawn over again; what lasts is followed by the end of its line.
    assert f"acme target production {WHO}\n" in out.getvalue()
    assert "acme stack done (1.0s)\n" in out.getvalue()
    assert "acme stack started\n" not in out.getvalue()


def test_and_on_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress() as sink:
        sink(Event(EventKind.MESSAGE, "acme", "target production", message=WHO))
    assert capsys.readouterr().err == f"acme target production {WHO}\n"
