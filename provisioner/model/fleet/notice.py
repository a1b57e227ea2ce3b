"""Notices: what is told the outside when something begins to need a person, gets worse, or is over. Pure.

A look finds needs; the ledger keeps which were there at the last look, and the difference is what there is to tell. So
a need is told once, however long it lasts, and one that comes and goes within minutes isn't told again.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from provisioner.model.fleet.needs import Need, Weight
from provisioner.model.json import Json, JsonDict

LINGERS = timedelta(minutes=10)
"""How long a need must be gone before it is over."""
PAUSES = (60, 300, 900, 3600, 3600 * 6)
"""Seconds after the first, second ... failed try; after the last one always so many."""
MOST_TRIES = 16
"""About three days."""
_MOST_CHANGES = 50


class NoticeStatus(StrEnum):
    """Where a notice is. A dropped one's endpoint is gone from the registry."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given-up"
    DROPPED = "dropped"


class Turn(StrEnum):
    """What has changed about a need."""

    BEGUN = "begun"
    WORSE = "worse"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is told. `secret`: where the key of signatures is, `env:NAME` or `file:PATH`; `least`: needs of less weight
    aren't told; `topics`: only these, all where none is said."""

    name: str
    url: str
    secret: str
    least: Weight = Weight.NOW
    topics: tuple[str, ...] = ()

    def wants(self, need: Need) -> bool:
        """Whether it is told of this one."""
        return need.weight >= self.least and (not self.topics or need.topic in self.topics)


@dataclass(frozen=True, slots=True)
class OpenNeed:
    """A need as the ledger keeps it: the heaviest that it was, since when, and when it was seen last."""

    tenant: str
    need: Need
    since: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One turn of one need."""

    turn: Turn
    open: OpenNeed


@dataclass(frozen=True, slots=True)
class Notice:
    """One message in the outbox. `body` is what is sent; `next_at`: not tried before."""

    id: str
    endpoint: str
    body: JsonDict
    status: NoticeStatus
    made_at: datetime
    attempts: int
    next_at: datetime
    error: str | None = None


Found = Mapping[tuple[str, str], Need]
"""All needs of a look, by tenant and key."""
Announce = Callable[[Sequence[Change]], Sequence[tuple[str, JsonDict]]]
"""Who is told what: endpoints with bodies."""


def turns(before: Sequence[OpenNeed], found: Found, now: datetime) -> tuple[list[OpenNeed], list[Change]]:
    """What is open from now on, and what has changed."""
    known = {(old.tenant, old.need.key): old for old in before}
    after, changes = [], []
    for place, need in found.items():
        old = known.get(place)
        heaviest = old.need.weight if old else Weight.WELL
        kept = OpenNeed(place[0], _at_least(need, heaviest), old.since if old else now, now)
        after.append(kept)
        if need.weight > heaviest:
            changes.append(Change(Turn.WORSE if old else Turn.BEGUN, kept))
    for place, old in known.items():
        if place in found:
            continue
        if now - old.seen_at < LINGERS:
            after.append(old)
        else:
            changes.append(Change(Turn.OVER, old))
    return after, changes


def announcer(endpoints: Sequence[Endpoint]) -> Announce:
    """For each endpoint that wants any of the changes one body with all of them: `text` in words, as chats take it."""

    def announce(changes: Sequence[Change]) -> list[tuple[str, JsonDict]]:
        bodies = []
        for endpoint in endpoints:
            wanted = sorted((c for c in changes if endpoint.wants(c.open.need)), key=_order)
            if wanted:
                bodies.append((endpoint.name, _body(wanted)))
        return bodies

    return announce


def sign(secret: bytes, moment: int, body: bytes) -> str:
    """The header `Provision-Signature`: `t=MOMENT,v1=HEX`, HMAC-SHA256 over `MOMENT.BODY`. Who checks it refuses an old
    moment, so that nothing is played back."""
    signed = hmac.new(secret, f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={signed}"


def pause(attempts: int) -> timedelta:
    """After so many failed tries."""
    return timedelta(seconds=PAUSES[min(attempts, len(PAUSES)) - 1])


def _at_least(need: Need, weight: Weight) -> Need:
    return need if need.weight >= weight else Need(need.key, need.topic, weight, need.why, need.next)


def _order(change: Change) -> tuple[bool, int, str, str]:
    return change.turn is Turn.OVER, -change.open.need.weight, change.open.tenant, change.open.need.key


def _body(changes: Sequence[Change]) -> JsonDict:
    told = changes[:_MOST_CHANGES]
    more = len(changes) - len(told)
    lines = [_words(c) for c in told] + ([f"and {more} more: provision status"] if more else [])
    listed: list[Json] = [
        {
            "turn": str(c.turn),
            "tenant": c.open.tenant,
            "key": c.open.need.key,
            "topic": c.open.need.topic,
            "weight": c.open.need.weight.word,
            "why": c.open.need.why,
            "next": c.open.need.next,
            "since": c.open.since.astimezone(UTC).isoformat(timespec="seconds"),
        }
        for c in told
    ]
    return {"text": "\n".join(lines), "changes": listed, "more": more}


def _words(change: Change) -> str:
    need, tenant = change.open.need, change.open.tenant
    if change.turn is Turn.OVER:
        return f"{tenant}: over: {need.why}"
    return f"{tenant}: {need.why}" + (f" ({need.next})" if need.next else "")


class NoticeStore(Protocol):
    """What was seen and is to be told, in the ledger."""

    def note_needs(self, found: Found, announce: Announce) -> int:
        """Keep what a look found, and put what is to be told of it into the outbox, in one transaction. How many
        notices were put there."""

    def open_needs(self) -> list[OpenNeed]:
        """As the last look found them, and those that may not be over yet."""

    def take_notices(self, claim: timedelta, *, limit: int = 20) -> list[Notice]:
        """Those that are due, oldest first, with this try counted. For the time `claim` they are this caller's."""

    def set_notice(self, notice_id: str, status: NoticeStatus, *, at: datetime, error: str | None = None) -> None:
        """How a try ended; `at`: when the next one is due."""

    def notices(self, *, due: bool = False, limit: int = 50) -> list[Notice]:
        """Newest first; with `due` only those that wait and may be tried now."""
