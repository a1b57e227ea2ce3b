"""Edits of the registry in place: spliced into the text, checked as a whole, and written under the file's lock."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from provisioner.model.errors import ProvisionError, RegistryError, UsageError
from provisioner.model.json import Json
from provisioner.model.suggest import suggest
from provisioner.registry import splice
from provisioner.registry.compose import read
from provisioner.registry.files import check, load, locked, replace_file
from provisioner.registry.nodes import Document, join
from provisioner.registry.problems import Problem
from provisioner.registry.registry import Registry

Change = Callable[[Registry], str | None]
"""The new text of a registry, None where nothing has to change."""


@dataclass(frozen=True, slots=True)
class Edited:
    """`changed`: whether the file was written; `registry`: as it is now."""

    changed: bool
    registry: Registry


def add_tenant(path: Path, tenant_id: str, fields: Mapping[str, Json], *, today: date | None = None) -> Edited:
    """See `provisioner.registry.add_tenant`."""
    return _edit(path, lambda registry: _added(registry, tenant_id, fields), today)


def remove_tenant(path: Path, tenant_id: str, *, today: date | None = None) -> Edited:
    """See `provisioner.registry.remove_tenant`."""

    def change(registry: Registry) -> str | None:
        if tenant_id not in registry.tenant_ids():
            return None
        return _spliced(registry.document, ("tenants", tenant_id), None)

    return _edit(path, change, today)


def set_field(path: Path, field: str, value: Json, *, today: date | None = None) -> Edited:
    """See `provisioner.registry.set_field`."""
    steps = tuple(field.split("/"))

    def change(registry: Registry) -> str | None:
        found = registry.document.find(steps)
        if (found is None and value is None) or (found is not None and _same(found[1].data, value)):
            return None
        if steps[0] == "tenants" and (len(steps) < 3 or steps[1] not in registry.tenant_ids()):
            known = registry.tenant_ids()
            hint = suggest(steps[1], known, "tenants") if len(steps) > 1 else "name a field: tenants/ID/FIELD"
            raise UsageError(f"can't set {field} in {path}", hint=hint)
        return _spliced(registry.document, steps, value)

    return _edit(path, change, today)


def override(
    path: Path, tenant_id: str, settings: Mapping[str, Json], *, name: str, reason: str, today: date | None = None
) -> Edited:
    """See `provisioner.registry.override`."""
    steps = ("tenants", tenant_id, "overrides")

    def change(registry: Registry) -> str | None:
        registry.tenant(tenant_id)
        found = registry.document.find(steps)
        before = list((found[1].data or ()) if found else ())
        kept = [o for o in before if o["setting"] not in settings or _same(o["value"], settings[o["setting"]])]
        there = {o["setting"] for o in kept}
        new = [
            {"setting": setting, "value": value, "name": name, "reason": reason}
            for setting, value in settings.items()
            if setting not in there
        ]
        if not new:
            return None
        if found is not None and "#" in registry.document.text[found[1].start.index : found[1].end.index]:
            line, _ = registry.document.position(steps)
            raise ProvisionError(
                f"can't edit {join(steps)} in place: a comment stands in it; nothing was written",
                hint=f"edit {registry.document.file} line {line} by hand, then: provision apply {tenant_id}",
            )
        return _spliced(registry.document, steps, [*kept, *new])

    return _edit(path, change, today)


def with_tenant(registry: Registry, tenant_id: str, fields: Mapping[str, Json]) -> Registry:
    """The registry that adding a tenant would give; nothing is written. Raises UsageError as `add_tenant`."""
    text = _added(registry, tenant_id, fields)
    return registry if text is None else _revised(registry, text)


def _edit(path: Path, change: Change, today: date | None) -> Edited:
    """Read under the lock, change, check, write: what another process wrote before is always in it."""
    with locked(path) as real:
        registry = load(path, target=None, today=today, cache=None)
        text = change(registry)
        if text is None:
            return Edited(False, registry)
        revised = _revised(registry, text)
        replace_file(real, revised.raw)
        return Edited(True, revised)


def _added(registry: Registry, tenant_id: str, fields: Mapping[str, Json]) -> str | None:
    found = registry.document.find(("tenants", tenant_id))
    if found is None:
        return _spliced(registry.document, ("tenants", tenant_id), dict(fields))
    if _same(found[1].data or {}, dict(fields)):
        return None
    line, _ = registry.document.position(("tenants", tenant_id), at_key=True)
    raise UsageError(
        f"tenant {tenant_id} is in {registry.path} line {line} already, with other fields",
        hint=f"edit tenants/{tenant_id} there and run `provision apply {tenant_id}`, or choose another id",
    )


def _spliced(document: Document, path: Sequence[str], value: Json) -> str:
    """The new text (None takes the entry out), proven: read again it is the old content with this one change."""
    expected = deepcopy(document.root.data)
    text = splice.without(document, path) if value is None else splice.with_value(document, path, value)
    _set(expected, path, value)
    try:
        got = read((document.bom + text).encode(), document.file).root.data
    except RegistryError as error:
        got = error
    if not _same(got, expected):
        raise ProvisionError(
            f"can't edit {'/'.join(path)} in place without changing anything else; nothing was written",
            hint=f"edit {document.file} line {document.position(path)[0]} by hand",
        )
    return text


def _set(data: Any, path: Sequence[str], value: Json) -> None:
    """The change on plain data; an alias's copy is not shared with its anchor."""
    for name in path[:-1]:
        if data.get(name) is None:
            data[name] = {}
        data[name] = deepcopy(data[name])
        data = data[name]
    if value is None:
        del data[path[-1]]
    else:
        data[path[-1]] = value


def _same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: in Python true equals 1, in a registry it doesn't."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(v, other[k]) for k, v in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and bool(one == other)


def _revised(registry: Registry, text: str) -> Registry:
    """The registry with another text. Its problems have no position in a file: they come as a UsageError."""
    try:
        reading = check((registry.document.bom + text).encode(), registry.document.file, registry.today)
    except RegistryError as error:
        facts = [p.without_position() for p in error.problems if isinstance(p, Problem)]
        raise UsageError("\n".join(facts), hint="nothing was written; correct it and run it again") from None
    return Registry(registry.path, reading, registry.today, registry.default_target.name)
