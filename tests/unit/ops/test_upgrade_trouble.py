"""Upgrades over fakes, when more goes wrong than the release: an ill present, a switch that fails, a stuck tenant, a
busy cloud, a window that closes, what a migration prints."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.model.lifecycle import Lifecycle
from provisioner.ops.upgrade.outcome import Ending
from tests.unit.ops.moving import OPERATION, House, moved_in
from tests.unit.ops.upgrading import state, upgraded


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    yield house
    house.ledger.close()


def test_a_migration_that_prints_its_password_is_undone_as_any_other(house: House) -> None:
    house.fake_cloud.failing = "migrate"
    house.fake_cloud.words = "psycopg.Error: postgresql://product:hunter2@db/product\nDETAIL:  Key (a)=(Anna) exists."
    done = upgraded(house, "1.1.0")
    assert done.outcome.ending is Ending.UNDONE
    assert "postgresql://***@db/product" in str(done.outcome.cause)
    assert not {"hunter2", "Anna"} & set(str(house.ledger.operation(OPERATION + "0")).replace("=", " ").split())
    assert state(house) == (Lifecycle.ACTIVE, "1.0.0", "")
