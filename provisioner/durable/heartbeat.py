"""Keeps the leases of running attempts alive, from one thread.

A lease that another took, or that could not be renewed for its whole time to live, is lost: the attempt's cancel flag
is set, no further step starts, and no record is written under it.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from provisioner.durable.attempt import Attempt
from provisioner.model.clock import Clock
from provisioner.model.errors import LeaseLostError, ProvisionError
from provisioner.model.ports import Ledger


class Heartbeat:
    """`ttl`: what each beat gives the lease; `beat`: seconds between beats, in real time."""

    def __init__(self, ledger: Ledger, clock: Clock, ttl: timedelta, beat: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ttl = ttl
        self._beat = beat
        self._lock = threading.Lock()
        self._renewed: dict[Attempt, float] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    @contextmanager
    def keeping(self, attempt: Attempt) -> Iterator[None]:
        """Renew the attempt's lease as long as the body runs."""
        with self._lock:
            self._renewed[attempt] = self._clock.monotonic()
            if self._thread is None:
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._run, args=(self._stop,), name="heartbeat", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                del self._renewed[attempt]

    def stop(self) -> None:
        """End the thread; the next attempt starts another."""
        with self._lock:
            self._stop.set()
            self._thread = None

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._beat):
            with self._lock:
                attempts = list(self._renewed)
            for attempt in attempts:
                self._renew(attempt)

    def _renew(self, attempt: Attempt) -> None:
        began = self._clock.monotonic()
        try:
            self._ledger.renew_lease(attempt.lease, self._ttl)
        except LeaseLostError as e:
            with self._lock:
                if attempt in self._renewed:  # else it has just released the lease itself
                    attempt.lose(e)
            return
        except ProvisionError as e:  # locked, out of reach: the next beat may do better, until the lease has run out
            since = self._renewed.get(attempt, began)
            if began - since >= self._ttl.total_seconds():
                attempt.lose(LeaseLostError(f"the lease of tenant {attempt.lease.tenant} ran out: {e.message}"))
            return
        with self._lock:
            if attempt in self._renewed:
                self._renewed[attempt] = began
