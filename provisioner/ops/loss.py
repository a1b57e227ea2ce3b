"""What a restore costs, in words: how much the product will no longer have, and where it can still be found."""

from datetime import date, datetime, timedelta


def loss(tenant_id: str, owner: str, moment: datetime, now: datetime, until: date, missing: str | None) -> str:
    """What is written before it is asked. `moment`: whose data it will have; `until`: the last day on which the
    database that is replaced is kept; `missing`: why the present can't be kept, where it can't."""
    if owner != tenant_id:
        gone = f"all that {tenant_id} has now is replaced by what {owner} had at {moment:%Y-%m-%d %H:%M} UTC"
        return gone + (f"; the present can't be kept: {missing}" if missing else "")
    gone = f"{span(now - moment)} of writes since {moment:%Y-%m-%d %H:%M} UTC will be gone from {tenant_id}; "
    if missing:
        return gone + f"the present can't be kept: {missing}"
    return (
        gone + f"they stay in the database that is replaced, which is kept until {until}, and in a recovery point of "
        "the present"
    )


def span(length: timedelta) -> str:
    """As "3h12m", "2d4h" or "45s"."""
    seconds = max(0, int(length.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    if days:
        return f"{days}d{hours}h"
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m" if minutes else f"{seconds}s"
