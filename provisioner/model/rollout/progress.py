"""Where a rollout's tenants are, what its operators want, and what was decided: the words of `decide`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.model.rollout.frozen import RolloutPlan, Wave
from provisioner.model.rollout.states import FLIGHT, RolloutStatus, StepState

_ON_TENANTS = ("retry-failed", "skip")


@dataclass(frozen=True, slots=True)
class Row:
    """Where a tenant's step is. `cause`: why it failed, or was left out; `ended_at`: when it got there; `not_before`: a
    step that found that it may not be yet isn't tried again before; `operation`: what moves it, or moved it."""

    tenant: str
    state: StepState = StepState.WAITING
    cause: str | None = None
    ended_at: datetime | None = None
    not_before: datetime | None = None
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What operators asked for. `pause` and `abort`: in words, by whom and why; `skip` and `retry`: tenants, each for
    once: whoever records the moves takes them out; `rollback` stays until the rollout is over."""

    pause: str | None = None
    abort: str | None = None
    skip: frozenset[str] = frozenset()
    retry: frozenset[str] = frozenset()
    rollback: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A row that changes because an operator wished it."""

    tenant: str
    state: StepState
    cause: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now: record `moves`, then begin the steps `begin`; or, where `status` is there, record that and stop.
    `until`: when to ask again, even if nothing has ended by then (None: when something has). `cause`: what is waited
    for, or why it stops, in words; `hint`: the next command."""

    moves: tuple[Move, ...] = ()
    begin: tuple[str, ...] = ()
    until: datetime | None = None
    status: RolloutStatus | None = None
    cause: str = ""
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A rollout at one moment. `rows`: of every tenant of the plan, in its order."""

    rollout: str
    plan: RolloutPlan
    rows: Mapping[str, Row]
    now: datetime

    def of(self, *states: StepState) -> list[Row]:
        """Rows in one of these states, in the plan's order."""
        return [row for row in self.rows.values() if row.state in states]

    def wave(self, wave: Wave) -> list[Row]:
        """Rows of one wave."""
        return [self.rows[t.id] for t in wave.tenants]

    def verb(self, verb: str, *tenants: str) -> str:
        """A command of this rollout. Those on tenants have its id in an option."""
        if verb in _ON_TENANTS:
            return " ".join(("provision rollout", verb, *tenants, "--rollout", self.rollout))
        return f"provision rollout {verb} {self.rollout}"

    def stop(self, status: RolloutStatus, cause: str, hint: str) -> Decision:
        """Its new status, as soon as nothing is under way any more."""
        flight = self.of(*FLIGHT)
        if flight:
            return Decision(cause=f"will be {status}: {cause}; {names(flight)} under way", hint=self.verb("status"))
        return Decision(status=status, cause=cause, hint=hint)


def wave_name(wave: Wave) -> str:
    """`wave 1 (ring 0)`."""
    return f"wave {wave.number} ({wave.name})"


def told(row: Row) -> str:
    """`acme failed: CAUSE`."""
    return f"{row.tenant} {row.state}: {row.cause or 'no cause is known'}"


def names(rows: Sequence[Row]) -> str:
    """`acme, globex, initech and 4 more are`: a subject and its verb."""
    ids = ", ".join(row.tenant for row in rows[:3]) + (f" and {len(rows) - 3} more" if len(rows) > 3 else "")
    return f"{ids} {'is' if len(rows) == 1 else 'are'}"
