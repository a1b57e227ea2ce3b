"""An upgrade killed with -9 around and inside every step: the same command ends it, and no machine is left over."""

import re
from typing import Any

import pytest

from tests.faults.recovery.life import make, notes, settled, walk
from tests.forks import Forked
from tests.installation import get, only_exhaustive, post

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(600)]

STEPS = (
    "baseline",
    "beside",
    "close",
    "mark",
    "snapshot",
    "copy",
    "migrate",
    "gate",
    "attach",
    "switch",
    "settle",
    "undo",
    "remove",
    "finish",
)
INSIDE = {
    "beside": ("aws:ec2/instance:Instance machine-b started",),
    "switch": ("aws:ec2/eipAssociation:EipAssociation address-machine started",),
    "remove": ("delete aws:ec2/instance:Instance machine started",),
}
GATE = "gate: {samples: 3, good: 3, seconds: 1, warm_up: 5, settle: 1}"


@pytest.fixture(scope="module")
def before(installation: Forked) -> dict[str, int]:
    """The tenant of this module, on 1.1.0, and what the cloud had of it before any upgrade."""
    text = installation.registry.read_text()
    quick = re.sub(r"(\n  default:\n    waves:)", rf"\n  default:\n    {GATE}\n    waves:", text, count=1)
    assert quick != text
    installation.registry.write_text(quick)
    return make(installation, "acme", "one", "x" * 600)


def on(installation: Forked, release: str, before: dict[str, int]) -> None:
    """The tenant serves on that release, with its notes, and there is nothing more of it than before."""
    shown = installation.show("acme")
    assert (shown["state"], shown["release"]["assigned"], shown["release"]["observed"]) == ("active", release, release)
    assert notes(installation, "acme") == {"one", "x" * 600}
    settled(installation, "acme", before)
    assert "acme: unchanged" in installation.ok("plan", "acme", "--refresh").stdout


def words(release: str) -> tuple[str, ...]:
    return ("upgrade", "acme", "--to", release, "--now", "--yes")


def ending(installation: Forked) -> Any:
    """The newest upgrade's kind and status, and how many of its steps ran how often."""
    return next(o for o in installation.ok("operations", "list", "-o", "json").json if o["kind"] == "upgrade")


@only_exhaustive
def test_a_good_release_killed_around_and_inside_every_step(installation: Forked, before: dict[str, int]) -> None:
    done = walk(installation, words("1.2.0"), STEPS, INSIDE)
    assert done.code == 0, done.stderr
    on(installation, "1.2.0", before)
    again = installation.run(*words("1.2.0"))
    assert (again.code, "is on 1.2.0 already" in again.stderr) == (2, True)


@only_exhaustive
def test_an_offline_migration_killed_around_every_step(installation: Forked, before: dict[str, int]) -> None:
    done = walk(installation, words("1.3.0"), STEPS)
    assert done.code == 0, done.stderr
    on(installation, "1.3.0", before)


@only_exhaustive
def test_what_is_undone_is_undone_after_kills_too(installation: Forked, before: dict[str, int]) -> None:
    """1.4.0 does not start: the gate stays shut."""
    done = walk(installation, words("1.4.0"), STEPS[:-1])
    assert done.code == 1, done.stderr
    assert "acme stays on 1.3.0: the new release didn't pass the gate: unreachable" in done.stderr
    assert ending(installation)["status"] == "undone"
    on(installation, "1.3.0", before)


@only_exhaustive
def test_a_database_that_was_half_migrated_is_restored(installation: Forked, before: dict[str, int]) -> None:
    """The migration of 1.5.0 fails on the long note, with nobody serving. Nothing that was written is lost."""
    post(installation.show("acme")["url"] + "/notes", {"body": "last words"})
    done = walk(installation, words("1.5.0"), ("migrate", "undo", "verify", "fence", "stack", "sign", "finish"))
    assert done.code == 1, done.stderr
    assert 'check constraint "content_fits"' in done.stderr
    shown = installation.show("acme")
    assert (shown["state"], shown["release"]["observed"]) == ("active", "1.3.0")
    assert notes(installation, "acme") == {"one", "x" * 600, "last words"}
    assert get(shown["url"] + "/healthz")["schema_version"] == 3
    settled(installation, "acme", before)
