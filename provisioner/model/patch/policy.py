"""What a tier promises about patches, and the exceptions of a tenant."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Literal

from provisioner.model.json import JsonDict


class Severity(StrEnum):
    """How much an advisory matters; the worst first."""

    CRITICAL = "critical"
    IMPORTANT = "important"
    MEDIUM = "medium"
    LOW = "low"
    UNSPECIFIED = "unspecified"


RANK: Mapping[Severity, int] = {severity: number for number, severity in enumerate(Severity)}
_SYNONYMS = {"high": Severity.IMPORTANT, "moderate": Severity.MEDIUM}

Way = Literal["in-place", "replace"]
"""How a tenant gets its patches: installed on its machine, or with a new machine of the same release on a newer OS."""


def severity_of(text: str) -> Severity:
    """As systems spell it; what is unknown is unspecified."""
    word = text.strip().lower()
    return _SYNONYMS.get(word) or (Severity(word) if word in RANK else Severity.UNSPECIFIED)


@dataclass(frozen=True, slots=True)
class PatchDays:
    """In how many days an advisory of each severity must be installed, from when it was first seen missing. One without
    a severity counts as low."""

    critical: int = 7
    important: int = 30
    medium: int = 90
    low: int = 180

    def of(self, severity: Severity) -> timedelta:
        """The time for one severity."""
        name = "low" if severity is Severity.UNSPECIFIED else str(severity)
        return timedelta(days=getattr(self, name))


@dataclass(frozen=True, slots=True)
class PatchPolicy:
    """A tier's promise, and the `way` in which it is kept. `scan_hours`: hours between two looks of a worker
    for what is missing."""

    days: PatchDays = field(default_factory=PatchDays)
    scan_hours: int = 24
    way: Way = "in-place"

    def json(self) -> JsonDict:
        """For an operation's payload and the evidence."""
        return asdict(self)

    @classmethod
    def of(cls, raw: Any) -> "PatchPolicy":
        """The policy that this JSON was made of."""
        return cls(PatchDays(**raw["days"]), raw["scan_hours"], raw["way"])


@dataclass(frozen=True, slots=True)
class PatchException:
    """A tenant may go without one advisory until the last day `expires`. `advisory`: its id, its package or a CVE."""

    advisory: str
    reason: str
    name: str
    expires: date

    def json(self) -> JsonDict:
        """For an operation's payload and the evidence."""
        return {**asdict(self), "expires": self.expires.isoformat()}

    @classmethod
    def of(cls, raw: Any) -> "PatchException":
        """The exception that this JSON was made of."""
        return cls(**{**raw, "expires": date.fromisoformat(raw["expires"])})
