"""A fleet in three rings: a good release goes through, and each bad one stops in its first wave.

It has twelve tenants and all bad releases in `make proofs`; in CI two, and the one that fails while nobody serves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from provisioner.model.rollout.states import RolloutStatus, StepState
from tests.faults.rollouts.fleet import (
    LONG,
    bodies,
    channel,
    ledger,
    machines,
    make_fleet,
    newest,
    patiently,
    prints,
    serves,
    unchanged,
    url,
    write,
)
from tests.faults.rollouts.writer import Writer
from tests.installation import EXHAUSTIVE, Installation, only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(1800)]

SIZES = {"zero": 2, "one": 4, "two": 6} if EXHAUSTIVE else {"zero": 1, "one": 0, "two": 1}
RINGS = {f"{name}-{n}": ring for ring, (name, size) in enumerate(SIZES.items()) for n in range(size)}
FIRST = [tenant for tenant, ring in RINGS.items() if ring == 0]
BEFORE, GOOD = ("1.1.0", ("1.2.0", "1.3.0")) if EXHAUSTIVE else ("1.2.0", ("1.3.0",))
ONLINE = {"1.2.0": 2.0}
"""Releases for which nobody has to stop, and the longest time in seconds without an answer."""


@dataclass(frozen=True, slots=True)
class Bad:
    """`strategy`: under which it is rolled out; `seen`: what is said of it."""

    strategy: str
    seen: str


BAD = {
    "1.4.0": Bad("default", "the new release didn't pass the gate: unreachable"),
    "1.5.0": Bad("careful", 'check constraint "content_fits"'),
    "1.7.0": Bad("careful", "schema"),
    "1.6.0": Bad("patient", "too many open files"),
}
IN_CI = ("1.5.0",)


@pytest.fixture(scope="module")
def fleet(installation: Installation) -> Installation:
    """The tenants, with notes: those of ring 0 have one that is long."""
    make_fleet(installation, RINGS, BEFORE)
    write(installation, RINGS, "first", "second")
    write(installation, FIRST, LONG)
    return installation


@pytest.fixture(scope="module")
def moved(fleet: Installation) -> dict[str, Writer]:
    """The fleet, moved to each good release in turn. Returns who wrote meanwhile."""
    writers: dict[str, Writer] = {}
    for release in GOOD:
        with Writer(url(fleet, "two-0"), f"during-{release}") as writers[release]:
            patiently(fleet, "rollout", "start", release, "--yes")
    return writers


def test_a_good_release_goes_through_all_waves(fleet: Installation, moved: dict[str, Writer]) -> None:
    record, known = newest(fleet), ledger(fleet)
    assert record.status is RolloutStatus.SUCCEEDED
    assert [sorted(t.id for t in wave.tenants) for wave in record.plan.waves] == [
        sorted(t for t, r in RINGS.items() if r == ring) for ring in sorted({*RINGS.values()})
    ]
    assert {row.state for row in record.rows} == {StepState.SUCCEEDED}
    begun = {row.tenant: known.operation(str(row.operation)).started_at for row in record.rows}  # type: ignore[union-attr]
    ended = {row.tenant: row.ended_at for row in record.rows}
    for before, after in zip(record.plan.waves, record.plan.waves[1:], strict=False):
        last = max(ended[t.id] for t in before.tenants)  # type: ignore[type-var]
        assert last is not None
        assert last <= min(begun[t.id] for t in after.tenants), "no wave begins before the one before it is over"
    for tenant in RINGS:
        assert serves(fleet, tenant, GOOD[-1])["schema_version"] == 3
        kept = bodies(fleet, tenant)
        assert kept[:2] == ["first", "second"]
    assert {tenant: len(found) for tenant, found in machines(fleet).items()} == dict.fromkeys(RINGS, 1)
    assert len(fleet.client("rds").describe_db_instances()["DBInstances"]) == len(RINGS)
    assert channel(fleet) == GOOD[-1], "the channel moves at the end"


def test_no_write_is_lost_while_its_tenant_is_moved(
    fleet: Installation, moved: dict[str, Writer], record_property: Callable[[str, object], None]
) -> None:
    there = bodies(fleet, "two-0")
    for release, writer in moved.items():
        record_property("measured", f"rollout to {release} of {len(RINGS)} tenants: {writer.told()}")
        writer.check(there)
        assert writer.gap < ONLINE.get(release, 60.0), writer.told()


@pytest.mark.parametrize("release", [pytest.param(r, marks=[] if r in IN_CI else only_exhaustive, id=r) for r in BAD])
def test_a_bad_release_stops_in_its_first_wave(fleet: Installation, moved: dict[str, Writer], release: str) -> None:
    stops(fleet, release, BAD[release])


@only_exhaustive
def test_what_falls_ill_after_the_switch_is_taken_back_when_its_loss_is_accepted(
    fleet: Installation, moved: dict[str, Writer]
) -> None:
    """1.6.0 again, with a gate that is too short to see it: the bake time does, when both of the wave may have been
    moved. Between 1.3.0 and it there is a release that needs a restore to go back, so nobody is taken back without
    being asked."""
    bad = Bad("watchful", "it was well after the switch, and is no more: ")
    touched = halted(fleet, "1.6.0", bad, {StepState.BROKEN, StepState.SUCCEEDED})
    kept, record = {tenant: bodies(fleet, tenant) for tenant in touched}, newest(fleet)
    assert StepState.BROKEN in {row.state for row in record.rows}
    refused = fleet.run("rollout", "rollback", "--yes")
    assert refused.code == 2, refused.stderr
    assert "of writes since" in refused.stderr
    patiently(fleet, "rollout", "rollback", "--accept-loss")
    assert newest(fleet).id == record.id
    assert newest(fleet).status is RolloutStatus.ROLLED_BACK
    for tenant in touched:
        serves(fleet, tenant, GOOD[-1])
        assert bodies(fleet, tenant) == kept[tenant], "nothing was written since"


def stops(fleet: Installation, release: str, bad: Bad) -> None:
    """The release, rolled out to all: it halts in ring 0, who was touched serves again, and nobody else notices."""
    notes = {tenant: bodies(fleet, tenant) for tenant in FIRST}
    for tenant in halted(fleet, release, bad, {StepState.FAILED}):
        serves(fleet, tenant, GOOD[-1])
        assert bodies(fleet, tenant) == notes[tenant], "no note is lost"
        write(fleet, [tenant], f"after {release}")
    assert {tenant: len(found) for tenant, found in machines(fleet).items()} == dict.fromkeys(RINGS, 1)
    fleet.ok("rollout", "abort", "--reason", "it is bad")


def halted(fleet: Installation, release: str, bad: Bad, states: set[StepState]) -> list[str]:
    """Roll it out, and look at what is left of it: those that were touched, which are returned, are in these states."""
    before = prints(fleet, RINGS)
    done = patiently(fleet, "rollout", "start", release, "--strategy", bad.strategy, "--yes", code=3)
    record = newest(fleet)
    assert (record.plan.release, record.status) == (release, RolloutStatus.HALTED)
    touched = [row.tenant for row in record.rows if row.state is not StepState.WAITING]
    assert touched, "somebody was the first"
    assert set(touched) <= set(FIRST), "nobody of another ring was touched"
    assert {row.state for row in record.rows if row.tenant in touched} <= states
    left = [tenant for tenant in RINGS if tenant not in touched]
    unchanged({t: before[t] for t in left}, prints(fleet, left))
    assert channel(fleet) == GOOD[-1]
    assert bad.seen in record.cause
    assert any(tenant in record.cause for tenant in touched)
    for words in (f"rollout {record.id}", record.cause, str(record.hint)):
        assert " ".join(words.split()) in " ".join(done.stderr.split()), "cause and next command are said"
    return touched
