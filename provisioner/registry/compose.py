"""A registry's bytes to a document: libyaml's events, YAML 1.2's types, and no surprises.

Nodes are composed here and not by a library's composer, because an alias keeps its own place (edits need it),
duplicate keys are all reported with both positions, and depth and expansion are bounded before anything is built.
"""

import re
import unicodedata
from typing import Any

import _ruamel_yaml  # type: ignore[import-not-found] # the C extension of ruamel.yaml.clib
from ruamel.yaml import events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from provisioner.registry.files import MAX_BYTES
from provisioner.registry.nodes import AliasNode, Document, MappingNode, Node, ScalarNode, SequenceNode, join
from provisioner.registry.problems import Problem, registry_error

MAX_DEPTH = 16
MAX_NODES = 500_000
BOM = "\ufeff"

# Control characters; line breaks that YAML counts and editors don't show; marks that make text read otherwise than it
# is (CVE-2021-42574).
_BAD_CHARACTER = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]|\r(?!\n)"
)
_HINTS = {
    "found character '\\t'": "tabs can't indent YAML; use spaces",
    "found a tab character": "tabs can't indent YAML; use spaces",
    "found unexpected ':'": "text with : in it needs quotes",
    "found character that cannot start any token": "a tab can't indent, and text that begins with @ or ` needs quotes",
    "mapping values are not allowed": "text with `: ` in it needs quotes, and keys of one mapping one indentation",
    "could not find expected ':'": "a key needs a colon and a space after it",
    "did not find expected key": "keys of one mapping need one indentation",
    "did not find expected '-' indicator": "items of one list need one indentation",
    "did not find expected ',' or": "a bracket isn't closed, or a comma is missing",
    "found unexpected end of stream": "a quote isn't closed",
    "found undefined alias": "name an anchor that stands above it, or write the value out",
}


def read(raw: bytes, file: str) -> Document:
    """Compose a document. Raises RegistryError: what can't be read, or all duplicate, untyped and tagged nodes."""
    text, bom = _decode(raw, file)
    composer = _Composer(text, file)
    try:
        root, end = composer.document()
    except MarkedYAMLError as error:
        raise registry_error(file, [*composer.problems, _syntax(error, file)]) from None
    except YAMLError as error:
        raise registry_error(file, [Problem(file, 1, 1, "", f"can't be read as YAML: {error}")]) from None
    if composer.problems:
        raise registry_error(file, composer.problems)
    newline = "\r\n" if "\r\n" in text else "\n"
    return Document(file, text, root, end, bom, newline)


def _decode(raw: bytes, file: str) -> tuple[str, str]:
    if len(raw) > MAX_BYTES:
        size = f"is {len(raw) / 1048576:.1f} MiB, more than the limit of {MAX_BYTES // 1048576} MiB"
        raise registry_error(file, [Problem(file, 1, 1, "", size, "is this the right file?")])
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise registry_error(file, [Problem(file, 1, 1, "", "is UTF-16, not UTF-8", "save it as UTF-8")])
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line, column = _line_column(raw[: error.start].decode())
        fact = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise registry_error(file, [Problem(file, line, column, "", fact, "save the file as UTF-8")]) from None
    bom = BOM if text.startswith(BOM) else ""
    text = text[len(bom) :]
    bad = [
        Problem(file, *_line_column(text[: m.start()]), "", f"{_name(m.group())} is not allowed", "delete it")
        for _, m in zip(range(20), _BAD_CHARACTER.finditer(text), strict=False)
    ]
    if bad:
        raise registry_error(file, bad)
    return text, bom


def _line_column(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _name(character: str) -> str:
    name = unicodedata.name(character, "a control character")
    return f"{name} (U+{ord(character):04X})"


def _syntax(error: Any, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    context = f" {error.context}" if error.context else ""
    since = error.context_mark
    if since is not None and since.line != mark.line:
        context += f" that begins in line {since.line + 1}"
    hint = next((h for text, h in _HINTS.items() if text in error.problem), None)
    return Problem(file, mark.line + 1, mark.column + 1, "", f"not YAML: {error.problem}{context}", hint)


class _Composer:
    """One pass over the events. Problems that leave the structure intact are collected; others end it at once."""

    def __init__(self, text: str, file: str) -> None:
        self.problems: list[Problem] = []
        self._next = _ruamel_yaml.CParser(text).get_event
        self._file = file
        self._anchors: dict[str, Node | None] = {}
        self._path: list[str | int] = []

    def document(self) -> tuple[MappingNode, int]:
        """The root and the index where the document ends."""
        self._next()
        start = self._next()
        if isinstance(start, events.StreamEndEvent):
            raise registry_error(self._file, [self._problem(start.start_mark, "is empty", _BEGIN)])
        root = self._node(self._next())
        ending = self._next()
        after = self._next()
        if not isinstance(after, events.StreamEndEvent):
            self._complain(
                after.start_mark, "a second document begins here", "a registry is one document: delete `---`"
            )
        if not isinstance(root, MappingNode):
            fact = "is empty" if root.data is None else "must be a mapping of `key: value` lines"
            raise registry_error(self._file, [*self.problems, self._problem(root.start, fact, _BEGIN)])
        return root, ending.start_mark.index

    def _node(self, event: Any) -> Node:
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        if event.tag is not None:
            self._complain(event.start_mark, f"the tag {event.tag} is not allowed", "leave it out")
        if event.anchor is not None:
            # Not to be used before it is complete: an alias inside of its own anchor is a cycle.
            self._anchors[event.anchor] = None
        if isinstance(event, events.ScalarEvent):
            node: Node = ScalarNode(event)
        elif len(self._path) >= MAX_DEPTH:
            fact = f"is nested more than {MAX_DEPTH} levels deep"
            raise registry_error(self._file, [*self.problems, self._problem(event.start_mark, fact)])
        elif isinstance(event, events.MappingStartEvent):
            node = self._mapping(event)
        else:
            node = self._sequence(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        target = self._anchors.get(event.anchor)
        if target is None:
            open_ = event.anchor in self._anchors
            fact = f"*{event.anchor} is inside of &{event.anchor}: a cycle" if open_ else f"there is no &{event.anchor}"
            hint = "write the value out" if open_ else "an anchor must stand above its alias"
            raise registry_error(self._file, [*self.problems, self._problem(event.start_mark, fact, hint)])
        return AliasNode(event, target)

    def _mapping(self, event: Any) -> MappingNode:
        node = MappingNode(event)
        while not isinstance(key_event := self._next(), events.MappingEndEvent):
            key = self._node(key_event)
            name = self._key(key)
            self._path.append(name)
            if name in node.entries:
                first = node.entries[name][0].start.line + 1
                self._complain(key.start, f"is there twice; first in line {first}", "keep one of them")
            value = self._node(self._next())
            self._path.pop()
            if isinstance(key, ScalarNode):
                node.entries.setdefault(name, (key, value))
                node.data.setdefault(name, value.data)
            self._weigh(node, value)
        node.end = key_event.end_mark
        return node

    def _key(self, key: Node) -> str:
        """A key's text; what isn't text is a problem, for YAML would read it as something else."""
        if isinstance(key, ScalarNode) and isinstance(key.data, str):
            if key.data == "<<":
                self._complain(key.start, "merge keys (<<) are not supported", "use defaults, a tier or overrides")
            return key.data
        if isinstance(key, ScalarNode) and key.data is not None:
            text = str(key.data)
            self._complain(key.start, f"this key is read as {_kind(key.data)}", "write it in quotes")
            return text
        self._complain(key.start, "a key must be text", "write a name and a colon")
        return "?"

    def _sequence(self, event: Any) -> SequenceNode:
        node = SequenceNode(event)
        while not isinstance(item := self._next(), events.SequenceEndEvent):
            self._path.append(len(node.items))
            value = self._node(item)
            self._path.pop()
            node.items.append(value)
            node.data.append(value.data)
            self._weigh(node, value)
        node.end = item.end_mark
        return node

    def _weigh(self, node: Node, value: Node) -> None:
        node.weight += value.weight
        if node.weight > MAX_NODES:
            fact = f"is more than {MAX_NODES:,} values, with aliases followed"
            raise registry_error(self._file, [*self.problems, self._problem(value.start, fact, "write fewer aliases")])

    def _complain(self, mark: Any, message: str, hint: str | None = None) -> None:
        self.problems.append(self._problem(mark, message, hint))

    def _problem(self, mark: Any, message: str, hint: str | None = None) -> Problem:
        return Problem(self._file, mark.line + 1, mark.column + 1, join(self._path), message, hint)


_BEGIN = "begin with `version: 1`; docs/registry.md has an example"


def _kind(value: object) -> str:
    return "a boolean" if isinstance(value, bool) else f"the number {value}"
