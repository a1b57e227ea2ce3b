"""What a tenant costs: the document's table is the module's, and what isn't known isn't guessed."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import registry
from provisioner.model.prices import Cost, monthly, total
from provisioner.model.tenant import Sizing

ROOT = Path(__file__).parents[3]
TIERS = registry.load(ROOT / "tenants.yaml").tiers
NAMES = ("trial", "standard", "enterprise")


def _table() -> dict[str, list[int | None]]:
    """The rows of "What it costs" in docs/aws.md: whole USD by tier, None for a hyphen."""
    section = (ROOT / "docs/aws.md").read_text().split("## What it costs")[1].split("\n## ")[0]
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in section.splitlines() if line[:1] == "|"]
    assert rows[0] == ["", *NAMES]
    return {name: [_whole(cell) for cell in cells] for name, *cells in rows[2:]}


def _whole(cell: str) -> int | None:
    found = re.search(r"\d+", cell)
    return int(found[0]) if found else None


@pytest.mark.parametrize("column", range(len(NAMES)), ids=NAMES)
def test_the_table_in_the_document_is_this_modules(column: int) -> None:
    costs = monthly(TIERS[NAMES[column]].sizing)
    rows = _table()
    sums = {"sum": total(costs), "while suspended": total(costs, suspended=True)}
    expected = {c.item: c.usd for c in costs} | sums
    assert {name: cells[column] for name, cells in rows.items() if cells[column] is not None} == {
        name: round(usd or 0) for name, usd in expected.items()
    }


@pytest.mark.parametrize("column", range(len(NAMES)), ids=NAMES)
def test_the_table_names_the_tiers_sizes(column: int) -> None:
    text = (ROOT / "docs/aws.md").read_text()
    sizing = TIERS[NAMES[column]].sizing
    cells = {line.split("|")[1].strip(): line.split("|")[column + 2] for line in text.splitlines() if line[:1] == "|"}
    standby = ", standby" if sizing.multi_az else ""
    twice = ", twice" if sizing.multi_az else ""
    assert f"({sizing.instance_type})" in cells["machine"]
    assert f"({sizing.root_disk_gib} GB)" in cells["disk"]
    assert f"({sizing.database_class}{standby})" in cells["database"]
    assert f"({sizing.database_storage_gib} GB{twice})" in cells["database storage"]


def test_what_computes_stops_and_what_keeps_goes_on() -> None:
    stopped = {c.item for c in monthly(_sizing()) if not c.while_suspended}
    assert stopped == {
        "machine",
        "detailed monitoring of the machine",
        "database",
        "balancer's load",
        "logs, as they are written",
    }


@pytest.mark.parametrize(
    ("setting", "value", "item"),
    [
        ("instance_type", "x9z.large", "machine"),
        ("instance_type", "m7g.nano", "machine"),
        ("instance_type", "large", "machine"),
        ("database_class", "db.t9.large", "database"),
        ("database_class", "db.t4g.nano", "database"),
    ],
)
def test_what_is_not_known_is_not_guessed(setting: str, value: str, item: str) -> None:
    other: dict[str, Any] = {setting: value}
    costs = monthly(replace(_sizing(), **other))
    assert [c.item for c in costs if c.usd is None] == [item]
    assert total(costs) is None
    assert total(costs, suspended=True) == total(monthly(_sizing()), suspended=True)


def test_twice_the_size_is_twice_the_price_and_a_standby_is_another_database() -> None:
    small, large = _sizing(), replace(_sizing(), instance_type="m7g.xlarge", multi_az=False)
    assert _usd(large, "machine") == pytest.approx(2 * _usd(small, "machine"))
    assert _usd(small, "database") == pytest.approx(2 * _usd(large, "database"))
    assert _usd(small, "database storage") == pytest.approx(2 * _usd(large, "database storage"))


def test_nothing_costs_nothing() -> None:
    assert total([]) == 0
    assert total([Cost("address", 3.65, while_suspended=False)], suspended=True) == 0


def _sizing() -> Sizing:
    return TIERS["standard"].sizing


def _usd(sizing: Sizing, item: str) -> float:
    (usd,) = (c.usd for c in monthly(sizing) if c.item == item)
    assert usd is not None
    return usd
