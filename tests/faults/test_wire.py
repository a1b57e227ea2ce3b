"""Faults at the wire during `new-tenant`: retried, adopted, timed out or reported, and never two of anything."""

from collections.abc import Iterator

import pytest

from tests.installation import Installation, only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults]


@pytest.fixture(autouse=True)
def _no_rules(installation: Installation) -> Iterator[None]:
    installation.ok("sandbox", "start")
    yield
    installation.ok("sandbox", "fault", "clear")


def fault(installation: Installation, kind: str, *words: str) -> None:
    installation.ok("sandbox", "fault", "add", kind, *words)


def hits(installation: Installation) -> list[int]:
    return [r["matched"] for r in installation.ok("sandbox", "fault", "list", "-o", "json").json]


def one_of_each(installation: Installation, tenant: str) -> None:
    census = installation.census(tenant)
    expected = {"machines": 1, "databases": 1, "vpcs": 1, "subnets": 4, "addresses": 1, "buckets": 1, "keys": 1}
    assert census == {**census, **expected}


LOST = [
    ["lost-reply", "--service", "ec2", "--operation", "RunInstances", "--to", "1"],
    ["lost-reply", "--service", "rds", "--operation", "CreateDBInstance", "--to", "1"],
    ["lost-reply", "--service", "kms", "--operation", "CreateKey", "--to", "1"],
    ["reset", "--service", "ec2", "--operation", "Create(Vpc|Subnet)|AllocateAddress", "--to", "3"],
]
REFUSED = [
    ["throttle", "--operation", "(Create|Run|Put).*", "--from", "3", "--to", "8"],
    ["error", "--operation", "Describe.*", "--from", "2", "--to", "6"],
]
HANGS = [["hang", "--service", "ec2", "--operation", "CreateVpc", "--to", "1", "--seconds", "25"]]


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        pytest.param("lost", LOST, id="lost"),
        pytest.param("refused", REFUSED, id="refused", marks=only_exhaustive),
        pytest.param("hangs", HANGS, id="hangs", marks=only_exhaustive),
    ],
)
def test_passing_faults_are_survived(installation: Installation, name: str, rules: list[list[str]]) -> None:
    for rule in rules:
        fault(installation, *rule)
    tenant = f"w-{name}"
    installation.ok("new-tenant", tenant, "--tier", "trial")
    assert all(hits(installation)), "a fault was never met"
    one_of_each(installation, tenant)


@only_exhaustive
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


@only_exhaustive
def test_a_failed_creation_can_be_offboarded(installation: Installation) -> None:
    fault(installation, "no-capacity", "--service", "ec2", "--operation", "RunInstances")
    assert installation.run("new-tenant", "half", "--tier", "standard").code == 1
    installation.ok("sandbox", "fault", "clear")
    installation.ok("offboard", "half", "--now", "--confirm", "half")
    assert set(installation.census("half").values()) == {0}
