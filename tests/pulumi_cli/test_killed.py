"""The CLI dies in the middle: the same command finds what was made, and makes nothing twice."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.engines.pulumi_cli import child
from tests.installation import Installation

ONE = {"machines": 1, "databases": 1, "vpcs": 1, "subnets": 4, "addresses": 1, "buckets": 1, "keys": 1, "secrets": 1}
PATIENCE = 60.0


def deployment(installation: Installation, tenant: str) -> dict[str, Any]:
    path = installation.home / "state" / ".pulumi" / "stacks" / "tenant" / f"{tenant}.json"
    try:
        latest: dict[str, Any] = json.loads(path.read_text())["checkpoint"]["latest"]
    except (FileNotFoundError, ValueError, KeyError):
        return {}
    return latest


def creating(installation: Installation, tenant: str) -> set[str]:
    """Names of resources whose creation is under way, as the state has them."""
    begun = deployment(installation, tenant).get("pending_operations") or ()
    made = [o["resource"] for o in begun if o["type"] == "creating" and o["resource"]["custom"]]
    return {r["urn"].rsplit("::", 1)[-1] for r in made}


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def notes(installation: Installation, tenant: str) -> list[Path]:
    return sorted((installation.home / "pulumi" / "sandbox" / "tenant" / tenant).glob("child-*.json"))


def running_cli(installation: Installation, tenant: str) -> child.Child:
    (note,) = [n for n in notes(installation, tenant) if not child.over(n)]
    found = child.recorded(note)
    assert found is not None
    assert found.alive
    return found


def hold(installation: Installation, service: str, operation: str, number: int) -> None:
    """The provider has asked for the thing, and now waits for the first answer to what became of it."""
    nth = str(number)
    words = ["--service", service, "--operation", operation, "--from", nth, "--to", nth, "--seconds", "60"]
    installation.ok("sandbox", "fault", "add", "hang", *words)


# The provider looks for machines with the same tags once before it asks for one.
HELD = [("vm", "machine", "ec2", "DescribeInstances", 2), ("db", "database", "rds", "DescribeDBInstances", 1)]


@pytest.mark.parametrize(("tenant", "resource", "service", "operation", "nth"), HELD, ids=["machine", "database"])
def test_the_cli_killed_while_it_creates(
    installation: Installation, tenant: str, resource: str, service: str, operation: str, nth: int
) -> None:
    installation.ok("sandbox", "start")
    hold(installation, service, operation, nth)
    words = ["new-tenant", tenant, "--tier", "trial", "--engine", "pulumi"]
    process = installation.start(*words)
    until(lambda: resource in creating(installation, tenant))
    time.sleep(1.0)  # the request is out: what it makes is there, and its reply is not
    os.kill(running_cli(installation, tenant).pid, signal.SIGKILL)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "killed by signal 9" in said
    assert resource in creating(installation, tenant)
    installation.ok("sandbox", "fault", "clear")
    again = installation.ok(*words)
    assert f"::{resource}: its creation was cut off" in again.stderr
    assert "the lock of a dead process is broken" in again.stderr
    complete(installation, tenant)


def complete(installation: Installation, tenant: str) -> None:
    """Everything is there, once, and the state knows it."""
    assert notes(installation, tenant) == []
    assert deployment(installation, tenant).get("pending_operations") is None
    census = installation.census(tenant)
    assert census == {**census, **ONE}
    assert installation.show(tenant)["health"]["status"] == "healthy"
    answer = installation.ok("plan", tenant, "--refresh", "--output", "json")
    assert answer.json[0]["verdict"] == "unchanged"


def test_provision_killed_while_the_cli_creates(installation: Installation) -> None:
    """The CLI outlives `provision`: the next command ends it first, and then looks.

    By itself it ends within milliseconds, of the broken pipe to its program; so it is stopped first, as one that hangs.
    """
    installation.ok("sandbox", "start")
    hold(installation, "rds", "DescribeDBInstances", 1)
    words = ["new-tenant", "orphan", "--tier", "trial", "--engine", "pulumi"]
    process = installation.start(*words)
    until(lambda: "database" in creating(installation, "orphan"))
    time.sleep(1.0)
    os.kill(running_cli(installation, "orphan").pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    left = running_cli(installation, "orphan")
    installation.ok("sandbox", "fault", "clear")
    again = installation.ok(*words)
    assert "::database: its creation was cut off" in again.stderr
    assert left.gone
    complete(installation, "orphan")


def test_interrupted_in_the_middle(installation: Installation) -> None:
    """^C: what is under way ends, nothing new begins, and the same command goes on."""
    words = ["new-tenant", "intr", "--tier", "trial", "--engine", "pulumi"]
    process = installation.start(*words)
    until(lambda: "database" in creating(installation, "intr"))
    running = running_cli(installation, "intr")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert running.gone
    installation.ok(*words)
    complete(installation, "intr")


@pytest.mark.parametrize("often", [1, 2], ids=["once", "twice"])
def test_a_plan_that_is_interrupted_ends_its_previews(installation: Installation, often: int) -> None:
    """The terminal's ^C reaches `provision` alone: the CLI has a session of its own. What it asks hangs."""
    name = f"look{often}"
    installation.ok("new-tenant", name, "--tier", "trial", "--engine", "pulumi")
    hold(installation, "rds", "DescribeDBInstances", 1)
    process = installation.start("plan", name, "--refresh", "--engine", "pulumi")
    until(lambda: looking(installation, name) is not None)
    running = looking(installation, name)
    assert running is not None
    time.sleep(3.0)
    began = time.monotonic()
    for _ in range(often):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, said = process.communicate(timeout=PATIENCE)
    took = time.monotonic() - began
    installation.ok("sandbox", "fault", "clear")
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert running.gone
    assert took < 15.0, "2.3 on a machine with nothing else to do; what hangs takes 60"


def looking(installation: Installation, tenant: str) -> child.Child | None:
    """A preview's CLI."""
    folder = installation.home / "pulumi" / "sandbox" / "tenant" / tenant
    return next((found for note in folder.glob("preview-*.json") if (found := child.recorded(note))), None)
