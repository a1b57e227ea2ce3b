"""Which resources must be deleted along with one that is deleted before its replacement is made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provisioner.engines.embedded.diffs import compared, with_replace_on_changes
from provisioner.engines.embedded.run import Run
from provisioner.engines.embedded.state import Resource, is_provider, split_reference
from provisioner.engines.embedded.values import UNKNOWN


@dataclass(frozen=True, slots=True)
class Replaced:
    """A dependent, and the properties that cause its replacement."""

    resource: Resource
    keys: tuple[str, ...] = ()


def required_replacements(run: Run, root: Resource, dependents: Iterable[Resource]) -> list[Replaced]:
    """Those of the old dependents that an unknown value in place of what they take from `root` would replace, and
    theirs in turn (`calculateDependentReplacements`). In dependency order."""
    gone = {root.urn}
    found = []
    for resource in dependents:
        keys = _replacing_keys(run, resource, gone)
        if keys is not None:
            found.append(Replaced(resource, keys))
            gone.add(resource.urn)
    return found


def cascades(urn: str, olds: Mapping[str, Resource]) -> list[Replaced]:
    """Those that go when `urn` goes because they are `deleted_with` it (`findDependentCascadeReplacements`)."""
    return [Replaced(resource) for resource in olds.values() if resource.deleted_with == urn]


def _replacing_keys(run: Run, resource: Resource, gone: set[str]) -> tuple[str, ...] | None:
    """Why it must be replaced; None where it needn't."""
    if not resource.custom or resource.external:
        return None
    if resource.deleted_with in gone or (resource.provider and split_reference(resource.provider)[0] in gone):
        return ()
    inputs = {
        key: UNKNOWN if gone.intersection(resource.property_dependencies.get(key, ())) else value
        for key, value in resource.inputs.items()
    }
    if inputs == resource.inputs:
        return None
    if is_provider(resource.type):
        diff = run.registry.diff(resource.urn, resource, inputs)
    else:
        provider = run.registry.ensure(resource.provider, run.journal.base)
        old = (resource.inputs, resource.outputs)
        diff = provider.diff(resource.urn, resource.id, old, inputs, resource.ignore_changes)
    diff = compared(diff, resource.inputs, inputs, resource.ignore_changes)
    diff = with_replace_on_changes(diff, resource.replace_on_changes, False)
    return diff.replaces if diff.replace else None
