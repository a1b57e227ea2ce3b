"""Waiting a little for what AWS is busy with."""

import time
from collections.abc import Callable

from provisioner.model.errors import TimedOutError

_SECONDS = 60.0


def patiently(what: str, attempt: Callable[[], bool], *, seconds: float = _SECONDS) -> None:
    """Call `attempt` until it says that it is done, less and less often. Raises TimedOutError after `seconds`: longer
    waits are the business of a step, which can be interrupted."""
    deadline, pause = time.monotonic() + seconds, 0.1
    while not attempt():
        if time.monotonic() + pause > deadline:
            raise TimedOutError(
                f"{what}: AWS is still busy with it after {seconds:.0f} s", hint="run the same command again"
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 5.0)
