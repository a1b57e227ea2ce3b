"""What undoing a release would take, and what it would lose, in words: said before it is started, and again before
anything is undone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

from provisioner.model.tenant import Release
from provisioner.model.versions import version_key

Migration = Literal["none", "online", "offline"]
Undo = Literal["code-only", "needs-restore", "one-way"]
_MIGRATIONS: tuple[Migration, ...] = ("none", "online", "offline")
_UNDOS: tuple[Undo, ...] = ("code-only", "needs-restore", "one-way")


def combined(releases: Mapping[str, Release], source: str, goal: Release) -> tuple[Migration, Undo]:
    """Migration and undo of one step over several releases: the hardest of all that lie between, the goal with them.
    The goal's migration brings what they would have brought, too."""
    low, high = version_key(source), version_key(goal.version)
    over = [goal, *(r for v, r in releases.items() if low < version_key(v) < high)]
    return max((r.migration for r in over), key=_MIGRATIONS.index), max((r.undo for r in over), key=_UNDOS.index)


def before(source: str, goal: str, migration: Migration, undo: Undo, newest: datetime | None, now: datetime) -> str:
    """The verdict of a tenant's step, before it is begun. `newest`: when its newest recovery point was taken."""
    point = "it has no recovery point yet" if newest is None else f"its newest one is {age(now - newest)} old"
    taken = f"(a point is taken before; {point})"
    if undo == "one-way":
        return f"one-way: {source} can't come back, only a release after {goal} helps {taken}"
    if undo == "needs-restore":
        lost = "all that is written after the change would be lost"
        return f"needs-restore: going back to {source} stops and asks, for {lost} {taken}"
    if migration == "none":
        return f"code-only: undone by itself, {source} serves again, nothing is lost"
    return f"code-only: undone by itself, {source} serves again on the new schema, nothing is lost"


def loss(taken_at: datetime, now: datetime, newest_write: datetime | None = None) -> str:
    """What a restore of a recovery point loses: `3h12m of writes since 14:02 UTC`. `newest_write`: where it is known
    that nothing was written after it. The day is said where it isn't today."""
    if newest_write is not None and newest_write <= taken_at:
        return "nothing: nothing was written since"
    taken = taken_at.astimezone(UTC)
    since = f"{taken:%H:%M} UTC" if taken.date() == now.astimezone(UTC).date() else f"{taken:%Y-%m-%d %H:%M} UTC"
    return f"{age((newest_write or now) - taken_at)} of writes since {since}"


def undoing(source: str, undo: Undo, taken_at: datetime | None, now: datetime, write: datetime | None = None) -> str:
    """What an operator must know before one tenant is taken back to `source` now."""
    if undo == "code-only":
        return f"{source} serves again; nothing is lost"
    if undo == "one-way":
        return f"it can't go back to {source}: only a newer release helps"
    if taken_at is None:
        return f"it can't go back to {source}: there is no recovery point from before the change"
    return f"going back to {source} restores the recovery point from before the change, and loses " + loss(
        taken_at, now, write
    )


def age(span: timedelta) -> str:
    """`40s`, `12m`, `3h12m`, `2d4h`."""
    seconds = max(0, int(span.total_seconds()))
    for size, unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "m")):
        if seconds >= size:
            rest = seconds % size // small
            return f"{seconds // size}{unit}" + (f"{rest}{small_unit}" if rest else "")
    return f"{seconds // 60}m" if seconds >= 60 else f"{seconds}s"
