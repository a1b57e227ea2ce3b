"""Whoever drives a rollout: asks `decide` again and again, begins what it says, and records what came of it.

All that counts is in the ledger: where a process died, the next one reads the rows, goes on with the steps that were
under way, and asks. A rollout has one driver at a time, by a lease of its own.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from queue import Empty, SimpleQueue

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import RegistryError
from provisioner.model.ports import Hold, Progress
from provisioner.model.rollout.decide import decide
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.progress import Decision, Row, Wishes, told
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import DRIVEN, FLIGHT, RolloutStatus, StepState
from provisioner.ops.house import House
from provisioner.ops.operations import new_id
from provisioner.ops.patch.turn import PatchSteps
from provisioner.ops.rollout.channel import settled
from provisioner.ops.rollout.find import find, lease_of
from provisioner.ops.rollout.release import changed
from provisioner.ops.rollout.step import Ended, Steps, Task, UpgradeSteps
from provisioner.ops.rollout.watch import Watch

POLL = 2.0
"""Seconds after which operators' wishes are looked for."""
_HELD = 15.0
_S = StepState
Seen = tuple[RolloutStatus, Wishes]
"""By what was decided."""


def drive(house: House, rollout_id: str, progress: Progress, *, steps: Steps | None = None) -> RolloutRecord:
    """Drive a rollout until it is over, paused or halted, and return it as it is then.

    Raises LeaseHeldError where somebody drives it already, CancelledError where this process shall stop: whoever comes
    after goes on.
    """
    record = find(house, rollout_id)
    reason = f"{record.plan.release} is being rolled out"
    with house.operations.hold(lease_of(record.id), record.id, reason) as hold:
        _Driver(house, find(house, record.id), hold, steps or _steps(house, record.plan), progress).run()
    return find(house, record.id)


def _steps(house: House, plan: RolloutPlan) -> Steps:
    return PatchSteps(house) if plan.work == "patch" else UpgradeSteps(house)


class _Driver:
    """One process's work on one rollout. The rows are its own while it holds the lease."""

    def __init__(self, house: House, record: RolloutRecord, hold: Hold, steps: Steps, progress: Progress) -> None:
        self._house = house
        self._record = record
        self._plan = record.plan
        self._hold = hold
        self._steps = steps
        self._progress = progress
        self._watch = Watch(house, record.plan)
        self._rows = {row.tenant: row for row in record.rows}
        self._busy: set[str] = set()
        self._later: dict[str, float] = {}
        self._ends: SimpleQueue[Ended] = SimpleQueue()
        self._noted: tuple[str, datetime | None] | None = None

    def run(self) -> None:
        """To its end, or until it stops. ^C asks the running operations to stop, and they stay resumable."""
        try:
            while True:
                self._hold.check()
                seen = self._house.ledger.rollout_wishes(self._record.id)
                if seen[0] not in DRIVEN or self._turn(*seen):
                    return
        except KeyboardInterrupt:
            self._house.operations.close()
            with suppress(Empty):
                while True:
                    self._end(self._ends.get_nowait())
            raise

    def _turn(self, status: RolloutStatus, wishes: Wishes) -> bool:
        """One look. Returns whether it is over, or stops."""
        decision = decide(self._record.id, self._plan, self._rows.values(), wishes, self._house.clock.now())
        for move in decision.moves:
            self._set(move.tenant, move.state, cause=move.cause)
        granted = {move.tenant for move in decision.moves}
        seen = status, replace(wishes, skip=wishes.skip - granted, retry=wishes.retry - granted)
        if decision.status is not None:
            return self._stop(decision, seen)
        self._begin(decision.begin, seen)
        self._carry_on()
        self._note(decision, seen)
        self._wait(decision.until)
        if not wishes.rollback:
            self._look_after()
        return False

    def _look_after(self) -> None:
        """Those that were moved, while they are watched."""
        for tenant, cause in self._watch.look(self._rows.values()):
            self._sick(tenant, cause)
        if self._watch.blind is not None:
            self._house.ledger.wish(self._record.id, pause=self._watch.blind)

    def _stop(self, decision: Decision, seen: Seen) -> bool:
        """Its new status. Returns False where an operator wants something else by now."""
        present = find(self._house, self._record.id)

        def note(words: str) -> bool:
            return self._told(Decision(cause=words), seen, moves_channel=True)

        found = settled(self._house.registry(), present, self._rows.values(), decision, note)
        return found is not None and self._told(found, seen)

    def _begin(self, tenants: Sequence[str], seen: Seen) -> None:
        """Each only as long as no operator wants something else by now."""
        state = _S.REVERTING if seen[1].rollback else _S.RUNNING
        why = self._changed() if tenants and state is _S.RUNNING else None
        if why is not None:
            self._house.ledger.wish(self._record.id, pause=why)
            return
        for tenant in tenants:
            if not self._set(tenant, state, operation=new_id(self._house.clock), seen=seen):
                return

    def _changed(self) -> str | None:
        try:
            return changed(self._house.registry().load(), self._plan)
        except RegistryError:
            return None  # somebody may be editing it: the step waits for them

    def _carry_on(self) -> None:
        """A thread for each step under way: begun now, or by a process that is gone."""
        now = self._house.clock.monotonic()
        for row in list(self._rows.values()):
            if row.state not in FLIGHT or row.tenant in self._busy or self._later.get(row.tenant, now) > now:
                continue
            self._busy.add(row.tenant)
            threading.Thread(target=self._do, args=(row,), daemon=True).start()

    def _do(self, row: Row) -> None:
        task = Task(self._record.id, self._plan, row.tenant, str(row.operation))
        work = self._steps.back if row.state is _S.REVERTING else self._steps.forward
        try:
            ended = work(task, self._progress)
        except Exception as error:  # noqa: BLE001 - a ledger out of reach: without an end it would be waited for forever
            ended = Ended(row.tenant, None, f"{type(error).__name__}: {error}")
        self._ends.put(ended)

    def _wait(self, until: datetime | None) -> None:
        """For the next end, the time that was said, or an operator's wish."""
        clock = self._house.clock
        seconds = POLL if until is None else min(POLL, max(0.0, (until - clock.now()).total_seconds()))
        try:
            if not self._busy:
                clock.sleep(seconds)
                return
            self._end(self._ends.get(timeout=seconds))
            while True:
                self._end(self._ends.get_nowait())
        except Empty:
            return

    def _end(self, ended: Ended) -> None:
        self._busy.discard(ended.tenant)
        row = self._rows[ended.tenant]
        if ended.state is None:
            self._later[ended.tenant] = self._house.clock.monotonic() + _HELD
            self._say(ended.tenant, f"isn't over, and goes on: {ended.cause}")
            return
        state, cause = ended.state, ended.cause
        if row.state is _S.REVERTING and row.cause is not None:
            if state is _S.REVERTED:
                state, cause = _S.FAILED, row.cause  # it was moved, and the release is what was wrong
            else:
                cause = f"{row.cause}; {cause}"
        operation = ended.operation or row.operation
        self._set(ended.tenant, state, cause=cause, operation=operation, not_before=ended.not_before)

    def _sick(self, tenant: str, cause: str) -> None:
        """One that was moved, and is no longer well: taken back by itself where that loses nothing."""
        if self._rows[tenant].state is not _S.SUCCEEDED:
            return
        if self._plan.tenants[tenant].undo != "code-only":
            self._set(tenant, _S.BROKEN, cause=cause, operation=self._rows[tenant].operation)
        elif sum(row.state in FLIGHT for row in self._rows.values()) < self._plan.strategy.max_concurrency:
            self._set(tenant, _S.REVERTING, cause=cause, operation=new_id(self._house.clock))

    def _set(
        self,
        tenant: str,
        state: StepState,
        *,
        cause: str | None = None,
        operation: str | None = None,
        not_before: datetime | None = None,
        seen: Seen | None = None,
    ) -> bool:
        """In the ledger first: what isn't there didn't happen. Returns False where an operator was faster."""
        at = self._house.ledger.set_step(
            self._record.id,
            tenant,
            state,
            cause=cause,
            operation=operation,
            not_before=not_before,
            seen=seen,
            lease=self._hold.lease,
        )
        if at is None:
            return False
        row = replace(
            self._rows[tenant], state=state, cause=cause, operation=operation, not_before=not_before, ended_at=at
        )
        self._rows[tenant] = row
        self._say(tenant, told(row) if cause else str(state))
        return True

    def _say(self, tenant: str, words: str) -> None:
        self._progress(Event(EventKind.MESSAGE, tenant, "rollout", message=words))

    def _note(self, decision: Decision, seen: Seen) -> None:
        """What is waited for, for those who look."""
        noted = decision.cause, decision.until
        if noted != self._noted and self._told(decision, seen):
            self._noted = noted

    def _told(self, decision: Decision, seen: Seen, *, moves_channel: bool = False) -> bool:
        """On the record, unless an operator has changed what it was decided by."""
        return self._house.ledger.set_rollout(
            self._record.id,
            decision.status or seen[0],
            cause=decision.cause,
            hint=decision.hint,
            until=decision.until,
            seen=seen,
            moves_channel=moves_channel,
            lease=self._hold.lease,
        )
