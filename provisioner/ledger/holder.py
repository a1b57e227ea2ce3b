"""Who holds a lease, and whether that process can be proven dead from here.

A pid alone proves nothing: it is reused, means something else in another pid namespace, and something else after a
reboot. So a holder carries the host's name, the boot id joined with the pid namespace, and the start time of the pid.
Where any of it can't be read (no /proc), `boot_id` is empty and only the lease's time to live counts.
"""

import getpass
import os
import socket
from pathlib import Path

from provisioner.model.ledger import Holder


def current_holder() -> Holder:
    """This process."""
    pid = os.getpid()
    return Holder(socket.gethostname(), _boot_id(), pid, _started(pid) or "", _user())


def same_boot(one: Holder, other: Holder) -> bool:
    """Whether both live in one pid namespace of one boot of one host, so that pids can be compared."""
    return bool(one.boot_id) and (one.host, one.boot_id) == (other.host, other.boot_id)


def proven_dead(holder: Holder, here: Holder) -> bool:
    """True only where `holder` ran in the pid namespace of `here` and its process is gone."""
    if not same_boot(holder, here) or not holder.pid_started:
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it exists and is another user's
        pass
    started = _started(holder.pid)
    return started is not None and started != holder.pid_started


def _boot_id() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Start time in clock ticks since boot; "dead" for a zombie, which acts no more; None where it can't be read."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()  # the command's name before may contain anything
    return "dead" if state in {"Z", "X"} else fields[18]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in a container
        return str(os.getuid())
