"""Who holds a lease, and whether that process can be proven dead from here (`model.processes`).

A holder carries the host's name, the boot id joined with the pid namespace, and the start time of the pid. Where any of
it can't be read (no /proc), `boot_id` is empty and only the lease's time to live counts.
"""

import getpass
import os
import socket

from provisioner.model import processes
from provisioner.model.ledger import Holder


def current_holder() -> Holder:
    """This process."""
    pid = os.getpid()
    found = processes.stat(pid)
    return Holder(socket.gethostname(), processes.place(), pid, found.started if found else "", _user())


def same_boot(one: Holder, other: Holder) -> bool:
    """Whether both live in one pid namespace of one boot of one host, so that pids can be compared."""
    return bool(one.boot_id) and (one.host, one.boot_id) == (other.host, other.boot_id)


def proven_dead(holder: Holder, here: Holder) -> bool:
    """True only where `holder` ran in the pid namespace of `here` and its process is gone."""
    return same_boot(holder, here) and bool(holder.pid_started) and processes.over(holder.pid, holder.pid_started)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name, as in a container
        return str(os.getuid())
