"""The floor that needs a real Pulumi CLI. Where there is none, its tests are skipped, and the summary says so."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pulumi_cli.real import CLI, MISSING

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark what lies here; skip it where it can't run."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.pulumi_cli)
            if CLI is None:
                item.add_marker(pytest.mark.skip(reason=MISSING))
