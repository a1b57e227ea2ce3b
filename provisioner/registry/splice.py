"""A document's text with one entry set or taken out. Every other line keeps its bytes; nothing is parsed here again."""

from collections.abc import Mapping, Sequence
from typing import Any

from provisioner.model.errors import ProvisionError
from provisioner.registry.lines import block_end, content_end, line_end, line_start
from provisioner.registry.nodes import AliasNode, Document, MappingNode, Node, ScalarNode, SequenceNode, join
from provisioner.registry.write import block, flow


def with_value(document: Document, path: Sequence[str], value: Any) -> str:
    """The text with `value` at a path of keys; missing mappings above it are made."""
    found = document.find(path)
    if found is not None:
        return _replaced(document, path, found[1], value)
    for length in range(len(path) - 1, -1, -1):
        found = document.find(path[:length])
        if found is not None:
            rest = value
            for name in reversed(path[length + 1 :]):
                rest = {name: rest}
            return _into(document, path[:length], found[1], path[length], rest)
    raise AssertionError("the root is always there")


def without(document: Document, path: Sequence[str]) -> str:
    """The text without the entry at a path, which must be there. Comments above it stay, those inside go with it."""
    _, holder = document.find(path[:-1]) or (None, None)
    if not isinstance(holder, MappingNode):
        raise _by_hand(document, path, "it stands in an alias")
    key, value = holder.entries[path[-1]]
    text = document.text
    if len(holder.entries) == 1 and path[:-1]:
        return _emptied(document, path[:-1], holder)
    if holder.flow:
        return _out_of_flow(text, holder, path[-1])
    start = line_start(text, key.start.index)
    if text[start : key.start.index].strip():
        raise _by_hand(document, path, "something stands before it on its line")
    end = block_end(document, value, key, key.start.column + 1)
    return text[:start] + text[end:]


def _replaced(document: Document, path: Sequence[str], node: Node, value: Any) -> str:
    text = document.text
    key, _ = document.find(path) or (None, None)
    if key is None or node.anchor:
        raise _by_hand(document, path, "other entries use it as an anchor" if node.anchor else "it has no key")
    style = node.style if isinstance(node, ScalarNode) else ""
    if style in {"|", ">"} or (isinstance(node, MappingNode | SequenceNode) and not node.flow):
        return _block_replaced(document, path, key, node, value)
    if isinstance(value, Mapping) and value and not isinstance(node, AliasNode) and not _inside_flow(document, path):
        return _opened(document, key, node, value)
    gap = " " if node.start.index == node.end.index else ""
    at = node.start.index if not gap else _after_colon(text, key)
    return text[:at] + gap + flow(value, style) + text[max(at, node.end.index) :]


def _opened(document: Document, key: ScalarNode, node: Node, value: Mapping[str, Any]) -> str:
    """`{}` or nothing becomes a mapping of lines below its key; a comment on the key's line stays there."""
    text = document.text
    colon = _after_colon(text, key)
    rest = text[max(colon, node.end.index) :]
    head, ending, tail = _split_line(rest)
    column = key.start.column
    lines = _lines(document, value, " " * column + _step(document))
    body = document.newline.join(lines)
    return text[:colon] + head.rstrip() + (ending or document.newline) + body + (ending and document.newline) + tail


def _block_replaced(document: Document, path: Sequence[str], key: ScalarNode, node: Node, value: Any) -> str:
    """A value of several lines gives way to another, from its key's colon to its last line."""
    text = document.text
    end = block_end(document, node, key, key.start.column + 1)
    lines = block(path[-1], value, " " * key.start.column, _step(document))
    at_end = text[:end].endswith("\n")
    body = lines[0].partition(":")[2] if ":" in lines[0] else ""
    new = [text[key.start.index : _after_colon(text, key)] + body.rstrip(), *lines[1:]]
    return text[: key.start.index] + document.newline.join(new) + (document.newline if at_end else "") + text[end:]


def _into(document: Document, path: Sequence[str], holder: Node, name: str, value: Any) -> str:
    """A new entry at the end of a mapping that is there, maybe as nothing at all."""
    text = document.text
    if isinstance(holder, AliasNode) or (isinstance(holder, ScalarNode) and holder.data is not None):
        raise _by_hand(document, [*path, name], f"{join(path)} is no mapping of its own")
    if not isinstance(holder, MappingNode) or not holder.entries:
        return _replaced(document, path, holder, {name: value})
    last_key, last = list(holder.entries.values())[-1]
    if holder.flow:
        at = max(last.end.index, _after_colon(text, last_key) if last.start.index == last.end.index else 0)
        return f"{text[:at]}, {flow(name)}: {flow(value)}{text[at:]}"
    column = last_key.start.column
    end = document.end if not path else block_end(document, last, last_key, max(column, 1))
    lines = block(name, value, " " * column, _step(document))
    if _apart(document, holder):
        lines.insert(0, "")
    return _inserted(document, end, lines)


def _inserted(document: Document, at: int, lines: list[str]) -> str:
    """Whole lines at the beginning of a line, or after a last line that has no end."""
    text, newline = document.text, document.newline
    body = newline.join(lines)
    if at and not text[:at].endswith("\n"):
        return text[:at] + newline + body + text[at:]
    return text[:at] + body + newline + text[at:]


def _emptied(document: Document, path: Sequence[str], holder: MappingNode) -> str:
    """A mapping whose only entry goes becomes `{}`: nothing at all would be no mapping."""
    text = document.text
    if holder.flow:
        return text[: holder.start.index] + "{}" + text[holder.end.index :]
    key, _ = document.find(path) or (None, None)
    if key is None:
        raise _by_hand(document, path, "it has no key")
    (only_key, only), *_ = holder.entries.values()
    start = line_start(text, only_key.start.index)
    end = block_end(document, only, only_key, only_key.start.column + 1)
    colon = _after_colon(text, key)
    return text[:colon] + " {}" + text[colon:start] + text[end:]


def _out_of_flow(text: str, holder: MappingNode, name: str) -> str:
    """Cut an entry and one of the commas beside it."""
    names = list(holder.entries)
    number = names.index(name)
    key, value = holder.entries[name]
    if number + 1 < len(names):
        return text[: key.start.index] + text[holder.entries[names[number + 1]][0].start.index :]
    if number:
        before_key, before = holder.entries[names[number - 1]]
        start = max(before.end.index, before_key.end.index)
        return text[:start] + text[max(value.end.index, key.end.index) :]
    return text[: key.start.index] + text[holder.end.index - 1 :]


def _apart(document: Document, holder: MappingNode) -> bool:
    """Whether people left an empty line between the last two entries of a mapping."""
    entries = list(holder.entries.values())
    if len(entries) < 2:
        return False
    between = document.text[content_end(entries[-2][1], entries[-2][0]) : entries[-1][0].start.index]
    return any(not line.strip() for line in between.split("\n")[1:-1])


def _step(document: Document) -> str:
    """The file's own indentation."""
    for _, value in document.root.entries.values():
        if isinstance(value, MappingNode) and not value.flow and value.start.column:
            return " " * int(value.start.column)
    return "  "


def _lines(document: Document, value: Mapping[str, Any], indent: str) -> list[str]:
    return [line for k, v in value.items() for line in block(k, v, indent, _step(document))]


def _inside_flow(document: Document, path: Sequence[str]) -> bool:
    nodes = [document.find(path[:length]) for length in range(len(path))]
    return any(isinstance(f[1], MappingNode | SequenceNode) and f[1].flow for f in nodes if f)


def _after_colon(text: str, key: ScalarNode) -> int:
    return text.index(":", key.end.index) + 1


def _split_line(text: str) -> tuple[str, str, str]:
    """The rest of a line, its end, and what follows."""
    end = line_end(text, 0)
    line = text[:end]
    bare = line.rstrip("\r\n")
    return bare, line[len(bare) :], text[end:]


def _by_hand(document: Document, path: Sequence[str], why: str) -> ProvisionError:
    line, _ = document.position(path)
    fact = f"can't edit {join(path)} in place: {why}; nothing was written"
    return ProvisionError(fact, hint=f"edit {document.file} line {line} by hand")
