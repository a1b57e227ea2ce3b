"""Fixtures for the floors that need a whole installation."""

from collections.abc import Iterator

import pytest

from tests.installation import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation for a test module; its sandbox is started by the first command that needs it."""
    made = Installation(tmp_path_factory.mktemp("installation"))
    yield made
    made.end()
