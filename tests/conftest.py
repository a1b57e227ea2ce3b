"""Fixtures for the floors that need a whole installation."""

import signal
from collections.abc import Iterator

import pytest

from tests import trees
from tests.forks import Forked
from tests.installation import Installation
from tests.pulumi_cli.real import CLI, MISSING

_FLOOR = "tests/pulumi_cli/"


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in `make test &` of a script: what is ignored here would be ignored by the commands that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


trees.keep()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests measured; and by name whether the suite that needs a real Pulumi CLI was run: a skip must never
    pass for a success."""
    reports = [r for found in terminalreporter.stats.values() for r in found if getattr(r, "when", "") == "call"]
    for words in (value for r in reports for name, value in r.user_properties if name == "measured"):
        terminalreporter.write_line(f"measured: {words}")
    counts = {
        outcome: sum(getattr(r, "nodeid", "").startswith(_FLOOR) for r in terminalreporter.stats.get(outcome, []))
        for outcome in ("passed", "failed", "error", "skipped")
    }
    if not any(counts.values()):
        return
    if CLI is None:
        words = (
            f"pulumi_cli suite: NOT RUN ({MISSING}): {counts['skipped']} tests skipped; `provision setup` installs one"
        )
        terminalreporter.write_sep("!", words, yellow=True, bold=True)
        return
    words = ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n)
    terminalreporter.write_sep("=", f"pulumi_cli suite: run with Pulumi CLI {CLI.version} ({CLI.path}): {words}")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    """An installation for a test module, whose commands are forked (tests/forks.py). The first one that needs a sandbox
    starts it."""
    made = Forked(tmp_path_factory.mktemp("installation"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The same, of which every command is a whole process."""
    made = Installation(tmp_path_factory.mktemp("installation"))
    yield made
    made.end()
