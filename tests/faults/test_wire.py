"""Faults at the wire during `new-tenant`: retried, adopted, timed out or reported, and never two of anything."""

from collections.abc import Iterator

import pytest

from tests.installation import Installation

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


@pytest.fixture(autouse=True)
def _no_rules(installation: Installation) -> Iterator[None]:
    installation.ok("sandbox", "start")
    yield
    installation.ok("sandbox", "fault", "clear")


def fault(installation: Installation, kind: str, *words: str) -> None:
    installation.ok("sandbox", "fault", "add", kind, *words)


def hits(installation: Installation) -> int:
    return sum(r["matched"] for r in installation.ok("sandbox", "fault", "list", "-o", "json").json)


def one_of_each(installation: Installation, tenant: str) -> None:
    census = installation.census(tenant)
    expected = {"machines": 1, "databases": 1, "vpcs": 1, "subnets": 4, "addresses": 1, "buckets": 1, "keys": 1}
    assert census == {**census, **expected}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("throttle", ["throttle", "--operation", "(Create|Run|Put).*", "--from", "3", "--to", "8"]),
        ("lost-vm", ["lost-reply", "--service", "ec2", "--operation", "RunInstances", "--to", "1"]),
        ("lost-db", ["lost-reply", "--service", "rds", "--operation", "CreateDBInstance", "--to", "1"]),
        (
            "lost-vpc",
            ["reset", "--service", "ec2", "--operation", "Create(Vpc|Subnet)|AllocateAddress", "--to", "3"],
        ),
        ("lost-key", ["lost-reply", "--service", "kms", "--operation", "CreateKey", "--to", "1"]),
        ("error", ["error", "--operation", "Describe.*", "--from", "2", "--to", "6"]),
        ("hang", ["hang", "--service", "ec2", "--operation", "CreateVpc", "--to", "1", "--seconds", "25"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_passing_fault_is_survived(installation: Installation, name: str, words: list[str]) -> None:
    fault(installation, *words)
    tenant = f"w-{name}"
    installation.ok("new-tenant", tenant, "--tier", "trial")
    assert hits(installation) > 0, "the fault was never met"
    one_of_each(installation, tenant)


def test_no_capacity_is_reported_and_the_same_command_goes_on_when_there_is(installation: Installation) -> None:
    fault(installation, "no-capacity", "--service", "ec2", "--operation", "RunInstances")
    failed = installation.run("new-tenant", "nocap", "--tier", "trial")
    assert failed.code == 1
    assert "InsufficientInstanceCapacity" in failed.stderr
    assert "Traceback" not in failed.stderr
    shown = installation.show("nocap")
    assert shown["state"] == "failed"
    assert "InsufficientInstanceCapacity" in shown["cause"]

    installation.ok("sandbox", "fault", "clear")
    installation.ok("new-tenant", "nocap", "--tier", "trial")
    one_of_each(installation, "nocap")


def test_a_failed_creation_can_be_offboarded(installation: Installation) -> None:
    fault(installation, "no-capacity", "--service", "ec2", "--operation", "RunInstances")
    assert installation.run("new-tenant", "half", "--tier", "standard").code == 1
    installation.ok("sandbox", "fault", "clear")
    installation.ok("offboard", "half", "--discard-data", "--confirm", "half")
    assert set(installation.census("half").values()) == {0}
