"""The words of a plan: what the program asks for, what the planner makes of it, and the steps."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from provisioner.engines.embedded.diffs import NO_DIFF, Diff
from provisioner.engines.embedded.state import Resource
from provisioner.engines.embedded.values import Props
from provisioner.model.change import StepOp


@dataclass(frozen=True, slots=True)
class Alias:
    """A former name: a whole `urn`, or the parts that were different ("" for the same as now)."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(slots=True)
class Goal:
    """What the program asks for, after inheritance from the parent. None: not said."""

    type: str
    name: str
    custom: bool
    inputs: Props
    parent: str = ""
    provider: str = ""
    dependencies: list[str] = field(default_factory=list)
    property_dependencies: dict[str, list[str]] = field(default_factory=dict)
    protect: bool | None = None
    retain_on_delete: bool | None = None
    delete_before_replace: bool | None = None
    deleted_with: str = ""
    import_id: str = ""
    aliases: list[Alias] = field(default_factory=list)
    ignore_changes: list[str] = field(default_factory=list)
    replace_on_changes: list[str] = field(default_factory=list)
    additional_secret_outputs: list[str] = field(default_factory=list)
    custom_timeouts: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class PlannedStep:
    """One step. `pending`: a replaced resource stays in the state until its successor or its deletion is there.
    `replacing`: a read or an import takes the place of a managed resource."""

    op: StepOp
    old: Resource | None = None
    new: Resource | None = None
    diff: Diff = NO_DIFF
    pending: bool = False
    replacing: bool = False
    ignored: Sequence[str] = ()

    @property
    def resource(self) -> Resource:
        """The one it is about."""
        found = self.new or self.old
        assert found is not None  # noqa: S101 - every step has one side
        return found


@dataclass(slots=True, eq=False)
class Registration:
    """A goal on its way. `old` is what was imported, once that is done."""

    goal: Goal
    urn: str
    old: Resource | None
    new: Resource
    alias: str
    seed: bytes = field(default_factory=lambda: os.urandom(32))
    importing: bool = False


def wanted(goal: Goal, urn: str, old: Resource | None, alias: str) -> Resource:
    """What the state will say of a goal once it is reached."""
    return Resource(
        urn=urn,
        type=goal.type,
        custom=goal.custom,
        inputs=goal.inputs,
        parent=goal.parent,
        provider=goal.provider,
        dependencies=goal.dependencies,
        property_dependencies=goal.property_dependencies,
        protect=bool(goal.protect),
        additional_secret_outputs=goal.additional_secret_outputs,
        aliases=[alias] if alias else [],
        custom_timeouts=goal.custom_timeouts,
        import_id=goal.import_id,
        retain_on_delete=bool(goal.retain_on_delete),
        deleted_with=goal.deleted_with,
        created=old.created if old is not None else "",
        modified=old.modified if old is not None else "",
        ignore_changes=goal.ignore_changes,
        replace_on_changes=goal.replace_on_changes,
    )
