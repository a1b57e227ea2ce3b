"""Upgrades over fakes: which stacks in which order, what a failure of each step leads to, and going on after a kill."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.cloud import Health
from provisioner.model.errors import RefusedError, StuckError, UsageError
from provisioner.model.ledger import OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.stack import StackArgs
from provisioner.ops.desired import known_schema, last_applied
from provisioner.ops.upgrade.gate import judge
from provisioner.ops.upgrade.outcome import Ending
from provisioner.ops.upgrade.run import carry_out
from tests.unit.ops.moving import GATE, OPERATION, House, moved_in, well
from tests.unit.ops.people import quiet
from tests.unit.ops.upgrading import proposed, state, upgraded


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    yield house
    house.ledger.close()


def on_machines(house: House) -> list[str]:
    return [c for c in house.fake_cloud.calls if " on i-" in c or c.startswith(("stop", "start"))]


def test_beside_switch_alone(house: House) -> None:
    done = upgraded(house, "1.1.0")
    assert (done.outcome.ending, done.error) == (Ending.UPGRADED, None)
    assert house.fake_engine.seen == ["a+b", "b+a", "b"]
    assert on_machines(house) == [
        "provision sentinel acme on i-b",
        "provision migrate acme on i-b",
        "provision gate acme on i-b",
    ]
    assert state(house) == (Lifecycle.ACTIVE, "1.1.0", "b")
    applied = last_applied(house, "acme")
    assert applied is not None
    assert (applied.machine, applied.other, applied.release, applied.schema) == ("b", None, "1.1.0", 2)
    (point,) = house.ledger.points(tenant="acme")
    assert (point.kind, point.release) == ("before-upgrade", "1.0.0")


def test_behind_a_balancer_both_get_requests_for_a_moment(house: House) -> None:
    entry = house.file.entries["acme"]
    house.file.entries["acme"] = replace(entry, sizing=replace(entry.sizing, front="balancer"))
    payload = proposed(house, "1.1.0")
    for part in ("args", "before"):
        payload[part]["sizing"]["front"] = "balancer"
    house.fake_cloud.answers["gate"] = [well("1.1.0", 2)] * 3
    carry_out(house, "acme", OPERATION + "0", payload, quiet)
    assert house.fake_engine.seen == ["a+b", "a+b*", "b+a", "b"]
    assert [c for c in house.fake_cloud.calls if c.startswith("target")] == ["target i-b", "target i-a"]


def test_offline_nobody_serves_and_the_point_is_taken_after_that(house: House) -> None:
    done = upgraded(house, "1.2.0")
    calls = house.fake_cloud.calls
    assert calls.index("stop i-a") < next(i for i, c in enumerate(calls) if c.startswith("snapshot"))
    result: Any = done.result
    assert result["outage_seconds"] is not None


@pytest.mark.parametrize("broken", ["a+b", "migrate", "gate"])
def test_before_the_switch_a_failure_leaves_the_tenant_as_it_was(house: House, broken: str) -> None:
    house.fake_engine.broken = house.fake_cloud.failing = broken
    done = upgraded(house, "1.1.0")
    assert done.outcome.ending is Ending.UNDONE
    assert house.fake_engine.seen[-1] == "a"
    assert "b+a" not in house.fake_engine.seen
    assert state(house) == (Lifecycle.ACTIVE, "1.0.0", "")
    operation = house.ledger.operation(OPERATION + "0")
    assert operation is not None
    assert operation.status is OperationStatus.UNDONE


def test_what_the_new_release_says_on_its_machine_decides(house: House) -> None:
    lies = [well("1.1.0", 1)] * 3
    done = upgraded(house, "1.1.0", gate=lies)
    assert done.outcome.step == "gate"
    assert "schema_version is 1, not 2" in str(done.outcome.cause)


def test_after_the_switch_code_only_is_undone_by_itself(house: House) -> None:
    house.prober.ill = "1.1.0"
    done = upgraded(house, "1.1.0")
    assert (done.outcome.ending, done.outcome.step) == (Ending.UNDONE, "settle")
    assert house.fake_engine.seen == ["a+b", "b+a", "a+b", "a"]
    assert state(house) == (Lifecycle.ACTIVE, "1.0.0", "")
    assert known_schema(house, "acme") == 2, "the migration stays, and a drill of the next point must know"


@pytest.mark.parametrize(
    ("version", "words"),
    [("1.2.0", "needs a restore, and would lose"), ("1.3.0", "only goes forward")],
)
def test_after_the_switch_what_would_lose_something_is_said_and_not_done(
    house: House, version: str, words: str
) -> None:
    house.prober.ill = version
    done = upgraded(house, version)
    assert done.outcome.ending is Ending.STUCK
    assert isinstance(done.error, StuckError)
    assert words in done.error.message
    assert house.fake_engine.seen[-1] == "b"
    assert state(house) == (Lifecycle.FAILED, version, "b")


def test_a_tenant_that_was_sick_before_is_left_alone(house: House) -> None:
    house.prober.ill, house.prober.asked = "1.0.0", ["1.0.0"]
    done = upgraded(house, "1.1.0")
    assert done.outcome.ending is Ending.SICK
    assert house.fake_engine.seen == []
    assert state(house) == (Lifecycle.ACTIVE, "1.0.0", "")


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        ("1.0.0", UsageError, "is on 1.0.0 already"),
        ("1.4.0", RefusedError, "is yanked: it forgets"),
        ("1.5.0", RefusedError, "can only be reached from 1.1.0 or later"),
    ],
)
def test_what_may_not_be(house: House, version: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        proposed(house, version)
    assert house.ledger.operations(kinds=("upgrade",)) == []


def test_back_goes_by_the_code_alone_or_not_at_all(house: House) -> None:
    assert proposed(house, "0.9.0")["migration"] == "none"
    house.file.releases["1.0.0"] = replace(house.file.releases["1.0.0"], undo="one-way")
    with pytest.raises(RefusedError, match=r"can't be taken back to 0\.9\.0 by its code alone"):
        proposed(house, "0.9.0")


def test_a_second_upgrade_uses_the_first_machine_s_name_again(house: House) -> None:
    upgraded(house, "1.1.0")
    house.fake_engine.seen.clear()
    upgraded(house, "1.3.0", number=1)
    assert house.fake_engine.seen == ["b+a", "a+b", "a"]
    assert state(house) == (Lifecycle.ACTIVE, "1.3.0", "")


class TestGate:
    ARGS = StackArgs(**dict.fromkeys(StackArgs.__dataclass_fields__))  # type: ignore[arg-type]
    GOOD, BAD = Health("healthy", "2", 2, "acme"), Health("unhealthy", "2", 2, "acme", "ill")

    @pytest.mark.parametrize(
        ("seen", "words"),
        [
            ("ggg", None),
            ("bgg", None),
            ("bbg", "only 1 of 3 answers were good"),
            ("ggb", "it was well, and is no more: unhealthy (ill)"),
            ("b", "unhealthy (ill)"),
            ("gg", "only 2 of 3 answers came"),
            ("", "only 0 of 3 answers came"),
        ],
    )
    def test_enough_answers_of_enough_time_and_the_last_one(self, seen: str, words: str | None) -> None:
        args = replace(self.ARGS, tenant="acme", release="2", schema_version=2, database_schema=None)
        found = judge(GATE, [self.GOOD if c == "g" else self.BAD for c in seen], args)
        assert found == words if words is None else words in str(found)
