"""What `provision forecast` prints."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from provisioner.cli.plain import plain
from provisioner.cli.tables import grid, show
from provisioner.model.errors import ExitCode
from provisioner.model.forecast.forecast import Forecast, Verdict
from provisioner.model.forecast.resources import Growth
from provisioner.ops.forecast import Outlook, TenantOutlook

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ["tenant", "resource", "used", "of", "runs out", "between", "growing", "remarks"]
_SOON = timedelta(days=3)
_FIRST = {Verdict.RUNS_OUT: 0, Verdict.UNKNOWN: 1, Verdict.NOT_BEFORE: 2}
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Answers for tenants; `exit_code`: of those that couldn't be asked."""

    tenants: Sequence[TenantOutlook]
    exit_code: ExitCode = ExitCode.DONE

    @property
    def rows(self) -> list[tuple[str, Outlook]]:
        """What runs out, soonest first; then what isn't known; then the rest."""
        return sorted(((t.tenant, o) for t in self.tenants for o in t.outlooks), key=_urgency)


def _urgency(row: tuple[str, Outlook]) -> tuple[int, datetime]:
    found = row[1].forecast
    return _FIRST[found.verdict], found.at or found.until or _LAST


@plain.register
def _(value: Forecasts) -> Any:
    return [
        {
            "tenant": tenant,
            "resource": str(o.resource),
            "unit": o.unit,
            **{f.name: plain(getattr(o.forecast, f.name)) for f in fields(o.forecast)},
            "grow": plain(o.grow),
        }
        for tenant, o in value.rows
    ]


@show.register(Forecasts)
def _(result: Forecasts, console: "Console") -> None:
    now = datetime.now(UTC)
    rows = [_cells(tenant, outlook, now) for tenant, outlook in result.rows]
    grid(console, _COLUMNS, rows, words=True)
    console.print("between: with 80 % confidence; growing: the next step up, by the list prices of docs/aws.md")
    for error in [t.error for t in result.tenants if t.error is not None and t.error.hint]:
        console.print(f"next: {error.hint}", markup=False)


def _cells(tenant: str, outlook: Outlook, now: datetime) -> list[str | None]:
    found = outlook.forecast
    return [
        tenant,
        str(outlook.resource),
        _amount(found.used, outlook.unit),
        _amount(found.capacity, outlook.unit),
        _when(found, now),
        _between(found, now),
        _growing(outlook.grow),
        "; ".join(filter(None, [found.why, *found.notes])),
    ]


def _when(found: Forecast, now: datetime) -> str:
    if found.at is not None:
        return _moment(found.at, now)
    return f"not before {_moment(found.until, now)}" if found.until is not None else "unknown"


def _between(found: Forecast, now: datetime) -> str | None:
    if found.at is None or found.earliest is None:
        return None
    return f"{_moment(found.earliest, now)} - {_moment(found.latest, now) if found.latest else 'later'}"


def _moment(at: datetime, now: datetime) -> str:
    """A day; the minute too where it is near."""
    return f"{at:%Y-%m-%d %H:%M}" if at - now < _SOON else f"{at:%Y-%m-%d}"


def _growing(grow: Growth | None) -> str | None:
    if grow is None:
        return None
    unit = " GiB" if isinstance(grow.value, int) else ""
    return f"{grow.value}{unit}: " + ("price unknown" if grow.usd is None else f"{grow.usd:+.2f} USD a month")


def _amount(value: float | None, unit: str) -> str | None:
    if value is None:
        return None
    number = f"{value:.2f}" if unit == "GiB" and value < 10 else f"{value:.0f}"
    return f"{number} {unit}".rstrip()
