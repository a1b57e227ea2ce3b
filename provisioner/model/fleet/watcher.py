"""What the cloud measures: a part of the port `Cloud`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from provisioner.model.cloud import Alarm, Metric, Reading


class Watcher(Protocol):
    """Metrics and alarms, by CloudWatch."""

    def alarms(self, tenant: str) -> list[Alarm]:
        """The alarms of the tenant's stack that are there, by name."""

    def readings(self, metrics: Sequence[Metric], start: datetime, end: datetime) -> list[list[Reading]]:
        """What each metric was from `start` to `end`, oldest first, without periods in which nothing was measured."""
