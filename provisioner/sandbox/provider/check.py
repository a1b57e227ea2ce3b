"""Check: what the real provider adds to a program's inputs (defaults, names, merged tags), and what it refuses."""

import hashlib
from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.provider.convert import UNKNOWN, Props
from provisioner.sandbox.provider.resource import Name, Resource

_NAMED = "__defaults"


def check(
    spec: Resource, news: Props, olds: Props | None, *, name: str, seed: bytes, default_tags: Mapping[str, str]
) -> tuple[Props, list[tuple[str, str]]]:
    """Complete inputs, and (property, reason) for each problem. `seed` makes generated names repeatable."""
    inputs = {k: v for k, v in news.items() if not k.startswith("__") and k != "tagsAll"}
    problems = [
        (key, f"{spec.token} has no property {key!r} in the sandbox") for key in sorted(inputs.keys() - spec.inputs)
    ]
    problems += [(key, f"{spec.token} needs the property {key!r}") for key in sorted(spec.required - inputs.keys())]
    inputs = {**spec.defaults, **inputs}
    if spec.name and spec.name.property not in inputs:
        inputs[spec.name.property] = _auto_name(spec.name, olds or {}, name, seed)
        inputs[_NAMED] = [spec.name.property]
    if not problems:
        problems += [("", reason) for reason in spec.complete(inputs)]
    if spec.retag:
        inputs["tagsAll"] = merge_tags(default_tags, inputs.get("tags"))
    return inputs, problems


def merge_tags(defaults: Mapping[str, str], own: Any) -> Any:
    """All tags of a resource: its own win over the provider's defaults. Unknown where its own aren't known yet."""
    return UNKNOWN if own == UNKNOWN else {**defaults, **(own or {})}


def auto_named(spec: Resource, inputs: Props) -> bool:
    """Whether the physical name was made up, so that a replacement gets another and both can exist at once."""
    return spec.name is None or spec.name.property in inputs.get(_NAMED, ())


def _auto_name(rule: Name, olds: Props, name: str, seed: bytes) -> str:
    if rule.property in olds.get(_NAMED, ()):
        return str(olds[rule.property])
    suffix = hashlib.sha256(seed + name.encode()).hexdigest()[:7]
    text = rule.clean(name)
    return f"{text[: rule.longest - len(rule.separator) - len(suffix)]}{rule.separator}{suffix}"
