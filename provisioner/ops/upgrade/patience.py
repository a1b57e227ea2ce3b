"""What a cloud is busy with is tried again a few times: it says nothing about a release."""

import re
from collections.abc import Callable

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import (
    AuthenticationError,
    CancelledError,
    LeaseHeldError,
    LeaseLostError,
    ProvisionError,
    UndoneError,
)
from provisioner.model.json import JsonDict
from provisioner.model.ports import StepContext
from provisioner.model.rollout.fingerprint import PASSING
from provisioner.ops.house import House

NOT_THE_RELEASE_S = (AuthenticationError, CancelledError, LeaseHeldError, LeaseLostError)
"""What is raised whatever it meets: credentials, ^C, somebody else's lease or lock."""
PAUSES = (5.0, 15.0, 45.0)
_PASSES = re.compile(
    PASSING + r"|PriorRequestNotComplete|IncorrectInstanceState|IncorrectState|ResourceInUse|DependencyViolation"
    r"|OperationAborted|ConcurrentModification|OperationInProgress|ConflictException|InvalidDBInstanceState"
    r"|InvalidDBSnapshotState|Connection (?:was )?(?:reset|closed|refused)|(?:connect|read) time(?:out|d out)"
    r"|(?:Connect|Read) timed out|Could not connect to the endpoint|state is locked|currently locked"
)

Run = Callable[[StepContext], JsonDict]


def passes(error: ProvisionError) -> bool:
    """Whether it is known to pass by itself: a throttle, no capacity, a conflict with what is under way, a lock."""
    failures = getattr(error, "failures", ())
    return bool(_PASSES.search("\n".join((error.message, *failures))))


def patient(house: House, run: Run) -> Run:
    """The step, tried again after each of `PAUSES` where it met what passes. Steps are idempotent."""

    def step(ctx: StepContext) -> JsonDict:
        for pause in PAUSES:
            try:
                return run(ctx)
            except (AuthenticationError, CancelledError, LeaseLostError, UndoneError):
                raise
            except ProvisionError as error:
                if ctx.cancel.is_set() or not passes(error):
                    raise
                words = f"tried again in {pause:.0f} s: {error.message}"
                ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "the cloud is busy,", message=words))
            _wait(house, ctx, pause)
        return run(ctx)

    return step


def _wait(house: House, ctx: StepContext, seconds: float) -> None:
    end = house.clock.monotonic() + seconds
    while (left := end - house.clock.monotonic()) > 0:
        if ctx.cancel.is_set():
            raise CancelledError("the upgrade was stopped while it waited for the cloud")
        house.clock.sleep(min(left, 0.5))
