"""What a refresh found, as values that people may see. Both engines tell it in the same way."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.engines.embedded import paths, values
from provisioner.engines.embedded.state import name_of, type_of
from provisioner.model.change import HIDDEN, Difference

_HIDDEN_NAMES = ("password", "privatekey", "secretstring", "secretbinary", "credential")


@dataclass(frozen=True, slots=True)
class Known:
    """Inputs and outputs of a resource, as the state has them or as the cloud does."""

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]


def differences(urn: str, old: Known, new: Known | None, changed: Collection[str]) -> list[Difference]:
    """One for each of the `changed` paths; where nothing is there any more, one without a path.

    What was asked for is compared. Where the cloud's inputs say the same, its outputs know better: a provider may
    record an input as it was asked for."""
    about = type_of(urn), name_of(urn), urn
    if new is None:
        return [Difference(*about)]
    return [Difference(*about, path, *_pair(path, old, new)) for path in sorted(changed)]


def _pair(path: str, old: Known, new: Known) -> tuple[Any, Any]:
    if _secret(path, old, new):
        return HIDDEN, HIDDEN
    before, after = _at(old.inputs, path), _at(new.inputs, path)
    if before == after:
        after = _at(new.outputs, path)
    return before, after


def _secret(path: str, old: Known, new: Known) -> bool:
    """Whether anything of the property is secret on either side: what the cloud has may come back without a mark."""
    root = path.partition(".")[0].partition("[")[0]
    sides = (old.inputs, old.outputs, new.inputs, new.outputs)
    named = any(name in path.lower() for name in _HIDDEN_NAMES)
    return named or any(values.has_secret(side.get(root)) for side in sides)


def _at(props: Mapping[str, Any], path: str) -> Any:
    """What is at a path, for people; None where nothing is."""
    try:
        parsed = paths.parse(path)
    except ValueError:
        return None
    found: Any = props
    for key in parsed:
        there = isinstance(found, Mapping) and key in found
        if not there and not (isinstance(found, list) and isinstance(key, int) and key < len(found)):
            return None
        found = found[key]
    return _shown(found)


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: HIDDEN if any(n in k.lower() for n in _HIDDEN_NAMES) else _shown(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_shown(item) for item in value]
    return value
