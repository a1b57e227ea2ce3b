"""Fixtures of the use cases' tests."""

from pathlib import Path

import pytest

from tests.unit.ops.fakes import FakeHouse


@pytest.fixture
def house(tmp_path: Path) -> FakeHouse:
    return FakeHouse(tmp_path)
