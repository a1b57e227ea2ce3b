"""What of a tenant needs a person: how urgent, why in words, and what to run next. Pure, from what is on record."""

from dataclasses import dataclass
from enum import IntEnum


class Weight(IntEnum):
    """How urgent. Now: customers are hurt or unprotected, or will be within days; soon: a promise isn't kept; later:
    it can wait for the next working week."""

    WELL = 0
    LATER = 1
    SOON = 2
    NOW = 3

    @property
    def word(self) -> str:
        """As it is printed."""
        return self.name.lower()


TOPICS = (
    "health",
    "lifecycle",
    "operation",
    "alarm",
    "capacity",
    "rollout",
    "drift",
    "patch",
    "recovery",
    "registry",
    "unseen",
)
"""What needs are about; where two weigh the same, the first of these comes first."""


@dataclass(frozen=True, slots=True)
class Need:
    """`key`: the same for the same need of a tenant as long as it lasts; `why`: in words; `next`: the next command."""

    key: str
    topic: str
    weight: Weight
    why: str
    next: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        """The most urgent first."""
        return -self.weight, TOPICS.index(self.topic)
