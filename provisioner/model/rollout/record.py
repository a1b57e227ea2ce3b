"""What the ledger holds of rollouts, and the port through which it is read and written."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from provisioner.model.ledger import Lease
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.progress import Row, Wishes
from provisioner.model.rollout.states import RolloutStatus, StepState


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """One rollout. `by`: who started it; `cause`: what it waits for, or why it stopped; `until`: when it is looked at
    next, where it waits for a time; `hint`: the next command. `rows`: of all tenants of the plan, in its order; empty
    in a list of rollouts. `moves_channel`: it has moved its channel, or was about to."""

    id: str
    plan: RolloutPlan
    status: RolloutStatus
    wishes: Wishes
    by: str
    started_at: datetime
    updated_at: datetime
    cause: str = ""
    hint: str | None = None
    until: datetime | None = None
    rows: tuple[Row, ...] = ()
    moves_channel: bool = False


class RolloutStore(Protocol):
    """Rollouts in the ledger. A tenant is in one open rollout at most."""

    def begin_rollout(self, rollout_id: str, plan: RolloutPlan, by: str) -> RolloutRecord:
        """Record the intent, with its frozen plan. The same id again returns what is there. Raises LeaseHeldError where
        one of its tenants is in another rollout that isn't over, naming that and who started it."""

    def rollout(self, rollout_id: str) -> RolloutRecord | None:
        """One rollout with its rows, by id or by a prefix of 6 characters or more. Raises UsageError where the prefix
        fits several."""

    def rollouts(self, *, statuses: Collection[RolloutStatus] = (), limit: int = 50) -> list[RolloutRecord]:
        """Newest first, without their rows."""

    def rollout_wishes(self, rollout_id: str) -> tuple[RolloutStatus, Wishes]:
        """What changes of a rollout without its driver: where it is, and what operators want. Raises UsageError where
        there is none of this id."""

    def wish(
        self,
        rollout_id: str,
        *,
        pause: str | None = None,
        abort: str | None = None,
        skip: Sequence[str] = (),
        retry: Sequence[str] = (),
    ) -> None:
        """Record what an operator wants; whoever drives the rollout follows it."""

    def go_on(self, rollout_id: str, status: RolloutStatus, *, retry: Sequence[str] = ()) -> None:
        """Set a rollout that stopped going again, and forget the wish for a pause; to roll back, that for its end, too,
        which is the wish for a rollback. `retry`: as in `wish`. Raises RefusedError where it is over, LeaseHeldError
        where a tenant is in another open rollout by now."""

    def set_rollout(
        self,
        rollout_id: str,
        status: RolloutStatus,
        *,
        cause: str,
        hint: str | None = None,
        until: datetime | None = None,
        seen: tuple[RolloutStatus, Wishes] | None = None,
        moves_channel: bool = False,
        lease: Lease,
    ) -> bool:
        """Where it is now, said by who drives it. `seen`: by what that was decided; where an operator has changed that
        meanwhile, nothing is recorded, and False is returned. `moves_channel`: it is about to, which stays on the
        record. Raises LeaseLostError."""

    def set_step(
        self,
        rollout_id: str,
        tenant: str,
        state: StepState,
        *,
        cause: str | None = None,
        operation: str | None = None,
        not_before: datetime | None = None,
        seen: tuple[RolloutStatus, Wishes] | None = None,
        lease: Lease,
    ) -> datetime | None:
        """Where a tenant is now, said by who drives the rollout; what an operator wished of it is done by that. Returns
        when. `seen` as in `set_rollout`: None where an operator was faster. Raises LeaseLostError, and RefusedError for
        a change that isn't legal."""
