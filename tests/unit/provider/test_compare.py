"""Values that mean the same, what the cloud holds against what is wanted, and detailed diffs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.sandbox.provider.compare import Shapes, changes, drift, merge, narrow

SHAPES = Shapes(
    sets=frozenset({"groups"}),
    documents=frozenset({"policy"}),
    computed=frozenset({"zone"}),
    chosen=frozenset({"port"}),
)
values = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 5), st.text("ab", max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("ab", min_size=1), inner, max_size=3)),
    max_leaves=8,
)
props = st.dictionaries(st.sampled_from(["name", "groups", "policy", "zone", "disk"]), values)


@pytest.mark.parametrize(
    ("key", "left", "right", "same"),
    [
        ("name", "a", "a", True),
        ("name", None, "", True),
        ("name", False, None, True),
        ("name", 0, None, False),
        ("name", 0, False, False),
        ("name", 5, "5", True),
        ("name", True, "true", False),
        ("groups", ["a", "b"], ["b", "a"], True),
        ("names", ["a", "b"], ["b", "a"], False),
        ("policy", '{"a": 1, "b": 2}', '{"b":2,"a":1}', True),
        ("policy", '{"a": 1}', "not json", False),
        ("disk", {"size": 1, "type": None}, {"size": 1}, True),
    ],
)
def test_same(key: str, left: Any, right: Any, same: bool) -> None:
    assert SHAPES.same(key, left, right) is same
    assert SHAPES.same(key, right, left) is same


@pytest.mark.parametrize(
    ("key", "actual", "wanted", "covered"),
    [
        ("disk", {"size": 1, "id": "x"}, {"size": 1}, True),
        ("disk", {"size": 2, "id": "x"}, {"size": 1}, False),
        ("tagsAll", {"a": "1", "b": "2"}, {"a": "1"}, False),
        ("name", True, False, False),
        ("name", None, True, False),
        ("names", ["a"], [], False),
        ("port", 40001, 5432, True),
        ("rules", [{"id": 1, "order": 2}], [{"id": 1}], True),
        ("rules", [{"id": 1}, {"id": 2}], [{"id": 1}], False),
    ],
)
def test_covers(key: str, actual: Any, wanted: Any, covered: bool) -> None:
    assert SHAPES.covers(key, actual, wanted) is covered


def found(old: dict[str, Any], state: dict[str, Any], new: dict[str, Any], *force_new: str) -> dict[str, str]:
    return {
        c.path: c.kind + ("!" if c.replaces else "") + ("" if c.inputs else " (drift)")
        for c in changes(SHAPES, frozenset(force_new), old, state, new)
    }


def test_changes_name_paths_kinds_and_replacements() -> None:
    old = {"name": "a", "disk": {"size": 1, "key": "x"}, "rules": [{"port": 1}, {"port": 2}], "gone": 1, "tags": {}}
    new = {"name": "b", "disk": {"size": 2, "key": "y"}, "rules": [{"port": 1}, {"port": 3}], "tags": {"a:b": "c"}}
    assert found(old, {}, new, "name", "disk.key") == {
        "name": "UPDATE!",
        "disk.key": "UPDATE!",
        "disk.size": "UPDATE",
        "rules[1].port": "UPDATE",
        "gone": "DELETE",
        'tags["a:b"]': "ADD",
    }


def test_a_nested_path_in_a_list_can_replace() -> None:
    assert found({"disks": [{"key": "a"}]}, {}, {"disks": [{"key": "b"}]}, "disks.key") == {"disks[0].key": "UPDATE!"}


def test_a_drift_is_a_change_though_the_program_is_the_same() -> None:
    assert found({"name": "a"}, {"name": "b"}, {"name": "a"}) == {"name": "UPDATE (drift)"}
    assert found({"port": 5432}, {"port": 40001}, {"port": 5432}) == {}


def test_leaving_a_computed_property_out_is_no_change() -> None:
    assert found({"zone": "a"}, {"zone": "a"}, {}, "zone") == {}
    assert found({"zone": "a"}, {"zone": "a"}, {"zone": "b"}, "zone") == {"zone": "UPDATE!"}


def test_saying_what_is_so_already_is_no_change() -> None:
    assert found({}, {"zone": "a"}, {"zone": "a"}, "zone") == {}
    assert found({}, {"zone": "a"}, {"zone": "b"}, "zone") == {"zone": "ADD!"}
    assert found({}, {}, {"zone": "b"}) == {"zone": "ADD"}
    assert found({}, {"name": "a"}, {"name": "a"}) == {"name": "ADD"}


def test_merge_keeps_the_words_of_the_program_and_drops_what_is_gone() -> None:
    wanted = {"policy": '{"a": 1}', "groups": ["b", "a"], "disk": {"size": "20"}, "boundary": "arn"}
    actual = {"policy": '{"a":1}', "groups": ["a", "b"], "disk": {"size": 20, "id": "v"}, "boundary": None, "arn": "x"}
    assert merge(SHAPES, wanted, actual) == {
        "policy": '{"a": 1}',
        "groups": ["b", "a"],
        "disk": {"size": "20", "id": "v"},
        "arn": "x",
    }


def test_narrow_takes_what_was_asked_for() -> None:
    asked = {"disk": {"size": 1, "key": "k"}, "tags": {"a": "1"}, "rules": [{"port": 1}]}
    state = {"disk": {"size": 2, "id": "v"}, "tags": {"b": "2"}, "rules": [{"port": 3, "order": 1}], "arn": "x"}
    assert narrow(asked, state) == {"disk": {"size": 2}, "tags": {"b": "2"}, "rules": [{"port": 3}]}


@given(props, props)
def test_what_was_recorded_has_no_difference(wanted: dict[str, Any], actual: dict[str, Any]) -> None:
    """Whatever the cloud adds: where it doesn't drift, the recorded state is no change against the same program."""
    covered = {k: v for k, v in actual.items() if k not in wanted or SHAPES.covers(k, v, wanted[k])}
    state = merge(SHAPES, wanted, covered)
    assert not drift(SHAPES, wanted, state)
    assert not list(changes(SHAPES, frozenset(), wanted, state, wanted))


@given(props)
def test_equal_documents_in_other_words(wanted: dict[str, Any]) -> None:
    text, pretty = json.dumps(wanted), json.dumps(wanted, indent=2, sort_keys=True)
    assert SHAPES.same("policy", text, pretty)
