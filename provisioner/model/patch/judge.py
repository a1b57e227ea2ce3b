"""Whether a tenant keeps its tier's deadlines for patches. Pure: by fact, policy, exceptions and time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from provisioner.model.patch.policy import PatchException, PatchPolicy
from provisioner.model.patch.scan import Patch, open_of

_STALE = 3
"""So many times `scan_hours` without a scan: nothing is known any more."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Open:
    """A patch that isn't in effect, with its deadline. `exception`: it may be, until a day."""

    patch: Patch
    due: datetime
    exception: PatchException | None = None

    def missed(self, now: datetime) -> bool:
        """Whether its deadline is over."""
        return self.exception is None and self.due < now


@dataclass(frozen=True, slots=True)
class Standing:
    """How a tenant stands. `missed`: past their deadline; `next_due`: the next one that isn't over; `breaches`: what
    isn't kept, in words, empty where all is."""

    scanned_at: datetime | None
    open: tuple[Open, ...]
    missed: tuple[Open, ...]
    next_due: datetime | None
    breaches: tuple[str, ...]


def judge(
    value: Mapping[str, Any] | None,
    machine: str | None,
    policy: PatchPolicy,
    exceptions: Sequence[PatchException],
    now: datetime,
) -> Standing:
    """`value`: the fact `patch`; `machine`: the one that serves now, of which alone a scan says something."""
    if value is None:
        return Standing(None, (), (), None, ("it was never scanned",))
    at = datetime.fromisoformat(value["scanned_at"])
    found = tuple(
        Open(p, (p.since or at) + policy.days.of(p.severity), covered(p, exceptions, now)) for p in open_of(value)
    )
    missed = tuple(o for o in found if o.missed(now))
    breaches = []
    if machine is not None and value["machine"] != machine:
        breaches.append("its machine was replaced, and wasn't scanned since")
    elif now - at > timedelta(hours=_STALE * policy.scan_hours):
        breaches.append(f"its last scan is {(now - at).days} days old, and nothing is known since")
    if missed:
        breaches.append(_missed(missed))
    ahead = [o.due for o in found if o.exception is None and o.due >= now]
    return Standing(at, found, missed, min(ahead, default=None), tuple(breaches))


def covered(patch: Patch, exceptions: Sequence[PatchException], now: datetime) -> PatchException | None:
    """The exception that holds for a patch."""
    today = now.astimezone(UTC).date()
    return next((e for e in exceptions if e.expires >= today and patch.known_as(e.advisory)), None)


def _missed(missed: Sequence[Open]) -> str:
    words = [f"{o.patch.name} ({o.patch.severity}, {o.patch.state}, due {o.due:%Y-%m-%d})" for o in missed[:_NAMED]]
    more = f" and {len(missed) - _NAMED} more" if len(missed) > _NAMED else ""
    return f"{len(missed)} past the deadline: {', '.join(words)}{more}"
