"""What `provision skew` prints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from provisioner.cli.plain import plain
from provisioner.cli.tables import age, grid, show
from provisioner.model.fleet.skew import Skew

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ["tenant", "on", "main", "off by", "upgrades", "since", "cause", "detail"]


@dataclass(frozen=True, slots=True)
class SkewView:
    """Who is off the main line."""

    tenants: Sequence[Skew]


@show.register(SkewView)
def _(result: SkewView, console: "Console") -> None:
    if not result.tenants:
        console.print("all are on the main line", markup=False)
        return
    grid(console, _COLUMNS, [_cells(s) for s in result.tenants], words=True)
    for hint in dict.fromkeys(s.next for s in result.tenants if s.next):
        console.print(f"next: {hint}", markup=False, soft_wrap=True)


def _cells(row: Skew) -> list[Any]:
    off = f"{row.behind} behind" if row.behind >= 0 else f"{-row.behind} ahead"
    way = "none" if row.steps is None and row.behind > 0 else row.steps
    since = f"{row.since:%Y-%m-%d} ({age(row.since)})" if row.since else "unknown"
    return [row.tenant, row.on, row.main, off, way, since, row.cause, row.detail]


@plain.register
def _(value: SkewView) -> Any:
    return [plain(s) for s in value.tenants]
