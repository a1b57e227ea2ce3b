"""When a tenant may be changed: changes of the clock, midnight, freezes, and what holds for any window."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.rollout.windows import Bar, earliest, frozen, is_open, legal, opening
from provisioner.model.tenant import Freeze, Window
from tests.unit.model.rollout.fleets import CHEAP

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def freeze(start: str, end: str, reason: str = "peak", rings: tuple[int, ...] = ()) -> Freeze:
    return Freeze(at(start), at(end), reason, "Jane", rings)


@pytest.mark.parametrize(
    ("window", "zone", "now", "start", "end"),
    [
        # A plain night of a weekend
        (Window(("sat", "sun"), "02:00", 4), "UTC", "2026-11-25T12:00", "2026-11-28T02:00", "2026-11-28T06:00"),
        (Window(("sat", "sun"), "02:00", 4), BERLIN, "2026-11-25T12:00", "2026-11-28T01:00", "2026-11-28T05:00"),
        # Open already; the last moment; the moment of its end
        (Window(("sat",), "02:00", 4), "UTC", "2026-11-28T05:59", "2026-11-28T02:00", "2026-11-28T06:00"),
        (Window(("sat",), "02:00", 4), "UTC", "2026-11-28T06:00", "2026-12-05T02:00", "2026-12-05T06:00"),
        # Over midnight: Friday's window is open on Saturday, though Saturday isn't one of its days
        (Window(("fri",), "22:00", 6), "UTC", "2026-11-28T03:00", "2026-11-27T22:00", "2026-11-28T04:00"),
        (Window(("fri",), "00:00", 24), "UTC", "2026-11-27T23:59", "2026-11-27T00:00", "2026-11-28T00:00"),
        # The day is the tenant's: Saturday in Auckland begins on Friday in UTC
        (Window(("sat",), "02:00", 2), "Pacific/Auckland", "2026-11-25T12:00", "2026-11-27T13:00", "2026-11-27T15:00"),
        # The clock jumps from 02:00 to 03:00 on 2027-03-28 in Berlin: 02:00 to 06:00 is three hours
        (Window(("sun",), "02:00", 4), BERLIN, "2027-03-27T12:00", "2027-03-28T01:00", "2027-03-28T04:00"),
        # 02:30 is left out: it opens as the clock jumps
        (Window(("sun",), "02:30", 4), BERLIN, "2027-03-27T12:00", "2027-03-28T01:00", "2027-03-28T04:30"),
        # The whole window is left out: the next one
        (Window(("sun",), "02:00", 1), BERLIN, "2027-03-27T12:00", "2027-04-04T00:00", "2027-04-04T01:00"),
        # Its end is left out: it closes as the clock jumps
        (Window(("sun",), "01:30", 1), BERLIN, "2027-03-27T12:00", "2027-03-28T00:30", "2027-03-28T01:00"),
        # 02:00 to 03:00 is there twice on 2026-10-25: four hours are four hours
        (Window(("sun",), "01:00", 4), BERLIN, "2026-10-24T12:00", "2026-10-24T23:00", "2026-10-25T03:00"),
        (Window(("sun",), "02:30", 1), BERLIN, "2026-10-24T12:00", "2026-10-25T00:30", "2026-10-25T01:30"),
        # Half an hour of summer time on Lord Howe Island, at 02:00 of 2026-10-04
        (
            Window(("sun",), "01:00", 2),
            "Australia/Lord_Howe",
            "2026-10-03T00:00",
            "2026-10-03T14:30",
            "2026-10-03T16:00",
        ),
    ],
)
def test_an_opening(window: Window, zone: str, now: str, start: str, end: str) -> None:
    found = opening(window, zone, at(now))
    assert found is not None
    assert (found.start, found.end) == (at(start), at(end))


WEEKEND = Window(("sat", "sun"), "02:00", 4)
CHRISTMAS = freeze("2026-12-19", "2027-01-05")


@pytest.mark.parametrize(
    ("now", "window", "freezes", "when", "bar", "why"),
    [
        ("2026-11-25T12:00", None, (), "2026-11-25T12:00", Bar.NONE, "now"),
        ("2026-11-28T02:00", WEEKEND, (), "2026-11-28T02:00", Bar.NONE, "now"),
        (
            "2026-11-25T12:00",
            WEEKEND,
            (),
            "2026-11-28T01:00",
            Bar.WINDOW,
            "its window opens Sat 2026-11-28 02:00 Europe/Berlin",
        ),
        (
            "2026-12-24T12:00",
            None,
            (CHRISTMAS,),
            "2027-01-05T00:00",
            Bar.FROZEN,
            "frozen until Tue 2027-01-05 00:00 UTC (peak)",
        ),
        (
            "2026-12-18T12:00",
            WEEKEND,
            (CHRISTMAS,),
            "2027-01-09T01:00",
            Bar.FROZEN,
            "frozen until Tue 2027-01-05 00:00 UTC (peak); its window opens Sat 2027-01-09 02:00 Europe/Berlin",
        ),
        # One freeze after another
        (
            "2026-12-24T12:00",
            None,
            (CHRISTMAS, freeze("2027-01-05", "2027-01-06", "stocktaking")),
            "2027-01-06T00:00",
            Bar.FROZEN,
            "frozen until Wed 2027-01-06 00:00 UTC (stocktaking)",
        ),
        # A freeze ends while the window is open
        (
            "2026-11-27T12:00",
            WEEKEND,
            (freeze("2026-11-27", "2026-11-28T03:00"),),
            "2026-11-28T03:00",
            Bar.FROZEN,
            "frozen until Sat 2026-11-28 03:00 UTC (peak)",
        ),
        # A freeze of other rings
        (
            "2026-12-24T12:00",
            None,
            (freeze("2026-12-19", "2027-01-05", "x", (0, 3)),),
            "2026-12-24T12:00",
            Bar.NONE,
            "now",
        ),
        (
            "2026-12-24T12:00",
            None,
            (freeze("2026-12-01", "2029-01-01"),),
            None,
            Bar.FROZEN,
            "no legal time within 400 days: frozen until Mon 2029-01-01 00:00 UTC (peak)",
        ),
    ],
)
def test_the_earliest_legal_time(
    now: str, window: Window | None, freezes: tuple[Freeze, ...], when: str | None, bar: Bar, why: str
) -> None:
    slot = earliest(at(now), window, BERLIN, 2, freezes)
    assert (slot.at, slot.bar, slot.why) == (when and at(when), bar, why)


def test_a_window_beyond_the_horizon_is_no_legal_time() -> None:
    slot = earliest(at("2026-11-25T12:00"), WEEKEND, "UTC", 2, (), timedelta(days=1))
    assert (slot.at, slot.bar, slot.why) == (None, Bar.WINDOW, "no legal time within 1 day: its window doesn't open")


def test_of_several_freezes_the_one_that_ends_last_holds() -> None:
    short = freeze("2026-12-20", "2026-12-21")
    assert frozen((short, CHRISTMAS), 2, at("2026-12-20T01:00")) is CHRISTMAS
    assert frozen((short,), 2, at("2026-12-21")) is None


ZONES = ("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "Africa/Cairo")
TIMES = st.integers(0, 4 * 366 * 24 * 60).map(lambda minutes: at("2025-01-01") + timedelta(minutes=minutes))
WINDOWS = st.builds(
    Window,
    st.lists(st.sampled_from(DAYS), min_size=1, unique=True).map(tuple),
    st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from((0, 15, 30, 59))),
    st.integers(1, 24),
)
FREEZES = st.lists(
    st.builds(
        lambda start, hours, rings: Freeze(start, start + timedelta(hours=hours), "x", "Jane", tuple(rings)),
        TIMES,
        st.integers(1, 24 * 30),
        st.lists(st.integers(0, 3), max_size=2, unique=True),
    ),
    max_size=4,
).map(tuple)


def promised(window: Window, zone: str, moment: datetime) -> bool:
    """Whether the customer's clock shows a time of the window: what they were promised, said without openings."""
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    hour, minute = map(int, window.start.split(":"))
    starts = (local.replace(hour=hour, minute=minute, second=0, microsecond=0) - timedelta(days=n) for n in (0, 1))
    return any(DAYS[s.weekday()] in window.days and s <= local < s + timedelta(hours=window.hours) for s in starts)


@CHEAP
@given(WINDOWS, st.sampled_from(ZONES), TIMES)
def test_it_is_only_open_when_the_customers_clock_says_so(window: Window, zone: str, now: datetime) -> None:
    assert not is_open(window, zone, now) or promised(window, zone, now)
    found = opening(window, zone, now)
    assert found is not None
    assert now < found.end
    assert timedelta() < found.end - found.start <= timedelta(hours=window.hours)
    for moment in (found.start, found.end - timedelta(seconds=1)):
        assert promised(window, zone, moment)


@CHEAP
@given(st.one_of(st.none(), WINDOWS), st.sampled_from(ZONES), st.integers(0, 3), FREEZES, TIMES, st.floats(0, 1))
def test_the_earliest_time_is_legal_and_none_before_it_is(
    window: Window | None, zone: str, ring: int, freezes: tuple[Freeze, ...], now: datetime, part: float
) -> None:
    slot = earliest(now, window, zone, ring, freezes)
    assert slot.at is not None
    assert slot.at >= now
    assert legal(slot.at, window, zone, ring, freezes)
    assert (slot.bar is Bar.NONE) == (slot.at == now)
    assert slot.at == now or not legal(now + (slot.at - now) * part * 0.999, window, zone, ring, freezes)
