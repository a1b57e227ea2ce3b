"""When a worker looks again. Pure."""

from datetime import datetime, timedelta

WATCH_EVERY = timedelta(minutes=15)
"""From one look at health and alarms to the next."""
FORECAST_EVERY = timedelta(hours=6)
_PART = 10


def watch_due(last: datetime | None, now: datetime) -> bool:
    """Whether the last look at health and alarms is old, or there was none."""
    return last is None or now - last >= WATCH_EVERY


def forecast_due(last: datetime | None, runs_out: datetime | None, now: datetime) -> bool:
    """Whether a forecast is due: the nearer the end, the sooner, after a tenth of the time that was left. `runs_out`:
    when something does at the earliest."""
    if last is None:
        return True
    left = max(timedelta(), runs_out - last) / _PART if runs_out else FORECAST_EVERY
    return now - last >= max(WATCH_EVERY, min(FORECAST_EVERY, left))
