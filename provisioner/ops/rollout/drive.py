"""Whoever drives a rollout: asks `decide` again and again, begins what it says, and records what came of it.

All that counts is in the ledger: where a process died, the next one reads the rows, goes on with the steps that were
under way, and asks. A rollout has one driver at a time, by a lease of its own.
"""

import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from queue import Empty, SimpleQueue

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import RegistryError, UsageError
from provisioner.model.ports import Hold, Progress
from provisioner.model.rollout.decide import decide
from provisioner.model.rollout.plan import release_digest
from provisioner.model.rollout.progress import Decision, Row, Wishes, told
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import DRIVEN, FLIGHT, RolloutStatus, StepState
from provisioner.ops.house import House
from provisioner.ops.operations import new_id
from provisioner.ops.rollout.find import find, lease_of
from provisioner.ops.rollout.step import Ended, Steps, Task, UpgradeSteps
from provisioner.ops.rollout.watch import Watch

POLL = 2.0
"""Seconds after which operators' wishes are looked for."""
_HELD = 15.0
_S = StepState


def drive(house: House, rollout_id: str, progress: Progress, *, steps: Steps | None = None) -> RolloutRecord:
    """Drive a rollout until it is over, paused or halted, and return it as it is then.

    Raises LeaseHeldError where somebody drives it already, CancelledError where this process shall stop: whoever comes
    after goes on.
    """
    record = find(house, rollout_id)
    reason = f"release {record.plan.release} is being rolled out"
    with house.operations.hold(lease_of(record.id), record.id, reason) as hold:
        _Driver(house, find(house, record.id), hold, steps or UpgradeSteps(house), progress).run()
    return find(house, record.id)


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
                status, wishes = self._house.ledger.rollout_wishes(self._record.id)
                if status not in DRIVEN or self._turn(status, wishes):
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
        if decision.status is not None:
            self._stop(decision)
            return True
        self._begin(decision.begin, back=wishes.rollback)
        self._carry_on()
        self._note(status, decision)
        self._wait(decision.until)
        for tenant, cause in [] if wishes.rollback else self._watch.look(self._rows.values()):
            self._sick(tenant, cause)
        return False

    def _stop(self, decision: Decision) -> None:
        status = decision.status
        if status is RolloutStatus.SUCCEEDED and self._plan.channel is not None:
            self._house.registry().move_channel(self._plan.channel, self._plan.release)
        if status is not None:
            self._house.ledger.set_rollout(
                self._record.id, status, cause=decision.cause, hint=decision.hint, lease=self._hold.lease
            )

    def _begin(self, tenants: Iterable[str], *, back: bool) -> None:
        for tenant in tenants:
            changed = None if back else self._changed_release()
            if changed is not None:
                self._house.ledger.wish(self._record.id, pause=changed)
                return
            self._set(tenant, _S.REVERTING if back else _S.RUNNING, operation=new_id(self._house.clock))

    def _changed_release(self) -> str | None:
        """A release never changes. Where it did, nobody knows what would be rolled out."""
        version = self._plan.release
        try:
            release = self._house.registry().load().release(version)
        except RegistryError:
            return None  # somebody may be editing it: the step waits for them
        except UsageError:
            return f"release {version} is gone from the registry"
        if release_digest(release) == self._plan.release_digest:
            return None
        return f"release {version} is described otherwise in the registry than when the rollout was started"

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
        self._ends.put(work(task, self._progress))

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
            return
        state, cause = ended.state, ended.cause
        if row.state is _S.REVERTING and state is _S.REVERTED and row.cause is not None:
            state, cause = _S.FAILED, row.cause  # it was moved, and the release is what was wrong
        operation = ended.operation or row.operation
        self._set(ended.tenant, state, cause=cause, operation=operation, not_before=ended.not_before)

    def _sick(self, tenant: str, cause: str) -> None:
        """One that was moved, and is no longer well: taken back by itself where that loses nothing."""
        if self._rows[tenant].state is not _S.SUCCEEDED:
            return
        if self._plan.tenants[tenant].undo == "code-only":
            self._set(tenant, _S.REVERTING, cause=cause, operation=new_id(self._house.clock))
        else:
            self._set(tenant, _S.BROKEN, cause=cause, operation=self._rows[tenant].operation)

    def _set(
        self,
        tenant: str,
        state: StepState,
        *,
        cause: str | None = None,
        operation: str | None = None,
        not_before: datetime | None = None,
    ) -> None:
        """In the ledger first: what isn't there didn't happen."""
        at = self._house.ledger.set_step(
            self._record.id,
            tenant,
            state,
            cause=cause,
            operation=operation,
            not_before=not_before,
            lease=self._hold.lease,
        )
        row = replace(
            self._rows[tenant], state=state, cause=cause, operation=operation, not_before=not_before, ended_at=at
        )
        self._rows[tenant] = row
        words = told(row) if cause else str(state)
        self._progress(Event(EventKind.MESSAGE, tenant, "rollout", message=words))

    def _note(self, status: RolloutStatus, decision: Decision) -> None:
        """What is waited for, for those who look."""
        noted = decision.cause, decision.until
        if noted == self._noted:
            return
        self._house.ledger.set_rollout(
            self._record.id,
            status,
            cause=decision.cause,
            hint=decision.hint,
            until=decision.until,
            lease=self._hold.lease,
        )
        self._noted = noted
