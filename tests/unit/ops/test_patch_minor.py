"""Minor versions of a database, which come with the tenant's patches."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.rollout.frozen import Why
from provisioner.ops.patch.look import scan_one
from provisioner.ops.patch.propose import PatchWords, propose
from provisioner.ops.patch.report import report, sheet
from tests.unit.ops.moving import House, moved_in
from tests.unit.ops.patching import commands, dies, missing, patched, turn
from tests.unit.ops.people import quiet
from tests.unit.ops.rolling import Killed, S


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    house.fake_cloud.minors = {"17.4": "17.6"}
    yield house
    house.ledger.close()


def scanned(house: House) -> Any:
    return scan_one(house, house.file.tenant("acme"), quiet)


def upgrades(house: House) -> list[str]:
    return [call for call in house.fake_cloud.calls if call.startswith("upgrade")]


def exact(house: House, version: str) -> None:
    """The registry names the minor."""
    acme = house.file.entries["acme"]
    house.file.entries["acme"] = replace(acme, sizing=replace(acme.sizing, database_version=version))


def test_it_is_seen_and_a_rollout_brings_it_after_a_recovery_point(house: House) -> None:
    assert scanned(house)["database"] == {"id": "acme", "version": "17.4", "newest": "17.6"}
    [row] = report(house, house.file.tenants())
    assert row.database == "17.4, 17.6 is there"
    assert "17.4, 17.6 is there" in sheet([row])
    task = turn(house)
    assert patched(house, task).state is S.SUCCEEDED
    assert upgrades(house) == ["upgrade acme 17.6"]
    assert commands(house).index("snapshot") < house.fake_cloud.calls.index("upgrade acme 17.6")
    [proof] = house.ledger.evidence(tenant="acme", kind="patch")
    assert proof.body["database"] == "17.6"
    assert scanned(house)["database"] == {"id": "acme", "version": "17.6", "newest": None}
    assert [(who.id, who.why) for who in propose(house, house.file, house.file.tenants(), PatchWords()).left_out] == [
        ("acme", Why.THERE)
    ]


def test_an_exact_version_stays(house: House) -> None:
    exact(house, "17.4")
    assert scanned(house)["database"] == {"id": "acme", "version": "17.4", "newest": None}


def test_a_package_that_fails_leaves_the_database_alone(house: House) -> None:
    missing(house, "broken").broken = {"broken": "exit 1"}
    assert patched(house, turn(house)).state is S.FAILED
    assert upgrades(house) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_there_it_goes_on_and_upgrades_once(house: House, when: str) -> None:
    missing(house, "openssl")
    task = turn(house)
    dies(house, "database", when)
    with pytest.raises(Killed):
        patched(house, task)
    assert patched(house, task).state is S.SUCCEEDED
    assert upgrades(house) == ["upgrade acme 17.6"]
    assert commands(house).count("Install") == 1
