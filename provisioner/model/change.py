"""A proposed or executed change of a stack: steps, events and the verdict over them. Engines produce these."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from provisioner.model.json import Json


class StepOp(StrEnum):
    """What happens to one resource; Pulumi's own names (sdk/go/common/apitype `OpType`)."""

    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    REPLACE = "replace"
    CREATE_REPLACEMENT = "create-replacement"
    DELETE_REPLACED = "delete-replaced"
    READ = "read"
    REFRESH = "refresh"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """A property path in Pulumi's syntax and why it matters. Values are never here: they may be secret."""

    path: str
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One resource in a plan or a run. `protected`: `protect` or the cloud's own flag holds in the *state*."""

    op: StepOp
    urn: str
    type: str
    name: str
    id: str | None = None
    changes: tuple[PropertyChange, ...] = ()
    protected: bool = False


HIDDEN = "[secret]"
"""Stands for a secret value."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What the cloud has otherwise than the state: at `path` (Pulumi's syntax) the state has `before` and the cloud
    `after`; None is unset. Without a path the resource itself is gone. Secret values are `HIDDEN`."""

    type: str
    name: str
    urn: str
    path: str = ""
    before: Json = None
    after: Json = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, in order. `SAME` steps are included, so that a plan counts the whole stack. `drift`: how the
    cloud that was read differs from the state; empty where it wasn't read."""

    steps: tuple[Step, ...]
    drift: tuple[Difference, ...] = ()

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that change something in the cloud."""
        return tuple(s for s in self.steps if s.op not in (StepOp.SAME, StepOp.READ))

    def summary(self) -> dict[str, int]:
        """Number of steps for each op, largest first."""
        return dict(Counter(str(s.op) for s in self.steps).most_common())


class EventKind(StrEnum):
    """Kinds of progress events."""

    STEP_STARTED = "step-started"
    STEP_DONE = "step-done"
    STEP_FAILED = "step-failed"
    RESOURCE_STARTED = "resource-started"
    RESOURCE_DONE = "resource-done"
    RESOURCE_FAILED = "resource-failed"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of progress. `subject` is a tenant or stack, `name` an operation's step or a resource."""

    kind: EventKind
    subject: str
    name: str
    op: str | None = None
    type: str | None = None
    message: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run of an engine ended. Secret outputs are left out."""

    steps: tuple[Step, ...]
    outputs: dict[str, Json] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, int]:
        """Number of steps for each op."""
        return Plan(self.steps).summary()
