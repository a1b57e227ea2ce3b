"""Keeps the leases of running work alive, from one thread.

A lease that another took, or that could not be renewed for its whole time to live, is lost: its keeper is told,
no further step starts, and no record is written under it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from provisioner.model.clock import Clock
from provisioner.model.errors import LeaseLostError, ProvisionError
from provisioner.model.ledger import Lease
from provisioner.model.ports import Ledger


class Keeper(Protocol):
    """Who has a lease, and is told when it is lost."""

    @property
    def lease(self) -> Lease:
        """The lease."""

    def lose(self, error: LeaseLostError) -> None:
        """It is another's."""


class Heartbeat:
    """`ttl`: what each beat gives the lease; `beat`: seconds between beats, in real time."""

    def __init__(self, ledger: Ledger, clock: Clock, ttl: timedelta, beat: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ttl = ttl
        self._beat = beat
        self._lock = threading.Lock()
        self._renewed: dict[Keeper, float] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @contextmanager
    def keeping(self, keeper: Keeper) -> Iterator[None]:
        """Renew its lease as long as the body runs."""
        with self._lock:
            self._renewed[keeper] = self._clock.monotonic()
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._run, args=(self._stop,), name="heartbeat", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._renewed[keeper]

    def stop(self) -> None:
        """End the thread; the next attempt starts another."""
        with self._lock:
            self._stop.set()
            self._thread = None

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._beat):
            with self._lock:
                keepers = list(self._renewed)
            for keeper in keepers:
                self._renew(keeper)

    def _renew(self, keeper: Keeper) -> None:
        began = self._clock.monotonic()
        try:
            self._ledger.renew_lease(keeper.lease, self._ttl)
        except LeaseLostError as e:
            with self._lock:
                if keeper in self._renewed:  # else it has just released the lease itself
                    keeper.lose(e)
            return
        except ProvisionError as e:  # locked, out of reach: the next beat may do better, until the lease has run out
            since = self._renewed.get(keeper, began)
            if began - since >= self._ttl.total_seconds():
                keeper.lose(LeaseLostError(f"the lease of {keeper.lease.tenant} ran out: {e.message}"))
            return
        with self._lock:
            if keeper in self._renewed:
                self._renewed[keeper] = began
