"""What is asked of RDS about minor versions, held by botocore's own description of its API."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from provisioner.cloud.databases import newest_minor, upgrade_database
from provisioner.cloud.session import Access, Clients

ASKED = {
    "DBInstanceIdentifier": "acme",
    "EngineVersion": "17.10",
    "AllowMajorVersionUpgrade": False,
    "ApplyImmediately": True,
}


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setattr("time.sleep", lambda _: None)
    return Clients(Access("eu-west-1", access_key_id="x", secret_access_key="x"))


@pytest.fixture
def rds(clients: Clients) -> Iterator[Stubber]:
    with Stubber(clients["rds"]) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def targets(rds: Stubber, *versions: str) -> None:
    """To which a 17.4 can be brought."""
    found = [{"EngineVersion": v, "IsMajorVersionUpgrade": not v.startswith("17.")} for v in versions]
    answer: dict[str, Any] = {"DBEngineVersions": [{"EngineVersion": "17.4", "ValidUpgradeTarget": found}]}
    rds.add_response("describe_db_engine_versions", answer, {"Engine": "postgres", "EngineVersion": "17.4"})


@pytest.mark.parametrize(
    ("versions", "newest"),
    [
        (("17.5", "17.10", "17.9", "18.1"), "17.10"),
        (("17.5", "17.5-R2"), "17.5-R2"),
        (("18.1",), None),
        ((), None),
    ],
)
def test_the_newest_minor_is_by_number_and_of_the_same_major(
    clients: Clients, rds: Stubber, versions: tuple[str, ...], newest: str | None
) -> None:
    targets(rds, *versions)
    assert newest_minor(clients, "17.4") == newest


def known(rds: Stubber, status: str, version: str) -> None:
    found = {"DBInstanceIdentifier": "acme", "DbiResourceId": "db-1", "DBInstanceStatus": status}
    answer = {"DBInstances": [{**found, "EngineVersion": version}]}
    rds.add_response("describe_db_instances", answer, {"DBInstanceIdentifier": "acme"})


def test_one_that_is_in_between_is_asked_again(clients: Clients, rds: Stubber) -> None:
    known(rds, "backing-up", "17.4")
    rds.add_client_error("modify_db_instance", "InvalidDBInstanceState", expected_params=ASKED)
    known(rds, "available", "17.4")
    rds.add_response("modify_db_instance", {}, ASKED)
    upgrade_database(clients, "acme", "17.10")


@pytest.mark.parametrize(("status", "version"), [("available", "17.10"), ("upgrading", "17.4")])
def test_one_that_is_there_or_on_its_way_is_left_alone(
    clients: Clients, rds: Stubber, status: str, version: str
) -> None:
    known(rds, status, version)
    upgrade_database(clients, "acme", "17.10")
