"""Nodes of a YAML file that know where they stand, and the document that holds them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.registry.problems import Problem

Steps = Sequence[str | int]
"""A path into the file: keys, and numbers for items of lists."""

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Node:
    """A value in the file. `data`: as plain Python; `start`, `end`: marks with index, line and column from 0;
    `weight`: how many nodes it is, aliases followed."""

    __slots__ = ("anchor", "data", "end", "start", "weight")

    def __init__(self, event: Any, data: Any, anchor: str | None) -> None:
        self.start, self.end, self.data, self.anchor = event.start_mark, event.end_mark, data, anchor
        self.weight = 1


class ScalarNode(Node):
    """Text, number, boolean or null; `style` is '' where it isn't quoted."""

    __slots__ = ("style",)

    def __init__(self, event: Any) -> None:
        self.style: str = event.style or ""
        super().__init__(event, event.value if self.style else plain(event.value), event.anchor)


class MappingNode(Node):
    """`entries`: a key's text -> the key's node and the value's node, in file order."""

    __slots__ = ("entries", "flow")

    def __init__(self, event: Any) -> None:
        super().__init__(event, {}, event.anchor)
        self.flow = bool(event.flow_style)
        self.entries: dict[str, tuple[ScalarNode, Node]] = {}


class SequenceNode(Node):
    """`items` in file order."""

    __slots__ = ("flow", "items")

    def __init__(self, event: Any) -> None:
        super().__init__(event, [], event.anchor)
        self.flow = bool(event.flow_style)
        self.items: list[Node] = []


class AliasNode(Node):
    """`*name`: has a place of its own, and the data of `target`."""

    __slots__ = ("target",)

    def __init__(self, event: Any, target: Node) -> None:
        super().__init__(event, target.data, None)
        self.target = target
        self.weight = target.weight


def plain(text: str) -> Any:
    """The value of an unquoted scalar under YAML 1.2's core schema: `no` is text, and 1.10 is the number 1.1."""
    if text in _WORDS:
        return _WORDS[text]
    # Past 40 characters it is no number of ours, and Python refuses to read numbers of thousands of digits.
    if text[0] not in "+-.0123456789" or len(text) > 40:
        return text
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if _FLOAT.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return text


@dataclass(frozen=True, slots=True)
class Document:
    """A file's text without its byte order mark, and the root of its nodes.

    `end`: index of the document's end marker `...`, or of the text's end. `file`: as people named it.
    """

    file: str
    text: str
    root: MappingNode
    end: int
    bom: str
    newline: str

    def find(self, path: Steps) -> tuple[ScalarNode | None, Node] | None:
        """Key (None for the root and for items of lists) and value at a path; None where there is nothing."""
        key: ScalarNode | None = None
        node: Node = self.root
        for part in path:
            holder = node.target if isinstance(node, AliasNode) else node
            if isinstance(holder, MappingNode) and isinstance(part, str) and part in holder.entries:
                key, node = holder.entries[part]
            elif isinstance(holder, SequenceNode) and isinstance(part, int) and part < len(holder.items):
                key, node = None, holder.items[part]
            else:
                return None
        return key, node

    def position(self, path: Steps, *, at_key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the value (or the key) at a path. Of what is missing: of its owner's key, for
        there it has to be added."""
        for length in range(len(path), 0, -1):
            found = self.find(path[:length])
            if found:
                key, value = found
                empty = value.start.index == value.end.index
                by_key = key is not None and (at_key or empty or length < len(path))
                mark = key.start if key is not None and by_key else value.start
                return mark.line + 1, mark.column + 1
        return 1, 1

    def problem(self, path: Steps, message: str, hint: str | None = None, *, at_key: bool = False) -> Problem:
        """A problem at `position(path)`."""
        return Problem(self.file, *self.position(path, at_key=at_key), join(path), message, hint)

    def source(self, path: Steps) -> str:
        """What people wrote there, on one line, cut to 40 characters; `nothing` where there is nothing."""
        found = self.find(path)
        text = " ".join(self.text[found[1].start.index : found[1].end.index].split()) if found else ""
        return (text if len(text) <= 40 else text[:37] + "...") or "nothing"


def join(path: Steps) -> str:
    """`tenants/acme/overrides/0/setting`."""
    return "/".join(map(str, path))
