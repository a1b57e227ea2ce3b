"""The states of an instance, by EC2's names and codes."""

from datetime import timedelta
from typing import Any

from moto.core.utils import utcnow
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import InstanceState

PENDING, RUNNING, SHUTTING_DOWN, TERMINATED, STOPPING, STOPPED = (
    "pending",
    "running",
    "shutting-down",
    "terminated",
    "stopping",
    "stopped",
)
_CODES = {PENDING: 0, RUNNING: 16, SHUTTING_DOWN: 32, TERMINATED: 48, STOPPING: 64, STOPPED: 80}

_TERMINATED_SHOWN = timedelta(hours=1)


def state_of(instance: Any) -> str:
    """The instance's state."""
    return str(instance.instance_state.name)


def set_state(instance: Any, name: str) -> None:
    """Move the instance to a state. Needs the world's lock."""
    instance._state = InstanceState(name, _CODES[name])  # noqa: SLF001 - moto has no other way
    if name == TERMINATED:
        instance.sandbox_terminated_at = utcnow()


def forget_old(account: str) -> None:
    """Drop what was terminated a good while ago, as EC2 does, lest the state grow for ever. Needs the world's lock."""
    before = utcnow() - _TERMINATED_SHOWN
    backends: list[Any] = list(ec2_backends[account].values())
    for backend in backends:
        for key, reservation in list(backend.reservations.items()):
            if all(state_of(i) == TERMINATED and i.sandbox_terminated_at < before for i in reservation.instances):
                del backend.reservations[key]


def all_instances(account: str) -> list[Any]:
    """Every instance of the account, in all regions, terminated ones too. Needs the world's lock."""
    backends = list(ec2_backends[account].values())
    return [i for b in backends for r in list(b.reservations.values()) for i in r.instances]
