"""Whatever a registry looks like: an edit changes its own lines and nothing else."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.registry.compose import read
from provisioner.registry.edit import _set, _spliced
from provisioner.registry.layout import formatted
from provisioner.registry.nodes import Document, MappingNode
from tests.unit.registry.samples import HEAD

_names = st.sampled_from(["acme", "globex", "initech", "hooli", "umbrella", "stark"])
_comments = st.sampled_from(["", "", "# why", "#", "# - [ {: 'x", "# ring: 3"])
_scalars = st.sampled_from(
    [
        "1",
        "'one'",
        '"two # 2"',
        "three words",
        "~",
        "true",
        "[a, b]",
        "{a: b, c: 'd'}",
        "|-\n{i}  text\n{i}  more",
        ">-\n{i}  folded\n\n{i}  text",
    ]
)


@st.composite
def _mapping(draw: Any, indent: str, depth: int) -> list[str]:
    """Lines of a block mapping with comments and empty lines in between."""
    lines: list[str] = []
    step = draw(st.sampled_from(["  ", "    "]))
    for name in draw(st.lists(_names, min_size=1, max_size=4, unique=True)):
        comment = draw(_comments)
        if comment:
            lines.append(draw(st.sampled_from([indent, "", indent + step])) + comment)
        tail = draw(_comments)
        tail = f" {tail}" if tail else ""
        if depth and draw(st.booleans()):
            lines.append(f"{indent}{name}:{tail}")
            lines += draw(_mapping(indent + step, depth - 1))
        elif depth and draw(st.integers(0, 5)) == 0:
            lines.append(f"{indent}{name}:{tail}")
            lines += [f"{indent}{step}- setting: x", f"{indent}{step}  value: {draw(st.integers(0, 9))}"]
        else:
            value = draw(_scalars).replace("{i}", indent)
            lines.append(f"{indent}{name}: {value}" + ("" if "\n" in value else tail))
        lines += [""] * draw(st.integers(0, 1))
    return lines


@st.composite
def _documents(draw: Any) -> Document:
    lines = ["# head", "version: 1", "", "tenants:", *draw(_mapping("  ", 2))]
    lines += draw(st.lists(st.sampled_from(["", "# end", "  # inner end"]), max_size=2))
    text = "\n".join(lines) + draw(st.sampled_from(["\n", "", "\n\n", "\n...\n"]))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return read(text.encode(), "tenants.yaml")


def _paths(document: Document) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def walk(node: object, path: tuple[str, ...]) -> None:
        if isinstance(node, MappingNode):
            for name, (_, value) in node.entries.items():
                found.append((*path, name))
                walk(value, (*path, name))

    walk(document.root, ())
    return [p for p in found if p[0] == "tenants"]


_values = st.sampled_from(
    [7, True, "text", "no", "1.10", "two # words", ["a", "b"], {"ring": 1, "labels": {"a": "b"}}, [{"a": 1, "b": "c"}]]
)
_common = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _check(document: Document, path: tuple[str, ...], value: Any, own: set[int]) -> None:
    after = _spliced(document, path, value)
    expected = read(document.text.encode(), "x").root.data
    _set(expected, path, value)
    assert read(after.encode(), "x").root.data == expected
    others = [line for n, line in enumerate(document.text.splitlines(keepends=True)) if n not in own]
    left = iter(after.splitlines(keepends=True))
    assert all(line in left for line in others), (document.text, after)


def _own_lines(document: Document, path: tuple[str, ...]) -> set[int]:
    """Lines that belong to an entry: from its key to the last line that stands deeper than it."""
    found = document.find(path)
    assert found is not None
    assert found[0] is not None
    first = found[0].start.line
    column = found[0].start.column
    lines = document.text.splitlines()
    last = first
    for number in range(first + 1, len(lines)):
        line = lines[number]
        deeper = len(line) - len(line.lstrip()) > column
        if line.strip() and not deeper and not line.lstrip().startswith("#"):
            break
        last = number if deeper else last
    return set(range(first, last + 1))


@_common
@given(document=_documents(), data=st.data())
def test_setting_a_value_changes_the_lines_of_that_value_only(document: Document, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(_paths(document)))
    _check(document, path, data.draw(_values), _own_lines(document, path))


@_common
@given(document=_documents(), data=st.data())
def test_adding_an_entry_changes_no_line_that_has_an_end(document: Document, data: st.DataObject) -> None:
    parents = [p for p in [("tenants",), *_paths(document)] if isinstance(_value(document, p), MappingNode)]
    path = (*data.draw(st.sampled_from(parents)), "brand-new")
    parent = _value(document, path[:-1])
    assert isinstance(parent, MappingNode)
    last = len(document.text.splitlines()) - 1
    own = {parent.start.line} if parent.flow else set() if document.text.endswith("\n") else {last}
    _check(document, path, data.draw(_values), own)


@_common
@given(document=_documents(), data=st.data())
def test_removing_an_entry_removes_its_lines_only(document: Document, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([p for p in _paths(document) if len(p) > 1]))
    parent = document.find(path[:-1])
    assert parent is not None
    assert parent[0] is not None
    own = _own_lines(document, path)
    holder = parent[1]
    if isinstance(holder, MappingNode) and len(holder.entries) == 1:
        own |= {parent[0].start.line}
    _check(document, path, None, own)


def _value(document: Document, path: tuple[str, ...]) -> object:
    found = document.find(path)
    assert found is not None
    return found[1]


@st.composite
def _registries(draw: Any) -> str:
    """Registries that are valid, with tenants and comments in any shape."""
    fields = {"ring": "1", "tier": "'trial'", "name": '"A # b"', "labels": "{a: b}", "region": "us-east-1"}
    lines = ["# before", "tenants: # all"]
    for tenant_id in draw(st.lists(_names, min_size=1, max_size=4, unique=True)):
        indent, step = "   ", draw(st.sampled_from(["  ", "    "]))
        comments = draw(st.lists(_comments, min_size=6, max_size=6))
        lines += [indent + comments[0]] if comments[0] else []
        lines.append(f"{indent}{tenant_id}: {comments[1]}".rstrip())
        for number, name in enumerate(draw(st.lists(st.sampled_from(sorted(fields)), max_size=4, unique=True))):
            lines += [indent + step + comments[2 + number]] if comments[2 + number] else []
            lines.append(f"{indent}{step}{name}:   {fields[name]} {comments[5 - number]}".rstrip())
        lines += [""] * draw(st.integers(0, 2))
    tail = "\n".join(lines) + "\n"
    text: str = draw(st.sampled_from([HEAD + tail, HEAD.replace("version: 1\n", tail + "version: 1\n", 1)]))
    return text


@settings(_common, max_examples=25)
@given(text=_registries())
def test_formatting_keeps_content_and_comments_and_settles_at_once(text: str) -> None:
    once = formatted(text.encode(), "tenants.yaml")
    assert formatted(once, "tenants.yaml") == once
    before, after = read(text.encode(), "x"), read(once, "x")
    assert after.root.data == before.root.data
    assert sorted(w for w in text.split() if "#" in w) == sorted(w for w in once.decode().split() if "#" in w)
    assert list(after.root.data)[:2] == ["version", "product"]
    assert list(after.root.data["tenants"]) == list(before.root.data["tenants"])
