"""`registry format`: keys in the schema's order, one indentation, comments kept. Names stay in people's order."""

import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from provisioner.model.errors import ProvisionError
from provisioner.registry.compose import read
from provisioner.registry.files import check, locked, read_bytes, replace_file
from provisioner.registry.lines import block_end, line_end, line_start
from provisioner.registry.nodes import Document, MappingNode, Node, ScalarNode, SequenceNode
from provisioner.registry.schema import RegistryFile
from provisioner.registry.shape import bare, entry_type, is_model, keys


def format_file(path: Path, *, check: bool) -> bool:
    """See `provisioner.registry.format_file`."""
    with locked(path) as real:
        raw = read_bytes(real)
        new = formatted(raw, str(path))
        if new != raw and not check:
            replace_file(real, new)
        return new != raw


def formatted(raw: bytes, name: str) -> bytes:
    """The canonical form of a registry's bytes. Raises RegistryError where it isn't valid, ProvisionError where
    it can't be formatted without losing something."""
    check(raw, name, datetime.now(UTC).date())
    source = read(raw, name)
    ordered = _reread(source, _in_order(source))
    printed = _reread(source, _printed(ordered.text))
    aligned = _reread(source, _aligned(ordered, printed))
    if aligned.root.data != source.root.data or _comments(aligned) != _comments(source):
        raise ProvisionError(f"can't format {name} without losing something; it is unchanged", hint="format it by hand")
    text = aligned.text.replace("\n", source.newline)
    return (source.bom + text).encode()


def _reread(source: Document, text: str) -> Document:
    return read(text.encode(), source.file)


def _in_order(document: Document) -> str:
    """The text with keys moved to where the schema has them, together with the comments right above them."""
    text = document.text.replace("\r\n", "\n")
    text = text if text.endswith("\n") else text + "\n"
    plain = read(text.encode(), document.file)
    if plain.root.flow:
        return text
    start, end, new = _block_in_order(plain, plain.root, RegistryFile, 0)
    return text[:start] + new + text[end:]


def _block_in_order(document: Document, holder: MappingNode, kind: Any, above: int) -> tuple[int, int, str]:
    """Begin and end of a block mapping's lines, and what they become. `above`: index where its first comment may be."""
    text = document.text
    starts = []
    for key, value in holder.entries.values():
        starts.append(_with_comments(text, key, above))
        above = block_end(document, value, key, key.start.column + 1)
    bodies: dict[str, str] = {}
    gaps = []
    for (name, (key, value)), (start, end) in zip(holder.entries.items(), pairwise([*starts, above]), strict=True):
        body = _entry_in_order(document, key, value, _kind_of(kind, name), start, end)
        bodies[name] = body.rstrip("\n") + "\n"
        gaps.append(body[len(bodies[name]) :])
    names = [n for n in keys(kind) if n in bodies] if is_model(kind) else list(bodies)
    # Empty lines separate places, not entries: they stay where they are.
    return starts[0], above, "".join(bodies[n] + gap for n, gap in zip(names, gaps, strict=True))


def _entry_in_order(document: Document, key: ScalarNode, value: Node, kind: Any, start: int, end: int) -> str:
    text = document.text
    if not isinstance(value, MappingNode) or value.flow or not value.entries:
        return text[start:end]
    inner_start, inner_end, inner = _block_in_order(document, value, kind, line_end(text, key.end.index))
    return text[start:inner_start] + inner + text[inner_end:end]


def _kind_of(kind: Any, name: str) -> Any:
    if not is_model(kind):
        return entry_type(kind)
    info = keys(kind).get(name)
    return bare(info.annotation) if info else None


def _with_comments(text: str, key: ScalarNode, above: int) -> int:
    """Begin of the comment lines right above a key, at its column. The file's head stays where it is."""
    start = line_start(text, key.start.index)
    begin = start
    while begin > above:
        before = line_start(text, begin - 1)
        line = text[before:begin]
        if not line.startswith(" " * key.start.column + "#"):
            break
        begin = before
    return begin or start


def _printed(text: str) -> str:
    """One indentation: ruamel.yaml's round trip, which keeps quotes, anchors, comments and empty lines."""
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 100_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(yaml.load(text), out)
    return out.getvalue()


def _aligned(before: Document, after: Document) -> str:
    """Comment lines moved along with what they stand with; ruamel.yaml leaves them in their old columns."""
    old, new = list(_entries(before.root)), list(_entries(after.root))
    old_comments, new_comments = _comment_lines(before), _comment_lines(after)
    if len(old) != len(new) or len(old_comments) != len(new_comments):
        return after.text
    lines = after.text.split("\n")
    for old_line, new_line in zip(old_comments, new_comments, strict=True):
        column = _column(before.text.split("\n")[old_line])
        lines[new_line] = " " * _moved(column, old_line, old, new) + lines[new_line].lstrip()
    return "\n".join(lines)


def _moved(column: int, line: int, old: list[tuple[int, int]], new: list[tuple[int, int]]) -> int:
    """A comment's new column: of the entry below or of an open entry above in its column, else one step deeper than
    the nearest open entry."""
    open_: list[tuple[int, int]] = []
    following: tuple[int, int] | None = None
    for (old_line, old_column), (_, new_column) in zip(old, new, strict=True):
        if old_line > line:
            following = (old_column, new_column)
            break
        while open_ and open_[-1][0] >= old_column:
            open_.pop()
        open_.append((old_column, new_column))
    choices = dict([*open_, following] if following else open_)
    if column in choices:
        return choices[column]
    outer = [c for c in choices if c < column]
    return choices[max(outer)] + 2 if outer else 0


def _entries(node: Node) -> Iterator[tuple[int, int]]:
    """Line and column of every key in block mappings, and of every item in block sequences."""
    if isinstance(node, MappingNode) and not node.flow:
        for key, value in node.entries.values():
            yield key.start.line, key.start.column
            yield from _entries(value)
    elif isinstance(node, SequenceNode) and not node.flow:
        for item in node.items:
            yield from _entries(item)


def _comment_lines(document: Document) -> list[int]:
    """Numbers of the lines that hold nothing but a comment."""
    inside = {n for start, end in _scalars(document.root) for n in range(start + 1, end + 1)}
    lines = document.text.split("\n")
    return [n for n, line in enumerate(lines) if line.lstrip().startswith("#") and n not in inside]


def _scalars(node: Node) -> Iterator[tuple[int, int]]:
    """First and last line of every scalar that has several."""
    if isinstance(node, ScalarNode):
        last = node.end.line - (1 if node.style in {"|", ">"} and node.end.column == 0 else 0)
        if last > node.start.line:
            yield node.start.line, last
    elif isinstance(node, MappingNode):
        for _, value in node.entries.values():
            yield from _scalars(value)
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from _scalars(item)


def _comments(document: Document) -> Counter[str]:
    """What stands behind the first # of every line, but for spaces: all comments, which must survive."""
    lines = (line.partition("#")[2] for line in document.text.split("\n") if "#" in line)
    return Counter(" ".join(line.split()) for line in lines)


def _column(line: str) -> int:
    return len(line) - len(line.lstrip())
