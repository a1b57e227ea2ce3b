"""Property paths, and resetting along them."""

import copy
from typing import Any

import pytest

from provisioner.engines.embedded.paths import contains, ignore_changes, parse
from provisioner.engines.embedded.values import secret


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("a[0].b[*]", ("a", 0, "b", "*")),
        ('a["b.c"]', ("a", "b.c")),
        (r'["a\"b"]', ('a"b',)),
        ("a.[1]", ("a", 1)),
        ("#initerror", ("#initerror",)),
        ("*", ("*",)),
    ],
)
def test_parse(text: str, path: Any) -> None:
    assert parse(text) == path


@pytest.mark.parametrize("text", [".a", "a[", "a[x]", 'a["b', "a."])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"must begin|no property path|invalid literal"):
        parse(text)


@pytest.mark.parametrize(
    ("path", "other", "expected"),
    [("a", "a.b", True), ("a.b", "a", False), ("a[*].c", "a[3].c.d", True), ("a", "ab", False), ("*", "x", True)],
)
def test_contains(path: str, other: str, expected: bool) -> None:
    assert contains(parse(path), parse(other)) is expected


CASES: list[tuple[Any, Any, str, Any]] = [
    ({"a": 1}, {"a": 2}, "a", {"a": 1}),
    ({}, {"a": 2}, "a", {}),
    ({"a": 1}, {}, "a", {"a": 1}),
    ({"a": {"b": 1, "c": 1}}, {"a": {"b": 2, "c": 2}}, "a.b", {"a": {"b": 1, "c": 2}}),
    ({"a": {"b": 1}}, {}, "a.b", {}),
    ({"a": {"b": 1}}, {"a": 5}, "a.b", {"a": 5}),
    ({"a": [1, 2]}, {"a": [3, 4]}, "a[1]", {"a": [3, 2]}),
    ({"a": [1, 2]}, {"a": [3]}, "a[1]", {"a": [3]}),
    ({"a": [1]}, {"a": [3, 4]}, "a[*]", {"a": [1, 4]}),
    ({"a": {"x": 1}}, {"a": {"y": 2}}, "a[*]", {"a": {"x": 1}}),
    ({"a": {"x": 1}}, {"a": {"y": 2}}, "*", {"a": {"x": 1}}),
    ({"a": {"x": {"p": 1}}}, {"a": {"x": {"p": 2}}}, "a[*].p", {"a": {"x": {"p": 1}}}),
    ({"a": secret({"b": 1})}, {"a": {"b": 2}}, "a.b", {"a": {"b": secret(1)}}),
    ({"a": secret({"b": 1})}, {"a": secret({"b": 2})}, "a.b", {"a": secret({"b": 1})}),
    ({"a": 1}, {"a": 2}, "a[", {"a": 2}),
]


@pytest.mark.parametrize(("old", "new", "path", "expected"), CASES)
def test_ignore_changes(old: Any, new: Any, path: str, expected: Any) -> None:
    kept_old, kept_new = copy.deepcopy(old), copy.deepcopy(new)
    assert ignore_changes(new, old, [path]) == expected
    assert (old, new) == (kept_old, kept_new)
