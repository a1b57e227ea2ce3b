"""When two values are the same, what the cloud holds against what is wanted, and Pulumi's detailed diff."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.model.json import canonical
from provisioner.sandbox.provider.convert import Props


@dataclass(frozen=True, slots=True)
class Shapes:
    """Properties whose values are compared not as they stand.

    `sets` have no order; `documents` are JSON texts; `computed` ones get a value of the cloud's where the program
    leaves them out, so leaving them out is no change; of `chosen` ones the cloud may hold another value than was
    asked for (a database's port in the sandbox).
    """

    sets: frozenset[str] = frozenset()
    documents: frozenset[str] = frozenset()
    computed: frozenset[str] = frozenset()
    chosen: frozenset[str] = frozenset()

    def same(self, key: str, left: Any, right: Any) -> bool:
        """Whether two values of the property mean the same. Unset, false and empty are the same."""
        return _same(self._normal(key, left), self._normal(key, right))

    def covers(self, key: str, actual: Any, wanted: Any) -> bool:
        """Whether `actual` has all that is wanted; nested maps may hold more than was asked for."""
        compare = _same if key in _MAPS else _covers
        return key in self.chosen or compare(self._normal(key, actual), self._normal(key, wanted))

    def has(self, key: str, state: Props, wanted: Any) -> bool:
        """Whether the state has what the program begins to say of a property."""
        return key in state and key not in self.chosen and self.covers(key, state[key], wanted)

    def _normal(self, key: str, value: Any) -> Any:
        if key in self.documents and isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                return value
        if key in self.sets and isinstance(value, list):
            return sorted(value, key=canonical)
        return value


# Their keys are the program's own words, so one that it doesn't have is a difference.
_MAPS = frozenset({"tags", "tagsAll", "dimensions"})


def empty(value: Any) -> bool:
    """Unset, false or without content. Zero is a value."""
    return value is None or value is False or (isinstance(value, (str, list, dict)) and not value)


def _same(left: Any, right: Any) -> bool:
    if empty(left) or empty(right):
        return empty(left) and empty(right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return all(_same(left.get(k), right.get(k)) for k in left.keys() | right.keys())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(_scalar(left) == _scalar(right))


def _covers(actual: Any, wanted: Any) -> bool:
    if empty(wanted):
        return not isinstance(wanted, (bool, list, dict)) or empty(actual)
    if isinstance(actual, Mapping) and isinstance(wanted, Mapping):
        return all(_covers(actual.get(k), v) for k, v in wanted.items())
    if isinstance(actual, list) and isinstance(wanted, list):
        return len(actual) == len(wanted) and all(map(_covers, actual, wanted))
    return _same(actual, wanted)


def _scalar(value: Any) -> Any:
    """Numbers and their texts are the same: programs write both where AWS takes strings."""
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def merge(shapes: Shapes, wanted: Props, actual: Props) -> Props:
    """What to record: all that the cloud says, in the words of `wanted` where they mean the same.

    What the cloud says is unset (None) is left out, even if it is wanted: then the next diff sees it.
    """
    merged = {**wanted, **actual}
    for key in (wanted.keys() & actual.keys()) - shapes.chosen:
        merged[key] = _merge(wanted[key], actual[key], shapes.covers(key, actual[key], wanted[key]))
    return {k: v for k, v in merged.items() if v is not None}


def _merge(wanted: Any, actual: Any, covered: bool) -> Any:
    if isinstance(wanted, list) and isinstance(actual, list) and len(wanted) == len(actual) and not covered:
        return [_merge(w, a, _covers(a, w)) for w, a in zip(wanted, actual, strict=True)]
    if isinstance(wanted, Mapping) and isinstance(actual, Mapping):
        return {**actual, **{k: _merge(v, actual.get(k), _covers(actual.get(k), v)) for k, v in wanted.items()}}
    return wanted if covered else actual


def narrow(asked: Props, found: Props) -> Props:
    """Of `found` what was asked for, at every depth: inputs as a program would write them now."""
    return {k: found[k] if k in _MAPS else _narrow(v, found[k]) for k, v in asked.items() if k in found}


def _narrow(asked: Any, found: Any) -> Any:
    if isinstance(asked, Mapping) and isinstance(found, Mapping):
        return {k: _narrow(v, found[k]) for k, v in asked.items() if found.get(k) is not None}
    if isinstance(asked, list) and isinstance(found, list) and len(asked) == len(found):
        return [_narrow(a, f) for a, f in zip(asked, found, strict=True)]
    return found


def drift(shapes: Shapes, wanted: Props, actual: Props) -> set[str]:
    """Names of the wanted properties that the cloud is known to hold another value of."""
    return {k for k, v in wanted.items() if k in actual and not shapes.covers(k, actual[k], v)}


@dataclass(frozen=True, slots=True)
class Change:
    """One changed path in Pulumi's syntax. `inputs`: the program's inputs differ (else the cloud drifted)."""

    path: str
    kind: str
    replaces: bool
    inputs: bool

    @property
    def root(self) -> str:
        """The property that the path begins with."""
        return self.path.partition(".")[0].partition("[")[0]


def changes(shapes: Shapes, force_new: frozenset[str], old_inputs: Props, olds: Props, news: Props) -> Iterator[Change]:
    """What differs between the program and the inputs before, or between the program and the state of the cloud.

    `force_new` has names of properties and dotted paths ("rootBlockDevice.encrypted").
    """
    for key in sorted(k for k in old_inputs.keys() | news.keys() if not k.startswith("__")):
        old, new = old_inputs.get(key), news.get(key)
        if key in shapes.computed and (new is None or (old is None and shapes.has(key, olds, new))):
            continue
        if not shapes.same(key, old, new):
            flat = key in shapes.documents or key in shapes.sets
            yield from (_change(path, o, n, force_new, inputs=True) for path, o, n in _leaves(key, old, new, flat))
        elif key in olds and new is not None and not shapes.covers(key, olds[key], new):
            yield _change(key, olds[key], new, force_new, inputs=False)


def _change(path: str, old: Any, new: Any, force_new: frozenset[str], *, inputs: bool) -> Change:
    kind = "ADD" if old is None else "DELETE" if new is None else "UPDATE"
    plain = "".join(part.partition("]")[2] if i else part for i, part in enumerate(path.split("[")))
    replaces = any(plain == name or plain.startswith(f"{name}.") for name in force_new)
    return Change(path, kind, replaces, inputs)


def _leaves(path: str, old: Any, new: Any, flat: bool) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            if not _same(old.get(key), new.get(key)):
                yield from _leaves(_join(path, key), old.get(key), new.get(key), False)
    elif not flat and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (o, n) in enumerate(zip(old, new, strict=True)):
            if not _same(o, n):
                yield from _leaves(f"{path}[{index}]", o, n, False)
    else:
        yield path, old, new


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key)}]"
