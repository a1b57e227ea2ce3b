"""What the journal proves of a rollout: who held what when, and which step ran how often."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from provisioner.ledger.store import SqlLedger
from provisioner.model.ledger import JournalEntry, OperationStatus, StepStatus

_ALL = 100_000


def journal(known: SqlLedger) -> list[JournalEntry]:
    """All of it, oldest first; its chain is whole."""
    known.verify_journal()
    return known.journal(limit=_ALL)[::-1]


def one_at_a_time(entries: Sequence[JournalEntry], killed: Mapping[int, datetime]) -> dict[str, int]:
    """Nobody took a lease while another had it: before, it was given back, or its holder was `killed` (by process, and
    when). Returns how many times each subject was held; a tenant and `rollout` are subjects."""
    held: dict[str, JournalEntry] = {}
    taken: dict[str, int] = defaultdict(int)
    for entry in entries:
        subject = str(entry.tenant)
        if entry.kind == "lease-released":
            assert subject in held, f"{subject} was given back by somebody who had lost it"
            assert held.pop(subject).detail["fence"] == entry.detail["fence"]
        elif entry.kind == "lease-acquired":
            before = held.get(subject)
            if before is not None:
                died = killed.get(int(str(before.detail["pid"])))
                assert died is not None, f"{subject} was taken from a process that lives: {before.detail}"
                assert died <= entry.at, f"{subject} was taken before its holder died"
            held[subject] = entry
            taken[subject] += 1
    assert held == {}, "nobody holds anything any more"
    return dict(taken)


def under_its_lease(entries: Sequence[JournalEntry]) -> None:
    """Each step was begun and ended by the operation that held its tenant then."""
    holder: dict[str, str | None] = {}
    for entry in entries:
        if entry.kind == "lease-acquired":
            holder[str(entry.tenant)] = entry.operation_id
        elif entry.kind == "lease-released":
            holder[str(entry.tenant)] = None
        elif entry.kind.startswith("step-"):
            assert holder.get(str(entry.tenant)) == entry.operation_id, f"without the lease: {entry}"


def each_step_once(entries: Sequence[JournalEntry], operation: str) -> list[str]:
    """What was recorded as done was never begun again, and one step ran at a time. Returns the steps in order."""
    done: list[str] = []
    running: str | None = None
    for entry in entries:
        if entry.operation_id != operation or not entry.kind.startswith("step-"):
            continue
        step = str(entry.detail["step"])
        assert step not in done, f"{step} of {operation} was done, and {entry.kind} came after it"
        if entry.kind == "step-started":
            assert running in (None, step), f"{step} of {operation} was begun while {running} ran"
            running = step
        elif entry.kind == "step-done":
            assert running == step
            running = None
            done.append(step)
    return done


def attempts(known: SqlLedger, operation: str) -> dict[str, int]:
    """How often each step of an upgrade that is over was begun."""
    found = known.operation(operation)
    assert found is not None
    assert found.status is OperationStatus.SUCCEEDED
    assert {s.status for s in found.steps} == {StepStatus.DONE}
    return {s.name: s.attempts for s in found.steps}


def longest(known: SqlLedger, operation: str) -> tuple[str, float]:
    """The step that took longest, and its seconds."""
    found = known.operation(operation)
    assert found is not None
    seconds = {s.name: (s.ended_at - s.started_at).total_seconds() for s in found.steps if s.ended_at}
    name = max(seconds, key=lambda step: seconds[step])
    return name, seconds[name]
