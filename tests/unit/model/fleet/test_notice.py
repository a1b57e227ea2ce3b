"""A need is told once, when it gets worse, and when it is over; signatures can be checked."""

import hashlib
import hmac
from datetime import timedelta

from provisioner.model.fleet.needs import Need, Weight
from provisioner.model.fleet.notice import LINGERS, PAUSES, Endpoint, OpenNeed, Turn, announcer, pause, sign, turns
from tests.unit.model.fleet.people import NOW

SOON, WORSE = Need("drill", "recovery", Weight.SOON, "late", "do it"), Need("drill", "recovery", Weight.NOW, "failed")
PLACE = ("acme", "drill")


def said(
    before: list[OpenNeed], found: dict[tuple[str, str], Need], later: timedelta
) -> tuple[list[OpenNeed], list[Turn]]:
    after, changes = turns(before, found, NOW + later)
    return after, [c.turn for c in changes]


def test_told_once_then_worse_then_over_and_not_for_a_moment() -> None:
    minute = timedelta(minutes=1)
    known, told = said([], {PLACE: SOON}, timedelta())
    assert told == [Turn.BEGUN]
    known, told = said(known, {PLACE: SOON}, minute)
    assert told == []
    known, told = said(known, {PLACE: WORSE}, 2 * minute)
    assert told == [Turn.WORSE]
    known, told = said(known, {PLACE: SOON}, 3 * minute)
    assert told == [], "it is still as bad as it was told"
    known, told = said(known, {}, 4 * minute)
    assert (len(known), told) == (1, []), "it may come back"
    known, told = said(known, {PLACE: SOON}, 5 * minute)
    assert told == []
    known, told = said(known, {}, 5 * minute + LINGERS)
    assert (known, told) == ([], [Turn.OVER])


def test_an_endpoint_gets_what_it_wants_in_one_message() -> None:
    _, changes = turns(
        [], {("acme", "drill"): SOON, ("beta", "health"): Need("health", "health", Weight.NOW, "ill")}, NOW
    )
    quiet = Endpoint("quiet", "https://x", "env:X")
    loud = Endpoint("loud", "https://x", "env:X", Weight.SOON)
    picky = Endpoint("picky", "https://x", "env:X", Weight.LATER, ("drift",))
    bodies = dict(announcer([quiet, loud, picky])(changes))
    assert sorted(bodies) == ["loud", "quiet"]
    assert bodies["quiet"]["text"] == "beta: ill"
    assert bodies["loud"]["text"] == "beta: ill\nacme: late (do it)"
    assert [c["turn"] for c in bodies["loud"]["changes"]] == ["begun", "begun"]  # type: ignore[index, union-attr, call-overload]


def test_many_changes_are_one_message_of_bounded_length() -> None:
    found = {(f"t{n}", "health"): Need("health", "health", Weight.NOW, "ill") for n in range(80)}
    ((_, body),) = announcer([Endpoint("x", "https://x", "env:X")])(turns([], found, NOW)[1])
    assert body["more"] == 30
    assert str(body["text"]).endswith("and 30 more: provision status")


def test_a_receiver_can_check_the_signature() -> None:
    header = sign(b"key", 1_700_000_000, b"{}")
    moment, signature = (part.partition("=")[2] for part in header.split(","))
    assert signature == hmac.new(b"key", f"{moment}.{{}}".encode(), hashlib.sha256).hexdigest()
    assert sign(b"key", 1_700_000_000, b"[]") != header
    assert sign(b"other", 1_700_000_000, b"{}") != header


def test_tries_come_less_often() -> None:
    assert [pause(n).total_seconds() for n in (1, 2, len(PAUSES), 99)] == [60, 300, PAUSES[-1], PAUSES[-1]]
