"""Fixtures of the kill tests of recovery."""

from collections.abc import Iterator

import pytest

from tests.faults.recovery.forks import Forked

pytest.register_assert_rewrite("tests.faults.recovery.life")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    """An installation for a test module, whose commands are forked."""
    made = Forked(tmp_path_factory.mktemp("installation"))
    yield made
    made.end()
