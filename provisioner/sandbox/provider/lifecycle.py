"""Create, read, update and delete of any described type: adoption, waiting, drift, and what to record.

A resource is made by one call; then it is read, and whatever differs from the wanted inputs is brought to them. So a
new resource, an adopted one and a changed one take the same path, and a run that died is finished by the next.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provisioner.model.errors import ProvisionError
from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.check import merge_tags
from provisioner.sandbox.provider.compare import drift, empty, merge, narrow
from provisioner.sandbox.provider.convert import Props
from provisioner.sandbox.provider.errors import IN_USE, AwsError, InitFailedError, ProviderError
from provisioner.sandbox.provider.resource import Resource

OURS = ("provision:stack", "provision:resource")
_HIDDEN_TAGS = ("aws:", "sandbox:")
_IN_USE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Tagging:
    """Tags that a provider's configuration adds to every resource, and those it doesn't look at."""

    defaults: Mapping[str, str]
    ignored_keys: frozenset[str] = frozenset()
    ignored_prefixes: tuple[str, ...] = ()

    def visible(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Without AWS's own, the sandbox's, and the ignored ones."""
        prefixes = (*_HIDDEN_TAGS, *self.ignored_prefixes)
        return {k: v for k, v in tags.items() if not k.startswith(prefixes) and k not in self.ignored_keys}


def create(
    spec: Resource, call: Call, wanted: Props, known: frozenset[str] | None, tagging: Tagging
) -> tuple[str, Props]:
    """Make it, or adopt what is there. `known`: ids that the engine's state holds for it; None = don't look first.

    Raises InitFailedError where it exists and could not be finished.
    """
    resource_id = _acquire(spec, call, wanted, known)
    try:
        spec.finish(call, resource_id, wanted)
        return resource_id, _converge(spec, call, resource_id, wanted, frozenset(), tagging)
    except ProvisionError as error:
        raise InitFailedError(error.message, resource_id=resource_id, properties=wanted, inputs=wanted) from error


def update(spec: Resource, call: Call, resource_id: str, old_inputs: Props, wanted: Props, tagging: Tagging) -> Props:
    """Bring an existing resource to `wanted`: what the program changed, and what the cloud no longer has as asked."""
    keys = {k for k in old_inputs.keys() | wanted.keys() if not k.startswith("__")}
    changed = frozenset(k for k in keys if not spec.shapes.same(k, old_inputs.get(k), wanted.get(k)))
    try:
        return _converge(spec, call, resource_id, wanted, changed, tagging)
    except ProvisionError as error:
        raise InitFailedError(error.message, resource_id=resource_id, properties=wanted, inputs=wanted) from error


def read(
    spec: Resource, call: Call, resource_id: str, inputs: Props, state: Props, tagging: Tagging
) -> tuple[str, Props, Props] | None:
    """Id, state and inputs as the cloud has them; None where it is gone. Without inputs (import) all are rebuilt."""
    actual = spec.read(call, resource_id, {**state, **inputs})
    if actual is None:
        return None
    resource_id = str(actual.pop("id", resource_id))
    _split_tags(actual, inputs, tagging)
    if not inputs:
        inputs = dict(spec.defaults)
        inputs.update({k: v for k, v in actual.items() if k in spec.inputs or k == "tagsAll"})
        inputs = {k: v for k, v in inputs.items() if not empty(v) or k in spec.defaults or k == "tagsAll"}
        return resource_id, merge(spec.shapes, {}, {**state, **actual, "region": call.region}), inputs
    merged = merge(spec.shapes, inputs, {**state, **actual})
    tracked = actual.keys() - spec.shapes.chosen
    found = {k: v for k, v in inputs.items() if k not in tracked}
    found |= narrow({k: v for k, v in inputs.items() if k in tracked}, merged)
    if not empty(actual.get("tags")):
        found["tags"] = merged["tags"]
    return resource_id, merged, found


def delete(spec: Resource, call: Call, resource_id: str, state: Props) -> None:
    """Delete it; one that is gone is success. What is still used by others is asked for again, up to a minute."""
    patience = min(call.deadline, time.monotonic() + _IN_USE_SECONDS)
    wait = 0.1
    while True:
        try:
            return spec.delete(call, resource_id, state)
        except AwsError as error:
            if error.missing:
                return None
            if error.code not in IN_USE or time.monotonic() + wait > patience:
                raise
        call.pause(wait)
        wait = min(wait * 2, 2.0)


def _acquire(spec: Resource, call: Call, wanted: Props, known: frozenset[str] | None) -> str:
    """The id of what is there already and is ours, else of what this makes."""
    tags = _our_tags(wanted)
    tagged = spec.adopt.tagged if tags else None
    present = frozenset(tagged(call, tags)) if tagged else frozenset()
    if known is not None and (orphans := present - known):
        return _adoptable(spec, call, orphans, wanted)
    lost = False

    def attempt() -> str:
        nonlocal lost
        if lost and tagged and (orphans := frozenset(tagged(call, tags)) - present):
            return _adoptable(spec, call, orphans, wanted)
        try:
            return spec.make(call, wanted)
        except AwsError as error:
            if error.code in spec.adopt.duplicates and (known is not None or lost):
                found = _existing(spec, call, wanted, known or frozenset(), error)
                if not _is_ours(spec, call, found, wanted, lost=lost):
                    raise ProviderError(
                        f"{found} exists already and is not tagged as this stack's {spec.token}",
                        hint="choose another name, import it, or delete it",
                    ) from error
                return _adoptable(spec, call, [found], wanted)
            lost = lost or error.ambiguous
            raise

    return call.retry(attempt, lambda error: error.ambiguous)


def _existing(spec: Resource, call: Call, wanted: Props, known: frozenset[str], error: AwsError) -> str:
    """The id of what AWS says is there already. Raises `error` where nothing is, or only what the state has."""
    found = spec.adopt.existing(call, wanted) if spec.adopt.existing else None
    if found is None or (found in known and spec.retag):
        raise error
    return found


def _is_ours(spec: Resource, call: Call, found: str, wanted: Props, *, lost: bool) -> bool:
    """Whether its tags are ours. What has no tags by nature is told apart by `existing`."""
    if not spec.retag or spec.adopt.proven:
        return True
    theirs = (spec.read(call, found, {}) or {}).get("tagsAll") or {}
    if lost and spec.adopt.tagged_later and not theirs:
        return True
    tags = _our_tags(wanted)
    return bool(tags) and all(theirs.get(k) == v for k, v in tags.items())


def _adoptable(spec: Resource, call: Call, candidates: Iterable[str], wanted: Props) -> str:
    """The first that can be brought to `wanted`. Raises ProviderError where all could only be replaced: nothing that
    exists is deleted unasked."""
    fixed = {k: v for k, v in wanted.items() if k in spec.force_new | spec.replace_if(wanted)}
    other: dict[str, list[str]] = {}
    for found in sorted(candidates):
        other[found] = sorted(drift(spec.shapes, fixed, spec.read(call, found, wanted) or {}))
        if not other[found]:
            return found
    found, properties = other.popitem()
    raise ProviderError(
        f"{found} was left by an earlier run of this stack with another {', '.join(properties)}",
        hint=f"look at {found} and delete it, then run the same command again",
    )


def _converge(
    spec: Resource, call: Call, resource_id: str, wanted: Props, changed: frozenset[str], tagging: Tagging
) -> Props:
    """Wait, read, change what differs, and read again. Returns the state to record."""
    spec.ready(call, resource_id, wanted)
    actual = _read_present(spec, call, resource_id, wanted, tagging)
    differing = (changed | drift(spec.shapes, wanted, actual)) - spec.force_new - {"tags", "region"}
    if differing:
        if "tagsAll" in differing and spec.retag:
            have, want = actual.get("tagsAll") or {}, wanted.get("tagsAll") or {}
            gone = [k for k in have if k not in want]
            spec.retag(
                call, resource_id, {**wanted, **actual}, {k: v for k, v in want.items() if have.get(k) != v}, gone
            )
        if spec.update and differing - {"tagsAll"}:
            spec.update(call, resource_id, wanted, frozenset(differing - {"tagsAll"}))
        spec.ready(call, resource_id, wanted)
        actual = _read_present(spec, call, resource_id, wanted, tagging)
    return merge(spec.shapes, wanted, {**actual, "region": call.region} if spec.regional else actual)


def _read_present(spec: Resource, call: Call, resource_id: str, wanted: Props, tagging: Tagging) -> Props:
    actual = spec.read(call, resource_id, wanted)
    if actual is None:
        raise ProviderError(f"{resource_id} is gone", hint="run the same command with --refresh")
    actual.pop("id", None)
    _split_tags(actual, wanted, tagging)
    return actual


def _split_tags(actual: Props, inputs: Props, tagging: Tagging) -> None:
    """Put `tags` (the resource's own) beside `tagsAll`. A default tag that the program repeats stays its own."""
    if "tagsAll" not in actual:
        return
    everything = tagging.visible(actual["tagsAll"] or {})
    own = inputs.get("tags") or {}
    actual["tagsAll"] = everything
    actual["tags"] = {k: v for k, v in everything.items() if k in own or tagging.defaults.get(k) != v}
    if merge_tags(tagging.defaults, own) == everything and "tags" not in inputs:
        del actual["tags"]


def _our_tags(wanted: Props) -> dict[str, str]:
    """The two tags that identify a resource; empty where it hasn't both."""
    tags = wanted.get("tagsAll") or {}
    return {key: tags[key] for key in OURS} if all(key in tags for key in OURS) else {}
