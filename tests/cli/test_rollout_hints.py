"""Every next command that a rollout or an upgrade names can be typed as it is printed, and is legal there."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.errors import ProvisionError
from provisioner.model.rollout.decide import decide
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.progress import Decision, Row, Wishes
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import MOVED, RETRIABLE, SKIPPABLE, RolloutStatus, StepState
from provisioner.model.tenant import Freeze
from provisioner.ops.rollout import find, verbs
from provisioner.ops.rollout.propose import Words, check, propose
from provisioner.ops.upgrade.propose import propose as propose_upgrade
from provisioner.ops.upgrade.run import carry_out
from tests.cli.test_documents import check as parse
from tests.unit.model.rollout.fleets import NOW
from tests.unit.model.rollout.test_decide import LOOSE, planned
from tests.unit.ops.moving import GATE, OPERATION, House, moved_in, well
from tests.unit.ops.people import quiet
from tests.unit.ops.rolling import NEXT, Fleet

S = StepState
_COMMAND = re.compile(r"provision [^,;()\n]+")
ASKED = {
    "nothing": Wishes(),
    "pause": Wishes(pause="by jane"),
    "abort": Wishes(abort="by jane"),
    "rollback": Wishes(rollback=True),
}


def commands(hint: str | None) -> list[list[str]]:
    """Words of each command that a hint names, without `provision`. Raises where one can't be typed."""
    found = [shlex.split(text)[1:] for text in _COMMAND.findall(hint or "")]
    for words in found:
        parse(words)
    return found


@pytest.mark.parametrize(
    "hint", ["provision rollout skip", "provision rollout retry-failed --rollout", "look: provision roolout"]
)
def test_the_check_can_fail(hint: str) -> None:
    with pytest.raises(Exception, match=r"No such|Missing|requires"):
        commands(hint)


FEW = (S.WAITING, S.SUCCEEDED, S.FAILED, S.SKIPPED)
MORE = (*FEW, S.QUARANTINED, S.BROKEN, S.INCONCLUSIVE)


def decisions(found: RolloutPlan, wishes: Wishes) -> Iterator[tuple[dict[str, StepState], Decision]]:
    """In every mixture of states that a rollout can be in."""
    gone = {S.REVERTED} if not wishes.rollback else set()
    for states in product([s for s in StepState if s not in gone], FEW if found.freezes else MORE, FEW):
        known = dict(zip(found.tenants, states, strict=True))
        causes = [f"{t} said no" if state in {S.FAILED, S.QUARANTINED} else None for t, state in known.items()]
        rows = [Row(t, s, cause, NOW) for (t, s), cause in zip(known.items(), causes, strict=True)]
        yield known, decide("r1", found, rows, wishes, NOW)


@pytest.mark.parametrize(
    ("asked", "strategy", "undo", "freezes"),
    [
        ("nothing", {}, "code-only", ()),
        ("nothing", LOOSE, "one-way", ()),
        ("nothing", LOOSE, "code-only", (Freeze(NOW, NOW.replace(year=NOW.year + 3), "war", "Jane"),)),
        ("pause", LOOSE, "code-only", ()),
        ("abort", LOOSE, "code-only", ()),
        ("rollback", LOOSE, "code-only", ()),
    ],
)
def test_what_a_decision_names_next_is_legal_there(
    asked: str, strategy: dict[str, Any], undo: Any, freezes: tuple[Freeze, ...]
) -> None:
    found = planned(3, **strategy)
    waves = (replace(w, tenants=tuple(replace(t, undo=undo) for t in w.tenants)) for w in found.waves)
    found = replace(found, waves=tuple(waves), freezes=freezes)
    parsed: dict[str | None, list[list[str]]] = {None: []}
    for known, decision in decisions(found, ASKED[asked]):
        if decision.hint not in parsed:
            parsed[decision.hint] = commands(decision.hint)
            assert parsed[decision.hint], "a hint names a command"
        if decision.status is not None:
            assert decision.hint
            _legal(found, known, decision.status, ASKED[asked], parsed[decision.hint])
    assert len(parsed) > 1


def _legal(
    found: RolloutPlan, known: dict[str, StepState], status: RolloutStatus, wishes: Wishes, named: list[list[str]]
) -> None:
    """Whether the verb would let the operator: as `verbs` asks it."""
    rows = tuple(Row(t, s) for t, s in known.items())
    record = RolloutRecord("r1", found, status, replace(wishes, pause=None, abort=None), "jane", NOW, NOW, rows=rows)
    again = {S.BROKEN, S.INCONCLUSIVE} if wishes.rollback else RETRIABLE
    for group, verb, *words in (words for words in named if words[0] == "rollout"):
        tenants = [w for w in words if w in known]
        assert "r1" in words, f"{group} {verb} names the rollout"
        if verb == "retry-failed":
            assert {known[t] for t in tenants} <= again
            assert tenants or {s for s in known.values() if s is not S.SKIPPED} & again
        elif verb == "skip":
            assert tenants
            assert {known[t] for t in tenants} <= SKIPPABLE
        elif verb == "rollback":
            assert verbs.moved(record)
            assert all(found.tenants[t].undo != "one-way" for t, s in known.items() if s in MOVED)
        else:
            assert verb in {"resume", "abort", "status"}


def hint_of(error: pytest.ExceptionInfo[ProvisionError]) -> list[list[str]]:
    found = commands(error.value.hint)
    assert found
    return found


def test_what_the_verbs_name_next_can_be_typed(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    with pytest.raises(ProvisionError) as error:
        find.find(fleet, None)
    hint_of(error)
    first = fleet.began(2)
    record = first.record
    attempts: list[Callable[[], object]] = [
        lambda: find.find(fleet, "1.9.0-ffffff"),
        lambda: verbs.retry(fleet, record, []),
        lambda: verbs.retry(fleet, record, ["t0"]),
        lambda: verbs.pause(fleet, replace(record, status=RolloutStatus.HALTED), "x"),
        lambda: verbs.rollback(fleet, replace(record, status=RolloutStatus.ROLLED_BACK)),
        lambda: verbs.start(fleet, record.plan, "jane"),
    ]
    one_way = {w: replace(w, tenants=tuple(replace(t, undo="one-way") for t in w.tenants)) for w in record.plan.waves}
    moved = tuple(replace(row, state=S.SUCCEEDED) for row in record.rows)
    stuck = replace(record, plan=replace(record.plan, waves=tuple(one_way.values())), rows=moved)
    attempts.append(lambda: verbs.rollback(fleet, stuck))
    attempts.append(lambda: verbs.skip(fleet, stuck, ["t0"]))
    for attempt in attempts:
        with pytest.raises(ProvisionError) as error:
            attempt()
        hint_of(error)
    fleet.file.releases["1.1.0"] = replace(NEXT)
    nobody = propose(fleet, fleet.file, [], Words("1.1.0"))
    with pytest.raises(ProvisionError) as error:
        check(nobody)
    hint_of(error)
    fleet.ledger.begin_rollout("1.2.0-ffffff", nobody, "jane")
    with pytest.raises(ProvisionError, match="several") as error:
        find.find(fleet, None)
    hint_of(error)
    fleet.ledger.close()


@pytest.mark.parametrize(
    ("version", "failing", "ill"),
    [("1.1.0", "migrate", None), ("1.2.0", "gate", None), ("1.2.0", None, "1.2.0"), ("1.3.0", None, "1.3.0")],
)
def test_what_an_upgrade_names_next_can_be_typed(
    tmp_path: Path, version: str, failing: str | None, ill: str | None
) -> None:
    house = moved_in(tmp_path)
    house.fake_cloud.failing, house.prober.ill = failing, ill
    house.fake_cloud.answers["gate"] = [well(version, 2)] * 3
    operation = OPERATION + "0"
    payload = propose_upgrade(house, house.file, house.file.tenant("acme"), version, operation, GATE)
    done = carry_out(house, "acme", operation, payload, quiet)
    assert done.error is not None
    assert commands(done.error.hint)
    known = house.ledger.operation(operation)
    assert known is not None
    commands(known.hint)
    house.ledger.close()


@pytest.mark.parametrize("version", ["1.0.0", "1.5.0"])
def test_what_an_upgrade_that_is_refused_names_next_can_be_typed(tmp_path: Path, version: str) -> None:
    house: House = moved_in(tmp_path)
    with pytest.raises(ProvisionError) as error:
        propose_upgrade(house, house.file, house.file.tenant("acme"), version, OPERATION + "0", GATE)
    hint_of(error)
    house.ledger.close()
