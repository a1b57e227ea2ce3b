"""Failpoints, for tests alone: die or fail at the boundary of a step.

`PROVISION_FAILPOINT="<step>:before|after[:kill|raise]"`: `before` is after the intent was recorded and before acting;
`after` is after acting and before the result is recorded. `kill` (the default) is SIGKILL to this process, `raise` a
ProvisionError. Unset, it costs one look into the environment for each boundary.
"""

import os
import signal
from typing import Literal

from provisioner.model.errors import ProvisionError, UsageError

VARIABLE = "PROVISION_FAILPOINT"


def hit(step: str, moment: Literal["before", "after"]) -> None:
    """Do what the environment asks for at this boundary; nothing by default."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    name, _, rest = wanted.partition(":")
    when, _, action = rest.partition(":")
    if when not in {"before", "after"} or action not in {"", "kill", "raise"}:
        raise UsageError(f"{VARIABLE}={wanted} is not <step>:before|after[:kill|raise]")
    if (name, when) != (step, moment):
        return
    if action == "raise":
        raise ProvisionError(f"failpoint {wanted}")
    os.kill(os.getpid(), signal.SIGKILL)
