"""A fleet with mixed packages is patched in waves: a package that can't be installed on one tenant stops its wave, and
that tenant serves on. Killed between any two steps, the same rollout goes on.

In `make proofs` only: in CI one tenant is patched in tests/cli/test_change.py, and killed over fakes in tests/unit/ops.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from provisioner.model.rollout.states import RolloutStatus, StepState
from provisioner.ops.patch.steps import PATCH
from tests.faults.patches.packages import Feed, boot, critical, lay, states
from tests.faults.recovery.life import kill_inside
from tests.faults.rollouts.fleet import (
    bodies,
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
from tests.faults.rollouts.proofs import attempts, each_step_once, journal
from tests.faults.rollouts.test_killed import dies
from tests.faults.rollouts.writer import Writer
from tests.forks import Forked
from tests.installation import only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(1800), only_exhaustive]

SIZES = {"zero": 2, "one": 4, "two": 6}
RINGS = {f"{name}-{n}": ring for ring, (name, size) in enumerate(SIZES.items()) for n in range(size)}
LAME, UNTOUCHED = "one-0", [tenant for tenant, ring in RINGS.items() if ring == 2]
RELEASE = "1.2.0"
MIXES: tuple[dict[str, str], ...] = (
    {},
    {"zlib": "1.2.12"},
    {"xz": "5.6.1", "curl": "8.4.0"},
    {"sudo": "1.9.5", "expat": "2.6.0", "kernel": "6.1.76"},
)
"""Beside or in place of the feed's `base`."""
STEPS = ("baseline", "scan", "mark", "snapshot", "copy", "install", "database", "reboot", "gate", "rescan", "finish")
POINTS = tuple(f"{step}:{when}" for step in STEPS for when in ("before", "after"))


@dataclass(frozen=True, slots=True)
class Fleet:
    """The tenants, on a sandbox that reads this feed."""

    at: Forked
    feed: Feed


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("patches")
    made = Fleet(Forked(folder, "tests.faults.rollouts.moments"), Feed(folder / "feed.json"))
    try:
        made.at.ok("sandbox", "start", **made.feed.environment)
        make_fleet(made.at, RINGS, RELEASE)
        write(made.at, RINGS, "first")
        for number, tenant in enumerate(RINGS):
            lay(made.at, tenant, MIXES[number % len(MIXES)])
        yield made
    finally:
        made.at.end()


def scanned(fleet: Fleet) -> dict[str, Any]:
    rows = patiently(fleet.at, "patch", "scan", "--all", "-o", "json").json
    return {row["tenant"]: row["found"] for row in rows}


@pytest.fixture(scope="module")
def before(fleet: Fleet) -> dict[str, Any]:
    """What is missing, by tenant."""
    return scanned(fleet)


@pytest.fixture(scope="module")
def stopped(fleet: Fleet, before: dict[str, Any]) -> Writer:
    """A rollout of patches, of which one can't be installed on one tenant. Returns who wrote to that one meanwhile."""
    fleet.feed.break_("expat", f'[ "$TENANT" != {LAME} ] || {{ echo its key is unknown >&2; exit 7; }}')
    had = prints(fleet.at, UNTOUCHED)
    with Writer(url(fleet.at, LAME), "during") as writer:
        patiently(fleet.at, "patch", "install", "--yes", code=3)
    unchanged(had, prints(fleet.at, UNTOUCHED))
    return writer


def test_all_have_something_critical(before: dict[str, Any]) -> None:
    assert before.keys() == RINGS.keys()
    assert all(found["critical"] for found in before.values())
    assert len({frozenset(p["id"] for p in found["open"]) for found in before.values()}) == len(MIXES)


def test_one_whose_package_fails_stops_its_wave_is_named_and_serves_on(fleet: Fleet, stopped: Writer) -> None:
    record = newest(fleet.at)
    assert (record.status, record.plan.work) == (RolloutStatus.HALTED, "patch")
    rows = {row.tenant: row for row in record.rows}
    assert {rows[t].state for t, ring in RINGS.items() if ring == 0} == {StepState.SUCCEEDED}
    assert {rows[t].state for t in UNTOUCHED} == {StepState.WAITING}
    assert [t for t, row in rows.items() if row.state is StepState.FAILED] == [LAME]
    cause = rows[LAME].cause or ""
    assert cause.startswith(f"package expat.x86_64:2.6.3 of {LAME} couldn't be installed"), cause
    assert "its key is unknown" in cause
    shown = fleet.at.run("rollout", "status")
    assert (shown.code, cause in shown.stdout + shown.stderr) == (3, True)
    serves(fleet.at, LAME, RELEASE)
    stopped.check(bodies(fleet.at, LAME))
    assert stopped.refused == [], "it isn't even rebooted"
    assert states(fleet.at, LAME)["expat"] in ("Failed", "Missing")


def test_mended_it_goes_on_and_closes_all_critical_advisories(
    fleet: Fleet, before: dict[str, Any], stopped: Writer
) -> None:
    fleet.feed.mend()
    had = machines(fleet.at)
    patiently(fleet.at, "rollout", "retry-failed")
    record = newest(fleet.at)
    assert (record.status, {row.state for row in record.rows}) == (RolloutStatus.SUCCEEDED, {StepState.SUCCEEDED})
    assert machines(fleet.at) == had, "in place"
    after = scanned(fleet)
    for tenant in RINGS:
        serves(fleet.at, tenant, RELEASE)
        assert bodies(fleet.at, tenant)[0] == "first"
        assert (critical(fleet.at, tenant), after[tenant]["critical"], after[tenant]["open"]) == (0, 0, [])
        assert set(states(fleet.at, tenant).values()) <= {"Installed", "InstalledOther", "InstalledRejected"}
        proof: Any = ledger(fleet.at).evidence(tenant=tenant, kind=PATCH)[0].body
        assert not any(proof["after"].values())
        assert proof["rebooted"] is any(p["id"].startswith("kernel") for p in before[tenant]["open"])
    closed: Any = ledger(fleet.at).evidence(tenant="zero-0", kind=PATCH)[0].body["closed"]
    assert {p["id"] for p in closed} == {p["id"] for p in before["zero-0"]["open"]}
    assert all(p["in_time"] and p["cves"] for p in closed if p["severity"] == "critical")
    report = fleet.at.ok("patch", "report", "-o", "json").json
    assert {row["tenant"]: (row["critical"], row["breaches"]) for row in report} == dict.fromkeys(RINGS, (0, ""))
    assert [r["state"] for r in fleet.at.ok("patch", "plan", "-o", "json").json["waves"]] == []


def test_killed_between_all_steps_it_goes_on_and_reboots_once(fleet: Fleet, stopped: Writer) -> None:
    tenant = "zero-0"
    lay(fleet.at, tenant, {"kernel": "6.1.66", "curl": "8.3.0"})
    scanned(fleet)
    had = boot(fleet.at, tenant)
    boots = set[str]()
    start, go_on = ("patch", "install", tenant, "--yes"), ("rollout", "resume")
    dies(fleet.at, start, PROVISION_MOMENT="begin_operation.patch:after")
    for point in POINTS:
        dies(fleet.at, go_on, PROVISION_FAILPOINT=point)
        if STEPS.index(point.partition(":")[0]) > STEPS.index("reboot"):
            boots.add(boot(fleet.at, tenant))
    patiently(fleet.at, *go_on)
    record, known = newest(fleet.at), ledger(fleet.at)
    assert (record.status, [row.state for row in record.rows]) == (RolloutStatus.SUCCEEDED, [StepState.SUCCEEDED])
    serves(fleet.at, tenant, RELEASE)
    assert states(fleet.at, tenant)["kernel"] == "Installed"
    assert boots | {boot(fleet.at, tenant)} == {boot(fleet.at, tenant)} != {had}, "rebooted once"
    operation = str(record.rows[0].operation)
    kills = Counter(point.partition(":")[0] for point in POINTS)
    assert attempts(known, operation) == {step: 1 + kills[step] for step in STEPS}
    assert each_step_once(journal(known), operation) == list(STEPS)
    assert [e.body["rollout"] for e in known.evidence(tenant=tenant, kind=PATCH)].count(record.id) == 1
    assert len([p for p in known.points(tenant=tenant) if operation in p.id]) <= 1


def test_killed_while_packages_are_installed(fleet: Fleet, stopped: Writer) -> None:
    """The command on the machine goes on by itself, and whoever goes on with the rollout installs what is left."""
    tenant = "zero-0"
    lay(fleet.at, tenant, {"expat": "2.5.0", "curl": "8.3.0"})
    scanned(fleet)
    fleet.feed.break_("expat", "sleep 3")
    dies(fleet.at, ("patch", "install", tenant, "--yes"), PROVISION_MOMENT="begin_operation.patch:after")
    kill_inside(fleet.at, ("rollout", "resume"), f"{tenant} install started", 1.5)
    patiently(fleet.at, "rollout", "resume")
    assert newest(fleet.at).status is RolloutStatus.SUCCEEDED
    assert {states(fleet.at, tenant)[name] for name in ("curl", "expat")} == {"Installed"}
    serves(fleet.at, tenant, RELEASE)
