"""A restore killed with -9, its cloud killed, and given up: it converges, and no rows of anybody's are lost."""

import signal

import pytest

from tests.faults.recovery.life import (
    databases,
    kill_the_cloud_inside,
    make,
    master,
    notes,
    points,
    settled,
    unfinished,
    walk,
)
from tests.forks import Forked
from tests.installation import only_exhaustive, post

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(600)]

DATABASE = "create aws:rds/instance:Instance database-r"
STEPS = (
    "mark",
    "snapshot",
    "copy",
    "import",
    "beside",
    "verify",
    "renew",
    "fence",
    "register",
    "stack",
    "bootstrap",
    "migrate",
    "health",
    "sign",
    "finish",
)
INSIDE = {
    "beside": (DATABASE,),
    "verify": ("verify runs on",),
    "stack": ("acme stack started", "aws:ec2/instance:Instance machine started"),
    "bootstrap": ("bootstrap runs on",),
}


@pytest.fixture(scope="module")
def before(installation: Forked) -> dict[str, int]:
    """The tenant of this module, and what the cloud had of it."""
    return make(installation, "acme", "one", "two")


def backed_up(installation: Forked, later: str) -> list[str]:
    """Words of a restore to now, when a note was written after that, and how many points there will be at its end."""
    [row] = installation.ok("backup", "create", "acme", "-o", "json").json
    post(installation.show("acme")["url"] + "/notes", {"body": later})
    assert later in notes(installation, "acme")
    return ["restore", "acme", "--to", row["point"], "--yes"]


def restored(installation: Forked, before: dict[str, int], was: list[str], lost: str) -> None:
    """One database more, which serves what there was at the point; the one that served has all that was written."""
    settled(installation, "acme", before)
    shown = installation.show("acme")
    assert (shown["state"], shown["health"]["status"]) == ("active", "healthy")
    assert notes(installation, "acme") == {"one", "two"}
    assert len(databases(installation, "acme")) == len(was) + 1
    assert set(was) < set(databases(installation, "acme"))
    assert lost in kept(installation, was[-1])


def kept(installation: Forked, identifier: str) -> set[str]:
    """Notes in a database that serves no more."""
    with master(installation, identifier) as connection:
        return {row[0] for row in connection.execute("SELECT body FROM product.notes")}


def serving(installation: Forked) -> str:
    """The identifier of the database that serves."""
    return str(installation.show("acme")["database"]["id"])


@only_exhaustive
def test_killed_around_and_inside_every_step(installation: Forked, before: dict[str, int]) -> None:
    words = backed_up(installation, "lost by the first")
    done = walk(installation, words, STEPS, INSIDE)
    assert done.code == 0, done.stderr
    restored(installation, before, ["acme"], "lost by the first")
    assert len(points(installation, "acme")) == 3, "the one that was restored, one of the beginning, one of the moment"


@only_exhaustive
def test_the_cloud_killed_in_the_middle(installation: Forked, before: dict[str, int]) -> None:
    words, was = backed_up(installation, "lost by the second"), serving(installation)
    others = [d for d in databases(installation, "acme") if d != was]
    kill_the_cloud_inside(installation, words, DATABASE, 0.1)
    while unfinished(installation, "acme"):
        installation.run(*words)
    restored(installation, before, [*others, was], "lost by the second")


@only_exhaustive
@pytest.mark.parametrize("where", ["snapshot:after", "beside:after"])
def test_given_up_after_a_kill(installation: Forked, before: dict[str, int], where: str) -> None:
    """`--abandon`, itself killed around every step: the tenant is as it was, with all that was written."""
    words, was = backed_up(installation, where), databases(installation, "acme")
    killed = installation.run(*words, PROVISION_FAILPOINT=where)
    assert killed.code == -signal.SIGKILL, killed.stderr
    done = walk(installation, ("restore", "acme", "--abandon", "--yes"), ("release", "delete", "record"))
    assert done.code == 0, done.stderr
    settled(installation, "acme", before)
    assert installation.show("acme")["state"] == "active"
    assert databases(installation, "acme") == was
    assert where in notes(installation, "acme")


@only_exhaustive
def test_what_is_not_right_is_removed_again_by_a_killed_one_too(installation: Forked, before: dict[str, int]) -> None:
    was = databases(installation, "acme")
    with master(installation, serving(installation)) as connection:
        connection.execute("ALTER SCHEMA product RENAME TO hidden")
        connection.commit()
        [row] = installation.ok("backup", "create", "acme", "-o", "json").json
        connection.execute("ALTER SCHEMA hidden RENAME TO product")
    words = ["restore", "acme", "--to", row["point"], "--yes"]
    for moment in ("before", "after"):
        killed = installation.run(*words, PROVISION_FAILPOINT=f"verify:{moment}")
        assert killed.code == -signal.SIGKILL, killed.stderr
    again = installation.run(*words)
    assert again.code == 6, again.stderr
    assert "it was removed, the tenant is as before" in again.stderr
    assert databases(installation, "acme") == was
    assert installation.show("acme")["state"] == "active"
    assert notes(installation, "acme") >= {"one", "two"}


@only_exhaustive
def test_into_another_tenant_killed(installation: Forked, before: dict[str, int]) -> None:
    """The new tenant is made once, the copy of the snapshot is gone at the end, and the first tenant isn't touched."""
    words = [*backed_up(installation, "not for beta"), "--into", "beta"]
    was = databases(installation, "acme")
    consent = "{resource: beta, operation: restore-into, name: Jane Doe, reason: a test, expires: 2999-12-31}"
    text = installation.registry.read_text()
    installation.registry.write_text(text.replace("\n  acme:\n", f"\n  acme:\n    waivers: [{consent}]\n"))
    for where in ("migrate:after", "import:after", "sign:after"):
        killed = installation.run(*words, PROVISION_FAILPOINT=where)
        assert killed.code == -signal.SIGKILL, (where, killed.stderr)
    installation.ok(*words)
    assert notes(installation, "beta") == notes(installation, "acme") - {"not for beta"}
    settled(installation, "beta", before)
    assert len(databases(installation, "beta")) == 2
    assert databases(installation, "acme") == was
