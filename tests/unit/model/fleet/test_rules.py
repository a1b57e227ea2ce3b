"""Who needs a person, how much, and what for: each rule with what sets it off and what doesn't."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from provisioner.model.fleet.needs import TOPICS, Weight
from provisioner.model.fleet.rules import needs_of
from provisioner.model.fleet.standing import Known, known, standing
from provisioner.model.fleet.work import Rolling, RollingStep, Task, Work
from provisioner.model.ledger import OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.states import RolloutStatus, StepState
from provisioner.model.tenant import Pin
from tests.unit.model.fleet.people import NOW, WELL, acme, needs, record
from tests.unit.ops.fakes import tenant

_NOTHING = Work({}, ())


def ends(days: float) -> dict[str, Any]:
    at = (NOW + timedelta(days=days)).isoformat()
    return {"resource": "disk", "at": (NOW + timedelta(days=days * 2)).isoformat(), "earliest": at}


def patch(**changes: Any) -> dict[str, Any]:
    return {**WELL["patch"], **changes}


def drift(**changes: Any) -> dict[str, Any]:
    return {**WELL["drift"], **changes}


def test_who_is_well_needs_nobody() -> None:
    assert needs(acme()) == {}


ALARM = {"name": "database-space", "reason": "Threshold crossed", "since": NOW.isoformat()}
OLD = NOW - timedelta(days=20)


@pytest.mark.parametrize(
    ("facts", "key", "weight"),
    [
        ({"health": {"status": "unhealthy", "detail": "HTTP 503"}}, "health", Weight.NOW),
        ({"health": {"status": "unreachable"}}, "health", Weight.NOW),
        ({"outage": {"operation": "x", "at": NOW.isoformat()}}, "outage", Weight.NOW),
        ({"alarms": {"firing": [ALARM], "silent": []}}, "alarm-database-space", Weight.NOW),
        ({"forecast": ends(-1)}, "capacity-disk", Weight.NOW),
        ({"forecast": ends(2)}, "capacity-disk", Weight.NOW),
        ({"forecast": ends(10)}, "capacity-disk", Weight.SOON),
        ({"forecast": ends(40)}, "capacity-disk", Weight.LATER),
        ({"drift": drift(regression=1)}, "drift-regression", Weight.NOW),
        ({"drift": drift(outage=1)}, "drift-outage", Weight.NOW),
        ({"drift": drift(unknown=1)}, "drift-unknown", Weight.LATER),
        ({"patch": patch(deadline_missed=2, critical=2)}, "patch-deadline", Weight.NOW),
        ({"patch": patch(critical=1, next_deadline=OLD.isoformat())}, "patch-deadline", Weight.NOW),
        ({"patch": patch(critical=1)}, "patch-critical", Weight.SOON),
        ({"patch": patch(failed=1)}, "patch-failed", Weight.SOON),
        ({"patch": patch(pending_reboot=True)}, "patch-reboot", Weight.LATER),
        ({"backup": None}, "backup", Weight.NOW),
        ({"backup": {"taken_at": OLD.isoformat()}}, "backup", Weight.NOW),
        ({"drill": {"verdict": "failed", "proven_at": NOW.isoformat()}}, "drill-failed", Weight.NOW),
        ({"drill": None}, "drill", Weight.SOON),
        ({"health": (WELL["health"], OLD)}, "unseen", Weight.LATER),
        ({"alarms": None}, "unseen", Weight.LATER),
    ],
)
def test_each_way_to_need_a_person(facts: dict[str, Any], key: str, weight: Weight) -> None:
    found = needs(acme(**facts))
    assert list(found) == [key]
    assert found[key].weight is weight
    assert found[key].topic in TOPICS
    assert found[key].why
    assert (found[key].next or "").startswith("provision ")


@pytest.mark.parametrize(
    "facts",
    [
        {"health": {"status": "suspended"}},
        {"outage": {"operation": "x", "at": NOW.isoformat(), "until": NOW.isoformat()}},
        {"alarms": {"firing": [], "silent": ["machine-cpu"]}},
        {"forecast": ends(46)},
        {"drift": drift(harmless=3, planned=2, changes=3)},
        {"patch": patch(important=3, next_deadline=(NOW + timedelta(days=1)).isoformat())},
    ],
)
def test_and_what_needs_nobody(facts: dict[str, Any]) -> None:
    assert needs(acme(**facts)) == {}


def test_the_next_command_grows_what_runs_out() -> None:
    size = tenant().sizing.root_disk_gib
    found = needs(acme(forecast=ends(2)))["capacity-disk"]
    assert found.next == f"provision resize acme --disk {-(-size * 3 // 2)}"


def task(status: OperationStatus, **more: Any) -> Task:
    return Task("op-1", "apply", "acme", status, NOW, **more)


@pytest.mark.parametrize(
    ("given", "key"),
    [
        (task(OperationStatus.FAILED, error="no capacity"), "operation"),
        (task(OperationStatus.INTERRUPTED), "operation"),
        (task(OperationStatus.RUNNING), "operation"),
        (task(OperationStatus.RUNNING, busy=True), None),
        (task(OperationStatus.QUEUED), None),
    ],
)
def test_an_operation_needs_somebody_unless_somebody_is_at_it(given: Task, key: str | None) -> None:
    found = needs(Known("acme", tenant(), record(lifecycle=Lifecycle.UPDATING), given))
    assert list(found) == ([key] if key else [])
    if key:
        assert found[key].next == "provision operations resume op-1"


def test_who_is_failed_says_why_once() -> None:
    failed = replace(record(lifecycle=Lifecycle.FAILED), cause="no capacity")
    assert needs(Known("acme", tenant(), failed))["failed"].why == "no capacity"
    both = needs(Known("acme", tenant(), failed, task(OperationStatus.FAILED, error="no capacity")))
    assert list(both) == ["operation"]


@pytest.mark.parametrize(
    ("state", "weight"),
    [
        (StepState.BROKEN, Weight.NOW),
        (StepState.FAILED, Weight.SOON),
        (StepState.SUCCEEDED, None),
        (StepState.WAITING, None),
    ],
)
def test_a_step_of_a_rollout_that_went_wrong(state: StepState, weight: Weight | None) -> None:
    step = RollingStep("acme", state, "it does not start")
    rolling = Rolling("r-1", "upgrade", "1.1.0", RolloutStatus.HALTED, "", None, NOW, False, (step,))
    found = [n.weight for n in needs_of(Known("acme", tenant(), record(), rolling=(rolling, step)), NOW)]
    assert found == ([weight] if weight else [])


def test_what_the_registry_itself_says() -> None:
    yesterday = NOW.date() - timedelta(days=1)
    assert list(needs(Known("acme", tenant(), None))) == ["never-made"]
    assert list(needs(Known("acme", None, record()))) == ["orphaned"]
    assert list(needs(Known("acme", tenant(expires=yesterday), record()))) == ["expired"]
    pinned = tenant(pin=Pin("their auditors", "Jane", date(2026, 1, 1)))
    assert list(needs(Known("acme", pinned, record()))) == ["pin-expired"]


def test_a_suspended_one_is_left_in_peace() -> None:
    asleep = record(lifecycle=Lifecycle.SUSPENDED, backup=None, drill=None, health={"status": "unreachable"})
    assert needs(Known("acme", tenant(), asleep)) == {}


def test_the_most_urgent_comes_first_and_of_two_that_fill_up_the_one_with_less_time() -> None:
    records = [
        record("a", drift=drift(unknown=1)),
        record("b"),
        record("c", forecast=ends(2)),
        record("d", forecast=ends(1)),
        record("e", forecast=ends(10)),
        record("f", health={"status": "unhealthy"}),
        record("g", lifecycle=Lifecycle.RETIRED),
    ]
    found = known([tenant(r.id) for r in records[:6]], records, _NOTHING)
    rows = sorted((standing(k, ["1.0.0"], NOW) for k in found), key=lambda row: row.order)
    assert [row.id for row in rows] == ["f", "d", "c", "e", "a", "b"]
    assert [row.weight.word for row in rows] == ["now", "now", "now", "soon", "later", "well"]


def test_behind_counts_what_may_be_had() -> None:
    offered = ["1.0.0", "1.1.0", "1.3.0"]
    row = standing(Known("acme", tenant(desired_release="1.3.0"), record()), offered, NOW)
    assert row.behind == 2
    ahead = standing(Known("acme", tenant(), replace(record(), assigned_release="1.3.0")), offered, NOW)
    assert ahead.behind == -2
    assert standing(Known("acme", tenant(), None), offered, NOW).behind is None
