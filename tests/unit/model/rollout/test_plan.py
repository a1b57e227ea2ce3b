"""Who is moved when, who isn't and why; and what holds for any fleet."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.errors import RefusedError
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.candidate import Candidate
from provisioner.model.rollout.edits import edits
from provisioner.model.rollout.frozen import RolloutPlan, Why
from provisioner.model.rollout.plan import plan
from provisioner.model.rollout.windows import legal
from provisioner.model.tenant import Freeze, Hold, Pin, Window
from tests.unit.model.rollout.fleets import CHEAP, NOW, RELEASES, SANDBOX, candidate, fleet, release, request, tenant

WEEKEND = Window(("sat", "sun"), "02:00", 4)
SATURDAY = datetime(2026, 11, 28, 2, tzinfo=UTC)
MONTH = Freeze(datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 12, 20, tzinfo=UTC), "peak", "Jane", (2,))
PINNED: dict[str, Any] = {"channel": None, "release_source": "pin", "desired_release": "1.1.0"}
USUAL = ("ring 0", "1%", "10%", "50%", "rest")
HOLD = Hold(date(2026, 11, 25), "audit", "Jane")


def sizes(found: RolloutPlan) -> list[tuple[str, int]]:
    return [(wave.name, len(wave.tenants)) for wave in found.waves]


@pytest.mark.parametrize(
    ("who", "why", "detail"),
    [
        (candidate(on="1.3.0"), Why.THERE, "is on 1.3.0"),
        (candidate(on="1.10.0"), Why.NEWER, "is on 1.10.0, which is newer; a rollout only goes forward"),
        (candidate(on="1.0.0"), Why.TOO_OLD, "is on 1.0.0: provision rollout start 1.1.0 first"),
        (candidate(pin=Pin("their auditors"), **PINNED), Why.PINNED, "is pinned to 1.1.0: their auditors"),
        (candidate(pin=Pin(), **PINNED), Why.PINNED, "is pinned to 1.1.0"),
        (
            candidate(pin=Pin("x", None, date(2027, 1, 1)), **PINNED),
            Why.PINNED,
            "is pinned to 1.1.0 until 2027-01-01: x",
        ),
        (
            candidate(pin=Pin("x", None, date(2026, 11, 24)), **PINNED),
            Why.PINNED,
            "is pinned to 1.1.0 (expired 2026-11-24, and holds until it is taken out): x",
        ),
        (candidate(hold=HOLD), Why.HELD, "is held until 2026-11-25 by Jane: audit"),
        (
            candidate(channel="early", desired_release="1.1.0"),
            Why.OTHER_CHANNEL,
            "follows channel early, which is at 1.1.0",
        ),
        (
            candidate(target=replace(SANDBOX, name="production")),
            Why.OTHER_TARGET,
            "is on target production: run it with --target production",
        ),
        (candidate(on=None), Why.ABSENT, "has no instance yet: provision new-tenant acme"),
        (Candidate(tenant(), None), Why.ABSENT, "has no instance yet: provision new-tenant acme"),
        (candidate(lifecycle=Lifecycle.SUSPENDED), Why.SUSPENDED, "is suspended: provision resume acme"),
        (candidate(lifecycle=Lifecycle.FAILED), Why.FAILED, "is failed: provision show acme"),
        (candidate(lifecycle=Lifecycle.UPDATING), Why.BUSY, "is updating: provision show acme"),
        (candidate(lifecycle=Lifecycle.RETIRED), Why.RETIRED, "is retired: provision show acme"),
        (candidate(lifecycle=Lifecycle.OFFBOARDING), Why.RETIRED, "is offboarding: provision show acme"),
        (candidate(lifecycle=Lifecycle.PROVISIONING), Why.ABSENT, "is provisioning: provision show acme"),
        (candidate(sick="/healthz says 503"), Why.SICK, "/healthz says 503: provision show acme"),
        (
            candidate(ring=2),
            Why.FROZEN,
            "no legal time within 14 days: frozen until Sun 2026-12-20 00:00 UTC (peak)",
        ),
        # What comes first counts
        (candidate(on="1.3.0", hold=HOLD, sick="x"), Why.THERE, "is on 1.3.0"),
        (candidate(sick="x", hold=HOLD), Why.HELD, "is held until 2026-11-25 by Jane: audit"),
    ],
)
def test_who_is_left_out_and_why(who: Candidate, why: Why, detail: str) -> None:
    (found,) = plan(request(freezes=(MONTH,)), [who], NOW).left_out
    assert (found.id, found.why, found.detail) == ("acme", why, detail)


@pytest.mark.parametrize(
    "who",
    [
        candidate(),
        candidate(on="1.1.0"),
        candidate(hold=Hold(date(2026, 11, 24), "audit", "Jane")),
        candidate(channel=None, release_source="pin", desired_release="1.3.0", pin=Pin("wanted")),
        candidate(channel="early", desired_release="1.3.0"),
    ],
)
def test_who_is_moved(who: Candidate) -> None:
    found = plan(request(), [who], NOW)
    assert list(found.tenants) == ["acme"]
    assert found.tenants["acme"].from_release == who.current
    assert found.left_out == ()


def test_a_release_without_an_image_for_the_place_leaves_out() -> None:
    wanted = replace(request(), release=replace(RELEASES["1.3.0"], images={"eu-west-1": "ami-0123456789abcdef0"}))
    (found,) = plan(wanted, [candidate()], NOW).left_out
    assert (found.why, found.detail) == (Why.NO_IMAGE, "there is none for sandbox: add releases/1.3.0/images/sandbox")


def test_a_window_that_opens_too_late_leaves_out() -> None:
    (found,) = plan(request(max_wait_days=1), [candidate(window=WEEKEND)], NOW).left_out
    assert (found.why, found.detail) == (Why.WINDOW, "no legal time within 1 day: its window doesn't open")


def test_a_yanked_release_is_refused() -> None:
    wanted = replace(request(), release=replace(RELEASES["1.3.0"], yanked="loses notes"))
    with pytest.raises(RefusedError, match=r"release 1\.3\.0 is yanked: loses notes; nothing was changed"):
        plan(wanted, [candidate()], NOW)


@pytest.mark.parametrize(
    ("count", "waves", "expected"),
    [
        (
            1000,
            USUAL,
            [("ring 0", 1), ("1%", 10), ("10%", 100), ("50%", 500), ("rest", 389)],
        ),
        (199, ("1%", "rest"), [("1%", 1), ("rest", 198)]),
        (12, USUAL, [("ring 0", 1), ("1%", 1), ("10%", 1), ("50%", 6), ("rest", 3)]),
        (2, USUAL, [("ring 0", 1), ("1%", 1)]),
        (9, ("ring 0", "ring 1", "ring 2", "ring 3"), [("ring 0", 1), ("ring 1", 2), ("ring 2", 3), ("ring 3", 3)]),
        (0, ("rest",), []),
    ],
)
def test_waves(count: int, waves: tuple[str, ...], expected: list[tuple[str, int]]) -> None:
    found = plan(request(waves=waves), fleet(count), NOW)
    assert sizes(found) == expected
    assert [wave.number for wave in found.waves] == list(range(1, len(expected) + 1))
    rings = [t.ring for t in found.tenants.values()]
    assert rings == sorted(rings)


def test_a_wave_begins_when_the_one_before_was_watched() -> None:
    windows: list[dict[str, Any]] = [{"ring": 0}, {"ring": 1, "window": WEEKEND}, {"ring": 2}]
    who = [candidate(f"t{n}", **fields) for n, fields in enumerate(windows)]
    found = plan(request(waves=("ring 0", "ring 1", "ring 5", "rest"), bake_minutes=(60, 720)), who, NOW)
    assert [(t.earliest, t.reason) for t in found.tenants.values()] == [
        (NOW, "now"),
        (SATURDAY, "its window opens Sat 2026-11-28 02:00 UTC"),
        (SATURDAY + timedelta(hours=12), "after wave 2, which is watched for 12h"),
    ]
    assert [wave.bake_minutes for wave in found.waves] == [60, 720, 0]


def test_a_freeze_that_begins_later_leaves_out_who_would_come_then() -> None:
    freeze = Freeze(NOW + timedelta(minutes=30), NOW + timedelta(days=60), "peak", "Jane")
    found = plan(request(waves=("ring 0", "rest"), freezes=(freeze,)), fleet(3), NOW)
    assert list(found.tenants) == ["t000"]
    assert [(item.id, item.why) for item in found.left_out] == [("t001", Why.FROZEN), ("t002", Why.FROZEN)]
    assert found.waves[-1].bake_minutes == 0


def test_a_step_over_several_releases_is_as_hard_as_the_hardest() -> None:
    releases = {**RELEASES, "1.2.5": release("1.2.5", 3, migration="offline", undo="needs-restore")}
    wanted = replace(request(), releases=releases)
    found = plan(wanted, [candidate("old", on="1.2.0"), candidate("new", on="1.2.5")], NOW).tenants
    assert (found["old"].migration, found["old"].undo) == ("offline", "needs-restore")
    assert (found["new"].migration, found["new"].undo) == ("online", "code-only")
    assert found["old"].verdict.startswith("needs-restore: ")


def test_the_customers_that_come_first_differ_from_release_to_release() -> None:
    first = {
        v: next(
            iter(plan(replace(request("1.2.0"), release=release(v, 2)), fleet(300, on="1.1.0", ring=2), NOW).tenants)
        )
        for v in ("1.2.1", "1.2.2", "1.2.3")
    }
    assert len(set(first.values())) > 1


HOLDS = st.sampled_from((None, HOLD))
CANDIDATES = st.lists(
    st.builds(
        lambda number, **fields: candidate(f"t{number:03}", **fields),
        st.integers(0, 300),
        ring=st.integers(0, 3),
        on=st.sampled_from(("1.0.0", "1.1.0", "1.2.0", "1.3.0", None)),
        hold=HOLDS,
        window=st.sampled_from((None, WEEKEND, Window(("mon",), "23:00", 3))),
        time_zone=st.sampled_from(("UTC", "Europe/Berlin", "Asia/Tokyo")),
        region=st.sampled_from(("eu-west-1", "us-east-1")),
        sick=st.sampled_from((None, "503")),
        lifecycle=st.sampled_from((Lifecycle.ACTIVE, Lifecycle.SUSPENDED)),
    ),
    max_size=40,
    unique_by=lambda c: c.tenant.id,
)
WAVES = st.sampled_from((USUAL, ("20%", "rest"), ("ring 2", "70%", "30%", "rest"), ("rest",)))


@CHEAP
@given(CANDIDATES, WAVES, st.randoms())
def test_waves_and_left_out_partition_the_tenants_whatever_their_order(who: Any, waves: Any, random: Any) -> None:
    wanted = request(waves=waves, freezes=(MONTH,))
    found = plan(wanted, who, NOW)
    ids = [t.id for wave in found.waves for t in wave.tenants] + [item.id for item in found.left_out]
    assert sorted(ids) == sorted(c.tenant.id for c in who)
    assert all(wave.tenants for wave in found.waves)
    for t in found.tenants.values():
        assert legal(t.earliest, t.window, t.time_zone, t.ring, found.freezes)
    mixed = list(who)
    random.shuffle(mixed)
    again = plan(wanted, mixed, NOW)
    assert again == found
    assert again.digest == found.digest


@CHEAP
@given(CANDIDATES, WAVES)
def test_a_plan_survives_json(who: Any, waves: Any) -> None:
    wanted = request(waves=waves, freezes=(MONTH,), max_errors="5%", hasty="CVE")
    found = plan(wanted, who, NOW)
    thawed = RolloutPlan.of(json.loads(json.dumps(found.json())))
    assert thawed == found
    assert thawed.digest == found.digest


def test_the_digest_is_of_everything() -> None:
    found = plan(request(freezes=(MONTH,)), fleet(5), NOW)
    others = [
        plan(request(freezes=(MONTH,), max_errors=1), fleet(5), NOW),
        plan(request(), fleet(5), NOW),
        plan(request(freezes=(MONTH,)), fleet(4), NOW),
        plan(request(freezes=(MONTH,)), fleet(5, region="us-east-1"), NOW),
        plan(replace(request(freezes=(MONTH,)), channel="early"), fleet(5), NOW),
    ]
    assert len({p.digest for p in [found, *others]}) == 6


def test_later_edits_are_told_and_those_of_tenants_that_were_moved_are_not() -> None:
    who = [candidate(f"t{n}", ring=n % 4) for n in range(5)]
    frozen = plan(request(), [*who, candidate("held", hold=HOLD)], NOW)
    fresh = plan(
        replace(request(max_errors=2, freezes=(MONTH,)), release=replace(RELEASES["1.3.0"], undo="one-way")),
        [
            candidate("t0", on="1.3.0"),
            candidate("t1", ring=1, window=WEEKEND),
            candidate("t3", ring=0, sick="503"),
            candidate("t4", ring=1, on="1.1.0"),
            candidate("held", ring=1),
            candidate("new", ring=1),
        ],
        NOW,
    )
    assert edits(frozen, frozen, set(frozen.tenants)) == []
    assert sorted(edits(frozen, fresh, {"t1", "t2", "t3", "t4"})) == sorted(
        [
            "release 1.3.0 is described otherwise",
            "strategy built-in isn't the one that it was started with (built-in)",
            "the freezes are others",
            "t1: its window is another",
            "t2: is gone from the registry, or not selected any more",
            "t3: 503: provision show t3",
            "t4: is in ring 1, and was in ring 0",
            "t4: is on 1.1.0, and was on 1.2.0",
            "held: was left out (held), and could be moved now",
            "new: is new, and no part of it",
        ]
    )
