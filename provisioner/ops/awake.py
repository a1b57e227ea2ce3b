"""Waiting for what the cloud takes its time for, and starting what is stopped."""

from collections.abc import Callable

from provisioner.model.errors import CancelledError, TimedOutError
from provisioner.model.ports import Cloud, StepContext
from provisioner.ops.house import House
from provisioner.ops.machine import machine_state, resume_hint

AWAKE_DEADLINE = 3600.0


def until(house: House, ctx: StepContext, look: Callable[[], str | None], what: str, deadline: float) -> None:
    """Wait until `look` gives None; what it gives instead is how it stands. Raises TimedOutError, CancelledError."""
    end, pause, seen = house.clock.monotonic() + deadline, 0.1, look()
    while seen is not None:
        if ctx.cancel.is_set():
            raise CancelledError(f"{what} was not waited for: {seen}", hint=resume_hint(ctx))
        if house.clock.monotonic() > end:
            raise TimedOutError(f"{what} did not get ready within {deadline:.0f} s: {seen}", hint=resume_hint(ctx))
        house.clock.sleep(pause)
        pause = min(pause * 1.3, 10.0)
        seen = look()


def wake_database(house: House, ctx: StepContext, cloud: Cloud, name: str) -> None:
    """Start a database that is stopped, and wait until it is available: RDS changes none that isn't. One that is gone
    is success."""

    def look() -> str | None:
        found = cloud.database(name)
        if found is None or found.status == "available":
            return None
        if found.status == "stopped":
            cloud.start_database(name)
        return found.status

    until(house, ctx, look, f"database {name}", AWAKE_DEADLINE)


def wake_machine(house: House, ctx: StepContext, cloud: Cloud, machine: str) -> None:
    """Start a machine that is stopped, and wait until it runs."""

    def look() -> str | None:
        state = machine_state(cloud, ctx.tenant, machine, "running")
        if state == "stopped":
            cloud.start_machine(machine)
        return state

    until(house, ctx, look, f"machine {machine}", AWAKE_DEADLINE)
