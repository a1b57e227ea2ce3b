"""Values to YAML text: plain where every reader of YAML agrees on it, else in double quotes."""

import json
import re
from collections.abc import Mapping
from typing import Any

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./@+-]*(?: [A-Za-z0-9_./@+-]+)*")
# YAML 1.1 reads these as booleans and nulls, and other tools read the file with YAML 1.1.
_READ_OTHERWISE = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")


def flow(value: Any, style: str = "") -> str:
    """A value on one line. `style`: the quotes that the value before it had, kept where they can hold it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    if isinstance(value, str):
        return _text(value, style)
    return json.dumps(value)


def block(key: str, value: Any, indent: str, step: str) -> list[str]:
    """A key and its value on lines of their own, without line ends. Lists of plain values stay on the key's line."""
    head = f"{indent}{flow(key)}:"
    if isinstance(value, Mapping) and value:
        return [head, *(line for k, v in value.items() for line in block(k, v, indent + step, step))]
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        return [head, *(line for item in value for line in _item(item, indent + step, step))]
    return [f"{head} {flow(value)}"]


def _item(item: Any, indent: str, step: str) -> list[str]:
    if not isinstance(item, Mapping) or not item:
        return [f"{indent}- {flow(item)}"]
    lines = [line for key, value in item.items() for line in block(key, value, indent + "  ", step)]
    return [f"{indent}- {lines[0].lstrip()}", *lines[1:]]


def _text(text: str, style: str) -> str:
    if not style and _PLAIN.fullmatch(text) and text.lower() not in _READ_OTHERWISE:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    if style == "'" and quoted == f'"{text}"' and "'" not in text:
        return f"'{text}'"
    return _ESCAPED.sub(lambda m: f"\\u{ord(m.group()):04x}", quoted)
