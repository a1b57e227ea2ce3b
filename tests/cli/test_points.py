"""What `backup list` says of a recovery point's proof."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.cli.framework import Selection
from provisioner.cli.points import listing
from provisioner.model.recovery import Verdict
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import backed_up, made


@pytest.mark.parametrize(
    ("verdict", "was_proven", "words"),
    [
        (None, False, "never"),
        (Verdict.PASSED, True, " ago"),
        (Verdict.INCONCLUSIVE, True, " ago"),
        (Verdict.INCONCLUSIVE, False, "never"),
        (Verdict.FAILED, True, "no longer"),
        (Verdict.FAILED, False, "never"),
    ],
)
def test_the_newest_drill_decides(tmp_path: Path, verdict: Verdict | None, was_proven: bool, words: str) -> None:
    house = FakeHouse(tmp_path)
    made(house, "acme")
    point = backed_up(house)
    at = point.taken_at + timedelta(hours=1) if was_proven else None
    house.ledger.save_point(replace(point, verdict=verdict, proven_at=at))
    session: Any = SimpleNamespace(app=house)
    table = listing(session, Selection(), [], deleted=False)
    [row] = table.rows
    assert str(row["proven"]).endswith(words)
    assert row["verdict"] == verdict
    assert {"proven", "verdict"} <= set(table.columns)
