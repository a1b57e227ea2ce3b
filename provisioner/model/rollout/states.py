"""Where a rollout is, and where each of its tenants is: tables of legal transitions that drive checks and the docs."""

from collections.abc import Mapping
from enum import StrEnum

from provisioner.model.errors import RefusedError


class RolloutStatus(StrEnum):
    """Where a rollout is."""

    RUNNING = "running"
    PAUSED = "paused"
    HALTED = "halted"
    SUCCEEDED = "succeeded"
    ABORTED = "aborted"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"


class StepState(StrEnum):
    """Where a tenant is in a rollout."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"
    QUARANTINED = "quarantined"
    SKIPPED = "skipped"
    REVERTING = "reverting"
    REVERTED = "reverted"


_R, _S = RolloutStatus, StepState

ROLLOUT: Mapping[RolloutStatus, frozenset[RolloutStatus]] = {
    _R.RUNNING: frozenset({_R.PAUSED, _R.HALTED, _R.SUCCEEDED, _R.ABORTED, _R.ROLLING_BACK}),
    _R.PAUSED: frozenset({_R.RUNNING, _R.ABORTED, _R.ROLLING_BACK}),
    _R.HALTED: frozenset({_R.RUNNING, _R.ABORTED, _R.ROLLING_BACK}),
    _R.SUCCEEDED: frozenset({_R.ROLLING_BACK}),
    _R.ABORTED: frozenset({_R.ROLLING_BACK}),
    _R.ROLLING_BACK: frozenset({_R.ROLLED_BACK, _R.PAUSED, _R.HALTED, _R.ABORTED}),
    _R.ROLLED_BACK: frozenset(),
}

STEP: Mapping[StepState, frozenset[StepState]] = {
    _S.WAITING: frozenset({_S.RUNNING, _S.SKIPPED}),
    _S.RUNNING: frozenset({_S.SUCCEEDED, _S.FAILED, _S.BROKEN, _S.INCONCLUSIVE, _S.QUARANTINED, _S.WAITING}),
    _S.SUCCEEDED: frozenset({_S.BROKEN, _S.REVERTING}),
    _S.FAILED: frozenset({_S.WAITING, _S.SKIPPED}),
    _S.BROKEN: frozenset({_S.WAITING, _S.SKIPPED, _S.SUCCEEDED}),
    _S.INCONCLUSIVE: frozenset({_S.WAITING, _S.SKIPPED, _S.SUCCEEDED, _S.FAILED, _S.BROKEN}),
    _S.QUARANTINED: frozenset({_S.WAITING, _S.SKIPPED}),
    _S.SKIPPED: frozenset({_S.WAITING}),
    _S.REVERTING: frozenset({_S.REVERTED, _S.FAILED, _S.BROKEN, _S.INCONCLUSIVE}),
    _S.REVERTED: frozenset(),
}

ROLLOUT_MEANINGS: Mapping[RolloutStatus, str] = {
    _R.RUNNING: "tenants are moved, or the next window or the end of a wave's watch is waited for",
    _R.PAUSED: "by an operator, or because it can't be told how a tenant's step ended; nothing new is begun",
    _R.HALTED: "by the system: more failures than allowed, or one cause on two tenants; nothing new is begun",
    _R.SUCCEEDED: "the last wave is done",
    _R.ABORTED: "by an operator, for good; who was moved stays moved",
    _R.ROLLING_BACK: "who was moved is taken back, the last wave first",
    _R.ROLLED_BACK: "all that were moved are as before",
}

STEP_MEANINGS: Mapping[StepState, str] = {
    _S.WAITING: "for its wave, its window, or its turn",
    _S.RUNNING: "it is being moved",
    _S.SUCCEEDED: "it is on the new release, and never moved again",
    _S.FAILED: "it was taken back, and is as before",
    _S.BROKEN: "it isn't as before, and doesn't serve well on the new release: it needs a person",
    _S.INCONCLUSIVE: "it can't be told how it ended",
    _S.QUARANTINED: "its own cause kept it from being moved; it is as before, and the release isn't charged",
    _S.SKIPPED: "an operator left it out",
    _S.REVERTING: "it is being taken back",
    _S.REVERTED: "it was moved, and is as before",
}

FLIGHT = frozenset({_S.RUNNING, _S.REVERTING})
"""Something of it is under way."""
FAILURES = frozenset({_S.FAILED, _S.BROKEN})
"""Charged to the release."""
MOVED = frozenset({_S.SUCCEEDED, _S.BROKEN, _S.INCONCLUSIVE})
"""On the new release, or they may be: where nothing is under way, a rollback takes these back."""
SKIPPABLE = frozenset(s for s in StepState if _S.SKIPPED in STEP[s])
"""An operator may leave it out."""
RETRIABLE = frozenset(s for s in StepState if _S.WAITING in STEP[s]) - FLIGHT
"""An operator may have it tried again."""
RESUMABLE = frozenset(s for s in RolloutStatus if _R.RUNNING in ROLLOUT[s])
"""An operator may let it go on."""
DRIVEN = frozenset({_R.RUNNING, _R.ROLLING_BACK})
"""It goes on by itself, as long as somebody drives it."""
OVER = frozenset({_R.SUCCEEDED, _R.ABORTED, _R.ROLLED_BACK})
"""It ended."""


def check_rollout(rollout: str, source: RolloutStatus, target: RolloutStatus) -> None:
    """Raise RefusedError unless a rollout may go from `source` to `target`; staying is always legal."""
    _check(f"rollout {rollout}", source, target, ROLLOUT[source], rollout)


def check_step(rollout: str, tenant: str, source: StepState, target: StepState) -> None:
    """Raise RefusedError unless a tenant's step may go from `source` to `target`; staying is always legal."""
    _check(f"tenant {tenant} of rollout {rollout}", source, target, STEP[source], rollout)


def _check(
    what: str, source: StrEnum, target: StrEnum, legal: frozenset[RolloutStatus] | frozenset[StepState], rollout: str
) -> None:
    if target is source or target in legal:
        return
    allowed = ", ".join(sorted(legal)) or "nothing"
    raise RefusedError(
        f"{what} is {source} and can't become {target} (allowed: {allowed})", hint=f"provision rollout status {rollout}"
    )
