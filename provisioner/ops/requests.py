"""What an operator asks for, as values."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class NewTenantRequest:
    """Words of `new-tenant`; None leaves the choice to the registry's defaults."""

    id: str
    tier: str | None = None
    region: str | None = None
    ring: int | None = None
    release: str | None = None
    organization: str | None = None
    target: str | None = None
    labels: dict[str, str] = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """What was said, by the registry's names."""
        said: dict[str, Any] = {
            "target": self.target,
            "tier": self.tier,
            "region": self.region,
            "ring": self.ring,
            "release": self.release,
            "organization": self.organization,
            "labels": dict(self.labels) or None,
        }
        return {name: value for name, value in said.items() if value is not None}
