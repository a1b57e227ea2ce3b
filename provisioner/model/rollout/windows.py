"""When a tenant may be changed: its maintenance window, on its own clock, and the fleet's freezes.

A window is a promise to a customer, who reads it on a clock on the wall. So it closes when its hours are over or when
that clock shows their end, whatever comes first: a change of the clock never makes it longer. A time that the clock
leaves out is the moment at which it jumps; one that it shows twice is the first of the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from provisioner.model.tenant import Freeze, Window

HORIZON = timedelta(days=400)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_LONGEST_GAP = 16  # days: an opening a week, and one of them may fall into an hour that the clock leaves out


class Bar(StrEnum):
    """What keeps a tenant from being changed at once."""

    NONE = "none"
    WINDOW = "window"
    FROZEN = "frozen"


@dataclass(frozen=True, slots=True)
class Opening:
    """A window is open from `start` and before `end`, both in UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """The earliest legal time, in UTC; None where there is none before the horizon. `bar`: what is in the way; `why`:
    the same in words."""

    at: datetime | None
    bar: Bar
    why: str


def opening(window: Window, zone: str, at: datetime) -> Opening | None:
    """The opening that `at` is in, else the first one after it."""
    place = ZoneInfo(zone)
    hour, minute = map(int, window.start.split(":"))
    today = at.astimezone(place).replace(hour=hour, minute=minute, second=0, microsecond=0, tzinfo=None)
    for number in range(-2, _LONGEST_GAP):  # one that began on the days before may still be open
        local = today + number * _DAY
        if _DAYS[local.weekday()] not in window.days:
            continue
        start, hours = _instant(local, place), timedelta(hours=window.hours)
        end = min(start + hours, _instant(local + hours, place))
        if start < end and at < end:
            return Opening(start, end)
    return None


def is_open(window: Window | None, zone: str, at: datetime) -> bool:
    """Whether a tenant may be changed at `at`, as far as its window goes. Without one: always."""
    if window is None:
        return True
    found = opening(window, zone, at)
    return found is not None and found.start <= at


def frozen(freezes: Sequence[Freeze], ring: int, at: datetime) -> Freeze | None:
    """The freeze that holds for a ring at `at`; of several the one that ends last."""
    holding = [f for f in freezes if f.start <= at < f.end and (not f.rings or ring in f.rings)]
    return max(holding, key=lambda f: f.end, default=None)


def earliest(
    at: datetime,
    window: Window | None,
    zone: str,
    ring: int,
    freezes: Sequence[Freeze],
    horizon: timedelta = HORIZON,
) -> Slot:
    """The first time from `at` on that is in the window and in no freeze."""
    time, last, waits = at, None, False
    while time - at <= horizon:
        freeze = frozen(freezes, ring, time)
        if freeze is not None:
            time, last, waits = freeze.end, freeze, False
            continue
        found = None if window is None else opening(window, zone, time)
        if window is not None and found is None:
            break
        if found is None or found.start <= time:
            return _slot(time, last, zone if waits else None)
        time, waits = found.start, True
    limit = f"no legal time within {horizon.days} day{'s' * (horizon.days != 1)}"
    if last is not None:
        return Slot(None, Bar.FROZEN, f"{limit}: {_frozen(last)}")
    return Slot(None, Bar.WINDOW, f"{limit}: its window doesn't open")


def legal(at: datetime, window: Window | None, zone: str, ring: int, freezes: Sequence[Freeze]) -> bool:
    """Whether a tenant may be changed at this very moment."""
    return frozen(freezes, ring, at) is None and is_open(window, zone, at)


def shown(at: datetime, zone: str = "UTC") -> str:
    """`Sat 2026-11-28 02:00 Europe/Berlin`."""
    return f"{at.astimezone(ZoneInfo(zone)):%a %Y-%m-%d %H:%M} {zone}"


def _slot(time: datetime, last: Freeze | None, zone: str | None) -> Slot:
    facts = ([_frozen(last)] if last else []) + ([f"its window opens {shown(time, zone)}"] if zone else [])
    bar = Bar.FROZEN if last else Bar.WINDOW if zone else Bar.NONE
    return Slot(time, bar, "; ".join(facts) or "now")


def _frozen(freeze: Freeze) -> str:
    return f"frozen until {shown(freeze.end)} ({freeze.reason})"


def _instant(local: datetime, place: ZoneInfo) -> datetime:
    """When a clock on the wall shows a time; where it leaves it out: when it jumps."""
    first = local.replace(tzinfo=place, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=place, fold=1).astimezone(UTC)
    if first <= second:
        return first
    before = second.astimezone(place).utcoffset()
    low, high = second, first
    while (seconds := int((high - low).total_seconds())) > 1:
        middle = low + timedelta(seconds=seconds // 2)
        low, high = (middle, high) if middle.astimezone(place).utcoffset() == before else (low, middle)
    return high
