"""What a control is: a rule over everything a stack registers, with the changes that it must notice."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from tests.stacks.recorder import Recording, Resource, short

Rule = Callable[[Recording], Iterator[str]]
Among = Callable[[Recording, Resource], bool]
LARGEST = "standard-aws"
REMOVED = object()
"""As a mutation's value: the property (or with an empty path the resource itself) is not there."""


@dataclass(frozen=True)
class Mutation:
    """A bad edit of the program: in every resource of `type`, the property at the dotted `path` gets `value`."""

    type: str
    path: str
    value: Any

    def apply(self, recording: Recording) -> Recording:
        """The stack as it would be after the edit. AssertionError where it changes nothing."""
        resources: list[Resource] = []
        touched = False
        for resource in recording.resources:
            hit = short(resource.type) == self.type
            touched = touched or hit
            if hit and not self.path:
                continue
            resources.append(self._edited(resource) if hit else resource)
        assert touched, f"no {self.type} in this shape"
        return replace(recording, resources=resources)

    def _edited(self, resource: Resource) -> Resource:
        if self.path.startswith("@"):
            changed: dict[str, Any] = {self.path[1:]: self.value}
            return replace(resource, **changed)
        inputs = deepcopy(resource.inputs)
        *parents, last = self.path.split(".")
        place: Any = inputs
        for part in parents:
            place = place[int(part)] if part.isdigit() else place.setdefault(part, {})
        if self.value is REMOVED:
            place.pop(last, None)
        else:
            place[last] = self.value
        return replace(resource, inputs=inputs)


@dataclass(frozen=True)
class Control:
    """One control. `ids`: of AWS Foundational Security Best Practices, or `own-...`. `rule` yields what is wrong.

    `covers`: types of resources that the rule is about. `exempt`: shape -> why the control doesn't hold there. `shape`:
    where the bad edits are tried.
    """

    ids: tuple[str, ...]
    rule: Rule
    covers: tuple[str, ...]
    spoiled_by: tuple[Mutation, ...]
    exempt: Mapping[str, str]
    shape: str = LARGEST

    @property
    def name(self) -> str:
        """For the tests' names."""
        return f"{'/'.join(self.ids)} {self.rule.__name__}"


CONTROLS: list[Control] = []


def control(
    *ids: str,
    covers: str | tuple[str, ...] = (),
    spoiled_by: tuple[Mutation, ...],
    exempt: Mapping[str, str] | None = None,
    shape: str = LARGEST,
) -> Callable[[Rule], Rule]:
    """Register a rule."""

    def register(rule: Rule) -> Rule:
        types = (covers,) if isinstance(covers, str) else covers
        CONTROLS.append(Control(ids, rule, types, spoiled_by, exempt or {}, shape))
        return rule

    return register


def required(
    ids: str,
    kind: str,
    path: str,
    good: Any,
    bad: Any = REMOVED,
    exempt: Mapping[str, str] | None = None,
    among: Among | None = None,
) -> None:
    """Register the commonest rule: in every resource of a type (with `among`: that it holds for) the property at `path`
    is `good` (value or test)."""

    def rule(recording: Recording) -> Iterator[str]:
        for resource in recording.of(kind):
            if among is not None and not among(recording, resource):
                continue
            value = at(resource.inputs, path)
            if not (good(value) if callable(good) else value == good):
                yield f"{kind} {resource.name}: {path} is {value!r}"

    rule.__name__ = f"{kind}.{path}"
    mutations = [Mutation(kind, path, REMOVED)] if bad is REMOVED else [Mutation(kind, path, bad)]
    if bad is not REMOVED and not (good(None) if callable(good) else good is None):
        mutations.append(Mutation(kind, path, REMOVED))
    control(*ids.split(), covers=kind, spoiled_by=tuple(mutations), exempt=exempt)(rule)


def at(inputs: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for part in path.split("."):
        if isinstance(inputs, list):
            inputs = inputs[int(part)] if int(part) < len(inputs) else None
        else:
            inputs = (inputs or {}).get(part)
    return inputs
