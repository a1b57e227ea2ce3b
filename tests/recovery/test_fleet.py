"""A small fleet drilled at once. `python -m benchmarks.drills` does the same with twenty tenants, and measures it."""

from pathlib import Path

import pytest

from benchmarks.drills import drill, figures, fleet
from tests.installation import Installation, only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


@only_exhaustive
def test_three_tenants_two_at_once(installation: Installation, tmp_path: Path) -> None:
    fleet(installation, 3)
    done = drill(installation, 2, tmp_path / "report.html")
    assert done.left == []
    assert 1 <= done.most <= 2, "no more at the same time than was said"
    names = [f"fleet-{n:02}" for n in range(3)]
    assert [(r["tenant"], r["verdict"]) for r in done.rows] == [(name, "passed") for name in names]
    assert [(r["tenant"], r["breaches"]) for r in done.report] == [(name, "") for name in names]
    assert all(name in done.page for name in names)
    assert "3 tenants, 0 of them with a promise that isn't kept" in done.page
    assert "MISSED" not in {f.verdict for f in figures(done, 2)}
    assert len({r["hash"] for r in done.rows}) == 3, "each has its own line of the journal"
    installation.ok("operations", "journal", "--verify")
