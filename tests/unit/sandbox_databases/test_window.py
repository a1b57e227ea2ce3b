"""Weekly windows."""

from datetime import UTC, datetime

import pytest

from provisioner.sandbox.databases.window import is_open


@pytest.mark.parametrize(
    ("window", "moment", "expected"),
    [
        ("wed:06:38-wed:07:08", datetime(2026, 11, 25, 6, 38, tzinfo=UTC), True),
        ("wed:06:38-wed:07:08", datetime(2026, 11, 25, 7, 7, 59, tzinfo=UTC), True),
        ("wed:06:38-wed:07:08", datetime(2026, 11, 25, 7, 8, tzinfo=UTC), False),
        ("wed:06:38-wed:07:08", datetime(2026, 11, 24, 6, 50, tzinfo=UTC), False),
        ("sun:23:45-mon:00:15", datetime(2026, 11, 23, 0, 10, tzinfo=UTC), True),
        ("sun:23:45-mon:00:15", datetime(2026, 11, 22, 23, 50, tzinfo=UTC), True),
        ("sun:23:45-mon:00:15", datetime(2026, 11, 23, 0, 15, tzinfo=UTC), False),
    ],
)
def test_is_open(window: str, moment: datetime, expected: bool) -> None:
    assert is_open(window, moment) is expected
