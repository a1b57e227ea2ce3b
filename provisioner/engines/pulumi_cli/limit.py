"""When a run has to end, whatever it is doing: looking at the state, settling what was left, or the run itself."""

import time
from threading import Event as Flag
from typing import Literal

from provisioner.engines.pulumi_cli.failures import AGAIN
from provisioner.model.errors import CancelledError, ProvisionError, TimedOutError

Reason = Literal["cancelled", "timed out"]


class Limit:
    """`where`: what ends, in messages; `seconds`: from now, None for no limit; `cancel`: a flag that ends it too;
    `whole`: what it is a part of, and ends with."""

    def __init__(
        self,
        where: str,
        seconds: float | None = None,
        cancel: Flag | None = None,
        whole: "Limit | None" = None,
    ) -> None:
        self._where = where
        self._seconds = seconds
        self._cancel = cancel
        self._whole = whole
        self._ends = None if seconds is None else time.monotonic() + seconds

    def reached(self) -> Reason | None:
        """Why it must end now; None where it may go on."""
        if self._cancel is not None and self._cancel.is_set():
            return "cancelled"
        return "timed out" if self._ends is not None and time.monotonic() >= self._ends else None

    def check(self) -> None:
        """Raise CancelledError or TimedOutError where it, or the whole, must end."""
        if self._whole is not None:
            self._whole.check()
        reason = self.reached()
        if reason is not None:
            raise self.error(reason)

    def error(self, reason: Reason, listing: str = "") -> ProvisionError:
        """What is raised for that reason. `listing`: more lines about what had failed by then."""
        if reason == "cancelled":
            return CancelledError(f"{self._where} was cancelled{listing}", hint=AGAIN)
        return TimedOutError(f"{self._where} ran out of time ({self._seconds:g} s){listing}", hint=AGAIN)
