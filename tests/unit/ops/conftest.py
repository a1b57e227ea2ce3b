"""Fixtures of the use cases' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.rolling import Fleet


@pytest.fixture
def house(tmp_path: Path) -> FakeHouse:
    return FakeHouse(tmp_path)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path)
    yield fleet
    fleet.ledger.close()
