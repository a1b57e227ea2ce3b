"""A document against the schema: pydantic's errors become problems with a position, in words for people."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, get_origin

from pydantic import TypeAdapter, ValidationError

from provisioner.model.suggest import did_you_mean, suggest
from provisioner.registry.fields import WORDS
from provisioner.registry.nodes import Document, Steps
from provisioner.registry.problems import Problem
from provisioner.registry.schema import DefaultsEntry, RegistryFile
from provisioner.registry.shape import at, bounds, is_model, keys, literals

Said = tuple[str, str | None]
"""A message and its hint."""

_YES = {"yes", "no", "on", "off", "y", "n"}


def validate(document: Document) -> tuple[RegistryFile, list[Problem]]:
    """The file's model, and what is wrong with it. Where something is, the model holds only the parts that are sound,
    so that they can still be checked against each other."""
    try:
        return RegistryFile.model_validate(document.root.data), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    problems = [_problem(document, e) for e in errors]
    return _sound_parts(document.root.data, [e["loc"] for e in errors]), problems


def _sound_parts(data: Mapping[str, Any], wrong: list[tuple[str | int, ...]]) -> RegistryFile:
    """Drop every entry of a section that has an error, and every section that can't be read."""
    bad_entries = {loc[:2] for loc in wrong}
    bad_sections = {loc[0] for loc in wrong}
    parts: dict[str, Any] = {}
    for name, info in RegistryFile.model_fields.items():
        kind: Any = info.annotation
        raw = data.get(name)
        is_section = get_origin(kind) is dict
        if get_origin(kind) is tuple:
            # All or none: without one of them the others would have other numbers.
            parts[name] = TypeAdapter(kind).validate_python([] if raw is None or name in bad_sections else raw)
        elif is_section and isinstance(raw, Mapping):
            raw = {key: value for key, value in raw.items() if (name, key) not in bad_entries}
            parts[name] = TypeAdapter(kind).validate_python(raw)
        elif is_section:
            parts[name] = {}
        elif name not in bad_sections:
            parts[name] = kind.model_validate({} if raw is None else raw) if is_model(kind) else raw
    parts.setdefault("defaults", DefaultsEntry.model_construct(target="", tier="", channel=""))
    return RegistryFile.model_construct(**parts)


def _problem(document: Document, error: Any) -> Problem:
    loc: tuple[str | int, ...] = error["loc"]
    kind: str = error["type"]
    at_key = loc[-1:] == ("[key]",) or kind in {"extra_forbidden", "registry_key"}
    path = loc[:-1] if loc[-1:] == ("[key]",) else loc
    # A key is quoted as it is; the source at its path would be its value.
    source = f"'{path[-1]}'" if at_key else document.source(path)
    message, hint = words(error, path, source)
    return document.problem(path, message, hint, at_key=at_key)


def words(error: Any, path: Steps, source: str) -> Said:
    """Message and hint for one of pydantic's errors at a path of the schema; `source` is what people wrote."""
    kind = error["type"]
    if kind.startswith("registry"):
        return str(error["msg"]).replace("{source}", source), error.get("ctx", {}).get("hint")
    if kind in _SAYERS:
        return _SAYERS[kind](path, source, error)
    return f"{str(error['msg']).lower()}, not {source}", None


def _missing(path: Steps, _: str, __: Any) -> Said:
    info, _kind = at(RegistryFile, path)
    return "is missing", info.description.rstrip(".") if info and info.description else None


def _unknown(path: Steps, _: str, __: Any) -> Said:
    _info, owner = at(RegistryFile, path[:-1])
    return "unknown key", suggest(str(path[-1]), keys(owner) if is_model(owner) else (), "known keys")


def _no_text(_: Steps, source: str, error: Any) -> Said:
    value = error["input"]
    if isinstance(value, bool | int | float):
        read_as = "a boolean" if isinstance(value, bool) else f"the number {value}"
        return f"must be text, and {source} is read as {read_as}", f'write "{source}" with the quotes'
    return f"must be text, not {_shape(value, source)}", None


def _no_int(_: Steps, source: str, error: Any) -> Said:
    value = error["input"]
    quoted = isinstance(value, str) and value.isdecimal()
    return f"must be a whole number, not {_shape(value, source)}", "leave the quotes out" if quoted else None


def _no_bool(_: Steps, source: str, error: Any) -> Said:
    hint = "YAML 1.2 knows only true and false" if str(error["input"]).lower() in _YES else None
    return f"must be true or false, not {_shape(error['input'], source)}", hint


def _no_mapping(path: Steps, source: str, error: Any) -> Said:
    _, kind = at(RegistryFile, path)
    hint = f"keys: {', '.join(keys(kind))}" if is_model(kind) else "write `key: value` lines below it"
    return f"must be a mapping, not {_shape(error['input'], source)}", hint


def _no_list(_: Steps, source: str, error: Any) -> Said:
    hint = "write [a, b], or lines that begin with a hyphen"
    return f"must be a list, not {_shape(error['input'], source)}", hint


def _empty(_: Steps, __: str, ___: Any) -> Said:
    return "must not be empty", None


def _too_long(_: Steps, __: str, error: Any) -> Said:
    most, value = error["ctx"]["max_length"], error["input"]
    return f"must have at most {most} {'characters' if isinstance(value, str) else 'entries'}, not {len(value)}", None


def _one_of(path: Steps, source: str, error: Any) -> Said:
    info, _ = at(RegistryFile, path)
    allowed = literals(info.annotation) if info else ()
    value = error["input"]
    hint = did_you_mean(value, allowed) if isinstance(value, str) else None
    return f"must be one of {', '.join(allowed)}, not {_shape(value, source)}", hint


def _bounds(path: Steps, source: str, _: Any) -> Said:
    info, _kind = at(RegistryFile, path)
    limits = bounds(info) if info else {}
    low, high = limits.get("ge"), limits.get("le")
    return f"must be {low if low == high else f'{low}..{high}'}, not {source}", None


def _pattern(_: Steps, source: str, error: Any) -> Said:
    pattern, text = error["ctx"]["pattern"], str(error["input"])
    foreign = next((c for c in text if not c.isascii()), None)
    hint = None
    if foreign is not None:
        hint = f"'{foreign}' is {unicodedata.name(foreign, 'no ASCII character')}"
    elif text != text.lower() and re.match(pattern, text.lower()):
        hint = f"did you mean '{text.lower()}'?"
    return f"must be {WORDS[pattern]}, not {source}", hint


_SAYERS: dict[str, Callable[[Steps, str, Any], Said]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "string_type": _no_text,
    "int_type": _no_int,
    "bool_type": _no_bool,
    "dict_type": _no_mapping,
    "model_type": _no_mapping,
    "tuple_type": _no_list,
    "too_short": _empty,
    "string_too_short": _empty,
    "too_long": _too_long,
    "string_too_long": _too_long,
    "literal_error": _one_of,
    "greater_than_equal": _bounds,
    "less_than_equal": _bounds,
    "string_pattern_mismatch": _pattern,
}


def _shape(value: Any, source: str) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else source
