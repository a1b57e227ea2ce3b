"""Weekly windows as RDS writes them: `ddd:hh:mm-ddd:hh:mm`, UTC."""

from datetime import datetime

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEK = 7 * 24 * 60


def is_open(window: str, now: datetime) -> bool:
    """Whether `now` (UTC) is within the window, which may go over the end of a week."""
    start, _, end = window.partition("-")
    moment = (now.weekday() * 24 + now.hour) * 60 + now.minute
    return (moment - _minute(start)) % _WEEK < (_minute(end) - _minute(start)) % _WEEK


def _minute(text: str) -> int:
    day, hour, minute = text.split(":")
    return (_DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)
