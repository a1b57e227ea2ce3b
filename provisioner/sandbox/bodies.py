"""What a killed daemon left running, found by the records that `launch.py` writes below the home."""

import signal
from pathlib import Path

from provisioner.sandbox import launch

_RECORD_BYTES = 200


def end_all(home: Path) -> int:
    """End every process that a record below `home` names, for good and all: no body gets time to save anything.

    Returns how many there were.
    """
    ended = 0
    for file in home.rglob("*"):
        if file.is_file() and not file.is_symlink() and file.stat().st_size < _RECORD_BYTES:
            process = launch.recorded(file)
            if process:
                # SIGQUIT: PostgreSQL takes its children along; what doesn't know it dies of it all the same.
                launch.stop(process, signal.SIGQUIT, grace=2.0, group=True)
                ended += 1
    return ended
