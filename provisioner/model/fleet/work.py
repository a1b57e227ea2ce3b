"""What is under way or was left: operations that change tenants and didn't end well, and rollouts that aren't over."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from provisioner.model.ledger import OperationStatus
from provisioner.model.rollout.states import DRIVEN, RolloutStatus, StepState


@dataclass(frozen=True, slots=True)
class Task:
    """The newest operation that changes a tenant, if it isn't finished. `busy`: somebody is at it."""

    id: str
    kind: str
    tenant: str
    status: OperationStatus
    started_at: datetime
    busy: bool = False
    error: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class RollingStep:
    """Where a tenant is in a rollout."""

    tenant: str
    state: StepState
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Rolling:
    """A rollout that isn't over. `work`: "upgrade" or "patch"; `driven`: somebody drives it."""

    id: str
    work: str
    release: str
    status: RolloutStatus
    cause: str
    hint: str | None
    updated_at: datetime
    driven: bool
    steps: tuple[RollingStep, ...]

    @property
    def what(self) -> str:
        """`to 1.1.0`, or `of patches-2026-11-25`."""
        return f"to {self.release}" if self.work == "upgrade" else f"of {self.release}"

    @property
    def stranded(self) -> bool:
        """It should go on, and nobody drives it."""
        return self.status in DRIVEN and not self.driven


@dataclass(frozen=True, slots=True)
class Work:
    """All of it at one moment; tasks by tenant."""

    tasks: Mapping[str, Task]
    rollouts: tuple[Rolling, ...]
