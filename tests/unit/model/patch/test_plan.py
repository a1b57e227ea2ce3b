"""Who is patched when, and who isn't: the schedule of a rollout, with reasons of its own."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from provisioner.model.ledger import Fact
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.plan import PatchRequest, plan_patches
from provisioner.model.patch.scan import Patch, Scan, fact
from provisioner.model.rollout.candidate import Candidate
from provisioner.model.rollout.frozen import RolloutPlan, Why
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.tenant import Freeze, Hold, Pin, Window
from tests.unit.model.patch.test_judge import SSL
from tests.unit.model.rollout.fleets import NOW, candidate, fleet

REQUEST = PatchRequest("patches-2026-11-25", "sandbox", Strategy(), ())


def scanned(who: Candidate, *patches: Patch, machine: str = "i-1", hours: int = 1) -> Candidate:
    """So many hours ago, on this machine; i-1 serves."""
    assert who.record is not None
    at = NOW - timedelta(hours=hours)
    value = fact(Scan("pb-1", at, 100, patches), None, machine, "ami-1")
    facts = {"patch": Fact(value, at), "machine": Fact({"id": "i-1", "suffix": ""}, NOW)}
    return replace(who, record=replace(who.record, facts=facts))


def planned(*who: Candidate, request: PatchRequest = REQUEST) -> RolloutPlan:
    return plan_patches(request, who, NOW)


@pytest.mark.parametrize(
    ("who", "why"),
    [
        (scanned(candidate()), Why.THERE),
        (candidate(on=None), Why.ABSENT),
        (candidate(lifecycle=Lifecycle.SUSPENDED), Why.SUSPENDED),
        (candidate(lifecycle=Lifecycle.UPDATING), Why.BUSY),
        (candidate(sick="was unhealthy"), Why.SICK),
        (candidate(hold=Hold(date(2026, 11, 25), "audit", "Jane")), Why.HELD),
    ],
)
def test_who_is_left_out(who: Candidate, why: Why) -> None:
    found = planned(who)
    assert (found.waves, [item.why for item in found.left_out]) == ((), [why])


@pytest.mark.parametrize(
    "who",
    [
        candidate(),
        scanned(candidate(), SSL),
        scanned(candidate(), machine="i-0"),
        scanned(candidate(), hours=49),
        candidate(pin=Pin(), channel=None, release_source="pin", desired_release="1.1.0"),
        candidate(channel="early"),
        candidate(on="1.0.0"),
    ],
    ids=["never scanned", "missing", "another machine", "old scan", "pinned", "another channel", "an old release"],
)
def test_who_is_patched(who: Candidate) -> None:
    [step] = planned(who).tenants.values()
    assert (step.from_release, step.migration, step.undo) == (who.current, "none", "one-way")


def test_the_waves_are_those_of_any_rollout() -> None:
    found = planned(*fleet(100))
    assert [(w.name, len(w.tenants)) for w in found.waves] == [
        ("ring 0", 1),
        ("1%", 1),
        ("10%", 10),
        ("50%", 50),
        ("rest", 38),
    ]
    window = Window(("sat",), "02:00", 4)
    [step] = planned(candidate(window=window)).tenants.values()
    assert step.earliest > NOW
    assert "its window opens" in step.reason


def test_who_is_ill_is_patched_where_that_is_said() -> None:
    [step] = planned(candidate(sick="was unhealthy"), request=replace(REQUEST, mend=True)).tenants.values()
    assert step.mends


def test_the_plan_comes_back_as_it_was_frozen() -> None:
    found = planned(*fleet(5))
    again = RolloutPlan.of(json.loads(json.dumps(found.json())))
    assert (again, again.digest) == (found, found.digest)
    assert (again.work, again.what, again.moved, again.reached) == ("patch", f"of {REQUEST.name}", "patched", "patched")
    assert again.goal("t001") == "1.2.0", "its release stays"


def test_what_can_not_wait_waits_for_no_window_and_no_freeze() -> None:
    closed, everybody = Window(("sat",), "02:00", 4), Freeze(NOW, NOW + timedelta(days=9), "peak", "Jane")
    urgent = replace(REQUEST, now=True, freezes=(everybody,))
    found = planned(candidate(window=closed), request=urgent)
    [step] = found.tenants.values()
    assert (step.earliest, step.window, found.freezes, found.now) == (NOW, None, (), True)
    held = candidate(hold=Hold(date(2026, 11, 25), "audit", "Jane"))
    assert planned(held, request=urgent).waves == (), "who declines still does"
