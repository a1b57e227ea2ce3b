"""The proofs themselves: each of them can fail."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provisioner.model.ledger import JournalEntry, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from tests.faults.rollouts.fleet import Print, unchanged
from tests.faults.rollouts.proofs import each_step_once, one_at_a_time, under_its_lease
from tests.faults.rollouts.writer import Writer

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEAD = 7


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


def entries(*lines: tuple[str, str, dict[str, Any]]) -> list[JournalEntry]:
    """One a second, of acme: kind, operation, detail."""
    return [JournalEntry(n, at(n), "acme", op, kind, detail, "", "") for n, (kind, op, detail) in enumerate(lines)]


def taken(pid: int, fence: int, op: str = "a") -> tuple[str, str, dict[str, Any]]:
    return "lease-acquired", op, {"pid": pid, "fence": fence}


def given(fence: int, op: str = "a") -> tuple[str, str, dict[str, Any]]:
    return "lease-released", op, {"fence": fence}


def step(status: str, name: str, op: str = "a") -> tuple[str, str, dict[str, Any]]:
    return f"step-{status}", op, {"step": name}


def test_leases_one_after_the_other() -> None:
    assert one_at_a_time(entries(taken(1, 1), given(1), taken(2, 2), given(2)), {}) == {"acme": 2}
    assert one_at_a_time(entries(taken(DEAD, 1), taken(2, 2), given(2)), {DEAD: at(1)}) == {"acme": 2}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((taken(1, 1), taken(2, 2), given(2)), "from a process that lives"),
        ((taken(DEAD, 1), taken(2, 2), given(2)), "before its holder died"),
        ((taken(1, 1),), "nobody holds anything"),
        ((given(1),), "who had lost it"),
    ],
)
def test_leases_at_the_same_time(lines: tuple[tuple[str, str, dict[str, Any]], ...], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        one_at_a_time(entries(*lines), {DEAD: at(5)})


def test_steps() -> None:
    good = entries(taken(1, 1), step("started", "x"), step("started", "x"), step("done", "x"), given(1))
    under_its_lease(good)
    assert each_step_once(good, "a") == ["x"]
    with pytest.raises(AssertionError, match="without the lease"):
        under_its_lease(entries(taken(1, 1, "b"), step("started", "x")))
    with pytest.raises(AssertionError, match="x of a was done"):
        each_step_once(entries(step("started", "x"), step("done", "x"), step("started", "x")), "a")
    with pytest.raises(AssertionError, match="was begun while x ran"):
        each_step_once(entries(step("started", "x"), step("started", "y")), "a")


def test_a_byte_that_changed() -> None:
    record = TenantRecord("acme", "sandbox", Lifecycle.ACTIVE, "1.0.0", None, None, NOON, {})
    before = Print(b"state", b"dump", ["i-1"], record)
    unchanged({"acme": before}, {"acme": before})
    changes: list[dict[str, Any]] = [
        {"state": b"stat3"},
        {"dump": b""},
        {"machines": ["i-2"]},
        {"record": replace(record, cause="it failed")},
    ]
    for change in changes:
        with pytest.raises(AssertionError, match=f"{next(iter(change))} of acme changed"):
            unchanged({"acme": before}, {"acme": replace(before, **change)})


def test_a_write_that_was_lost() -> None:
    writer = Writer("http://127.0.0.1:1", "n")
    writer.kept = [f"n-{n}" for n in range(50)]
    writer._times = [n / 20 for n in range(50)]
    assert round(writer.gap, 3) == 0.05
    writer.check(writer.kept)
    with pytest.raises(AssertionError, match="1 of 50 writes are lost: \\['n-7'\\]"):
        writer.check([note for note in writer.kept if note != "n-7"])
    with pytest.raises(AssertionError):
        writer.check([*writer.kept, "n-7"])
