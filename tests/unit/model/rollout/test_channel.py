"""Whether a channel moves: only to what most of its followers were seen to run on."""

from dataclasses import replace
from typing import Any

import pytest

from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.candidate import Candidate
from provisioner.model.rollout.channel import stays
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.plan import plan
from provisioner.model.rollout.states import RolloutStatus
from provisioner.model.tenant import Hold, Pin
from tests.unit.model.rollout.fleets import NOW, SANDBOX, candidate, request
from tests.unit.model.rollout.test_decide import LOOSE, asked, planned, rows
from tests.unit.model.rollout.test_plan import HOLD, PINNED

HELD: dict[str, Any] = {"hold": HOLD}
THERE: dict[str, Any] = {"on": "1.3.0"}


def found(*who: Candidate) -> RolloutPlan:
    return plan(replace(request(), channel_from="1.2.0"), who, NOW)


@pytest.mark.parametrize(
    "other",
    [
        candidate("b", **THERE),
        candidate("b", on="1.10.0"),
        candidate("b", lifecycle=Lifecycle.SUSPENDED, **THERE),
        candidate("b", pin=Pin("their auditors"), **PINNED),
        candidate("b", pin=Pin("x"), hold=Hold(HOLD.until, "audit", "Jane"), **PINNED),
        candidate("b", on=None),
        candidate("b", lifecycle=Lifecycle.RETIRED),
        candidate("b", channel="early", desired_release="1.1.0"),
        candidate("b", channel="early", lifecycle=Lifecycle.FAILED),
        candidate("b", target=replace(SANDBOX, name="production")),
    ],
)
def test_without_a_wave_it_moves_where_every_follower_is_there(other: Candidate) -> None:
    seen = found(candidate("a", **THERE), other)
    assert (seen.waves, seen.channel, seen.channel_from, seen.stays) == ((), "stable", "1.2.0", None)


@pytest.mark.parametrize(
    "other",
    [
        candidate("b", **HELD),
        candidate("b", sick="/healthz says 503"),
        candidate("b", sick="/healthz says 503", **THERE),
        candidate("b", on="1.0.0"),
        candidate("b", lifecycle=Lifecycle.SUSPENDED),
        candidate("b", lifecycle=Lifecycle.FAILED, **THERE),
        candidate("b", lifecycle=Lifecycle.UPDATING),
    ],
)
def test_without_a_wave_one_that_is_not_there_keeps_it(other: Candidate) -> None:
    seen = found(*(candidate(f"a{n}", **THERE) for n in range(9)), other)
    assert (seen.waves, seen.channel, seen.channel_from) == ((), None, None)
    assert seen.stays == (
        "1 of its 10 followers can't be moved to 1.3.0 now; a rollout moves it when all are there, or: set "
        "channels/stable"
    )


def test_of_a_fleet_of_which_most_are_left_out_it_stays_and_the_count_is_said() -> None:
    held = [candidate(f"h{n}", **HELD) for n in range(6)]
    few = [candidate("a", ring=0), *(candidate(f"t{n}", **THERE) for n in range(4))]
    seen = found(*few, *held)
    assert seen.waves
    assert seen.channel is None
    assert seen.stays == (
        "only 5 of its 11 followers are on 1.3.0 or would be moved; a later rollout moves it when more are there"
    )
    assert found(*few, *held[:5]).channel == "stable"


def test_the_count_survives_being_frozen() -> None:
    seen = found(candidate("a"), candidate("b", **THERE), candidate("c", **HELD))
    assert (seen.there, seen.behind) == (1, 1)
    assert RolloutPlan.of(seen.json()) == seen


UNPROVEN = "t0 succeeded, t1 succeeded, "


@pytest.mark.parametrize(
    ("text", "status", "why"),
    [
        (UNPROVEN + "t2 succeeded, t3 failed: x", "succeeded", None),
        # Like any other wave, the last one has to show something
        (UNPROVEN + "t2 quarantined: disk full, t3 quarantined: key is disabled", "paused", None),
        (UNPROVEN + "t2 failed: x, t3 skipped", "paused", None),
        # Whoever skips all of it lets the rollout end; nothing is known of it all the same
        (UNPROVEN + "t2 skipped, t3 skipped", "succeeded", "nobody of wave 2 (rest) was moved"),
        (UNPROVEN + "t2 skipped: by an operator (before: failed), t3 skipped", "succeeded", "nobody of"),
    ],
)
def test_at_its_end(text: str, status: str, why: str | None) -> None:
    frozen = planned(4, **LOOSE)
    end = asked(frozen, text)
    assert end.status is RolloutStatus(status)
    seen = stays(frozen, rows(text)) if status == "succeeded" else None
    assert str(seen).startswith(str(why))
    assert (f"; channel stable stays where it is: {why}" in end.cause) is (why is not None)


def test_at_its_end_most_of_the_followers_must_be_there() -> None:
    text = "t0 succeeded, t1 skipped, t2 succeeded, t3 quarantined: disk full, t4 skipped, t5 skipped"
    end = asked(planned(6, **LOOSE), text)
    assert end.cause == (
        "2 on 1.3.0, 1 quarantined, 3 skipped; channel stable stays where it is: only 2 of its 6 followers are on 1.3.0"
    )
    many = replace(planned(6, **LOOSE), there=2)
    assert stays(many, rows(text)) is None
    assert stays(replace(many, behind=1), rows(text)) == "only 4 of its 9 followers are on 1.3.0"
    assert stays(replace(many, channel=None, stays="only selected tenants are moved"), rows(text)) == (
        "only selected tenants are moved"
    )
