"""Commands on a tenant's machine, through SSM. The operator's own machine has no way into the tenant's network."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import ProvisionError, TimedOutError
from provisioner.model.ports import Cloud, StepContext
from provisioner.model.redact import redact

_MASTER_MINUTES = 15


def command(ctx: StepContext, cloud: Cloud, machine: str, script: str, what: str, timeout: float) -> str:
    """Run a script on a machine and return its stdout. Raises TimedOutError after `timeout` seconds, and ProvisionError
    with the end of its stderr, redacted, where it failed."""
    ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, what, message=f"{what} runs on {machine}"))
    result = cloud.run_command(machine, script, comment=f"provision {what} {ctx.tenant}", timeout=timeout)
    if result.status == "TimedOut":
        raise TimedOutError(f"{what} on {machine} did not end within {timeout:.0f} s", hint=resume_hint(ctx))
    if result.exit_code != 0 or result.status != "Success":
        raise ProvisionError(
            f"{what} on {machine} ended with {result.status}, exit code {result.exit_code}: {_tail(result.stderr)}",
            hint=resume_hint(ctx),
        )
    return result.stdout


def answer(ctx: StepContext, cloud: Cloud, machine: str, script: str, what: str, timeout: float) -> Any:
    """The JSON that a script prints. Raises as `command`, and ProvisionError where it printed something else."""
    text = command(ctx, cloud, machine, script, what, timeout)
    try:
        return json.loads(text)
    except ValueError as error:
        raise ProvisionError(
            f"{what} on {machine} printed no JSON: {redact(text)[:200]!r}", hint=resume_hint(ctx)
        ) from error


@contextmanager
def master_allowed(cloud: Cloud, role: str, secret_arn: str) -> Iterator[None]:
    """Let the machine read a master's secret while it needs it; the permission ends by itself after 15 minutes."""
    cloud.allow_secret(role, secret_arn, _MASTER_MINUTES)
    try:
        yield
    finally:
        cloud.forbid_secret(role)


def machine_state(cloud: Cloud, tenant: str, machine_id: str, wanted: str) -> str | None:
    """None where the machine is in the wanted state, else its state."""
    state = next((m.state for m in cloud.machines(tenant) if m.id == machine_id), "gone")
    return None if state == wanted else state


def resume_hint(ctx: StepContext) -> str:
    """What to run next after a failed step."""
    return f"provision operations show {ctx.operation_id}; then provision operations resume {ctx.operation_id}"


def _tail(text: str, lines: int = 5) -> str:
    return " | ".join(line for line in redact(text).strip().splitlines()[-lines:]) or "no output on stderr"
