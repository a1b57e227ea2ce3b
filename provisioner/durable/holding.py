"""A lease for work that isn't an operation itself: whoever drives a rollout has one."""

import threading

from provisioner.model.errors import CancelledError, LeaseLostError
from provisioner.model.ledger import Lease


class Holding:
    """The port `Hold`. `cancel` is set when this process shall stop."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.cancel = threading.Event()
        self._lost: LeaseLostError | None = None

    def lose(self, error: LeaseLostError) -> None:
        """The lease is another's."""
        self._lost = error

    def check(self) -> None:
        """Raise LeaseLostError where it was lost, CancelledError where this process shall stop."""
        if self._lost is not None:
            raise self._lost
        if self.cancel.is_set():
            raise CancelledError(
                f"{self.lease.reason}: stopped", hint=f"provision rollout resume {self.lease.operation_id}"
            )
