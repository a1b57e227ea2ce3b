"""The command, dead at a moment between two records of a rollout.

    PROVISION_MOMENT="METHOD[.WORD]:before|after" python -m tests.faults.rollouts.moments rollout resume

METHOD is one by which a rollout is recorded; WORD is one of its arguments, as `running` of a tenant's state. It is
killed with -9 right before or right after the first call that fits, when the call's own transaction isn't begun or is
over. Steps of an upgrade have failpoints of their own (`PROVISION_FAILPOINT`).
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

from provisioner.app import RegistryAt
from provisioner.cli import main as cli
from provisioner.ledger.store import SqlLedger

VARIABLE = "PROVISION_MOMENT"
_OWNERS = {"move_channel": RegistryAt}


def main() -> None:
    """The command, which dies where the environment says."""
    wanted = os.environ.get(VARIABLE)
    if wanted:
        _arm(wanted)
    cli.main()


def _arm(wanted: str) -> None:
    name, _, when = wanted.rpartition(":")
    method, _, word = name.partition(".")
    if when not in {"before", "after"}:
        raise ValueError(f"{VARIABLE}={wanted}")
    owner = _OWNERS.get(method, SqlLedger)
    original: Callable[..., Any] = getattr(owner, method)

    @wraps(original)
    def deadly(*args: Any, **more: Any) -> Any:
        fits = not word or word in map(str, args)
        if fits and when == "before":
            _die()
        result = original(*args, **more)
        if fits:
            _die()
        return result

    setattr(owner, method, deadly)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
