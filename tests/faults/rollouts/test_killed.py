"""Whoever drives a rollout is killed with -9 between any two records, at boundaries of steps and inside the longest:
the next one goes on, does nothing twice, and leaves nothing over."""

import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from provisioner.model.rollout.states import RolloutStatus, StepState
from tests.faults.recovery.life import kill_inside, notes, settled, tagged
from tests.faults.recovery.test_upgrade_killed import STEPS
from tests.faults.rollouts.fleet import (
    channel,
    ledger,
    machines,
    make_fleet,
    newest,
    serves,
    write,
)
from tests.faults.rollouts.proofs import attempts, each_step_once, journal, longest
from tests.forks import Forked
from tests.installation import only_exhaustive, some

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(1200)]

GO_ON = ("rollout", "resume")
BEGIN = ("set_step.running:before", "set_step.running:after", "begin_operation.upgrade:before")
BEGUN = ("begin_operation.upgrade:after",)
ENDED = (
    "set_operation.succeeded:before",
    "set_operation.succeeded:after",
    "set_step.succeeded:before",
    "set_step.succeeded:after",
)
OVER = ("move_channel:before", "move_channel:after", "set_rollout.succeeded:before", "set_rollout.succeeded:after")
ALL = tuple(f"{step}:{when}" for step in STEPS for when in ("before", "after"))
"""Boundaries of an upgrade's steps."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A release, and where in the steps of the first tenant's upgrade there is a kill."""

    release: str
    points: tuple[str, ...]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    """Two tenants in two rings, so in two waves, whose commands die where it is said."""
    made = Forked(tmp_path_factory.mktemp("pair"), "tests.faults.rollouts.moments")
    try:
        make_fleet(made, {"alpha": 0, "beta": 1}, "1.1.0")
        write(made, ("alpha", "beta"), "one", "two")
        yield made
    finally:
        made.end()


def dies(pair: Forked, words: tuple[str, ...], **where: str) -> None:
    """The command is killed there."""
    killed = pair.run(*words, **where)
    assert killed.code == -signal.SIGKILL, (where, killed.stderr)


def states(pair: Forked) -> dict[str, StepState]:
    return {row.tenant: row.state for row in newest(pair).rows}


@pytest.mark.parametrize(
    "walk",
    [
        pytest.param(Walk("1.2.0", tuple(some(ALL))), id="1.2.0"),
        pytest.param(Walk("1.3.0", ALL), marks=only_exhaustive, id="1.3.0"),
    ],
)
def test_killed_between_all_records_and_inside_the_longest_step(pair: Forked, walk: Walk) -> None:
    before = {tenant: tagged(pair, tenant) for tenant in ("alpha", "beta")}
    begun = len(ledger(pair).rollouts())
    start = ("rollout", "start", walk.release, "--yes", "--strategy", "careful")
    dies(pair, start, PROVISION_MOMENT="begin_rollout:before")
    assert len(ledger(pair).rollouts()) == begun, "nothing was recorded"
    dies(pair, start, PROVISION_MOMENT="begin_rollout:after")
    assert states(pair) == dict.fromkeys(("alpha", "beta"), StepState.WAITING)
    named = pair.ok("status")
    assert f"provision rollout resume {newest(pair).id}" in named.stdout + named.stderr, "it isn't silent"

    for moment in (*some(BEGIN), *BEGUN):
        dies(pair, GO_ON, PROVISION_MOMENT=moment)
    for point in walk.points:
        dies(pair, GO_ON, PROVISION_FAILPOINT=point)
        assert states(pair) == {"alpha": StepState.RUNNING, "beta": StepState.WAITING}, point
    for moment in some(ENDED):
        dies(pair, GO_ON, PROVISION_MOMENT=moment)
    assert states(pair)["alpha"] is StepState.SUCCEEDED
    step, seconds = longest(ledger(pair), operation(pair, "alpha"))
    kill_inside(pair, GO_ON, f"beta {step} started", seconds / 2, PROVISION_FAILPOINT=f"{step}:after")
    for moment in some(OVER):
        dies(pair, GO_ON, PROVISION_MOMENT=moment)

    record = newest(pair)
    assert record.status is RolloutStatus.SUCCEEDED
    assert set(states(pair).values()) == {StepState.SUCCEEDED}
    assert channel(pair) == walk.release
    again = pair.run(*GO_ON)
    assert (again.code, "is over: succeeded" in again.stderr) == (2, True)
    repeated(pair, "alpha", Counter(point.partition(":")[0] for point in walk.points))
    repeated(pair, "beta", Counter([step]))
    for tenant, had in before.items():
        serves(pair, tenant, walk.release)
        assert notes(pair, tenant) == {"one", "two"}
        settled(pair, tenant, had)
    assert {tenant: len(found) for tenant, found in machines(pair).items()} == {"alpha": 1, "beta": 1}


def operation(pair: Forked, tenant: str) -> str:
    """The tenant's upgrade in the newest rollout: the only one to that release."""
    record = newest(pair)
    found = [o for o in ledger(pair).operations(tenant=tenant, kinds=("upgrade",)) if o.started_at > record.started_at]
    assert len(found) == 1, "each tenant has one operation, whoever went on with it"
    [row] = [row for row in record.rows if row.tenant == tenant]
    assert row.operation == found[0].id
    return found[0].id


def repeated(pair: Forked, tenant: str, kills: Counter[str]) -> None:
    """Steps were begun once, and once more for each kill that came before their end was recorded; none after that."""
    found = attempts(ledger(pair), operation(pair, tenant))
    assert found == {step: 1 + kills[step] for step in STEPS}
    assert each_step_once(journal(ledger(pair)), operation(pair, tenant)) == list(STEPS)
