"""What is planned and done for each change of a program: the real engine's rules, one by one."""

import time
from typing import Any

import pulumi
import pytest

from provisioner.model.change import PropertyChange, StepOp
from provisioner.model.errors import EngineError

from .conftest import Harness, ops
from .toy import Box, Thing, Toy, options


def one(**props: Any) -> Any:
    """A program with one thing, `a`; keywords that begin with `opt_` are its options."""
    chosen = {key.removeprefix("opt_"): value for key, value in props.items() if key.startswith("opt_")}
    plain = {key: value for key, value in props.items() if not key.startswith("opt_")}

    def program() -> None:
        Thing("a", options(Toy(), **chosen), **plain)

    return program


def pair(**props: Any) -> Any:
    """A program with `a`, and `b` that takes something from it."""

    def program() -> None:
        a = Thing("a", options(Toy()), **props)
        Thing("b", options(Toy("toy2")), fixedFrom=a.arn)

    return program


def empty() -> None:
    """A program without resources."""


def test_create_then_nothing_to_do_then_update_then_delete(here: Harness) -> None:
    assert ops(here.up(one(text="x"))) == [("create", "a")]
    before = here.file.read_bytes()
    result = here.up(one(text="x"))
    assert ops(result) == []
    assert result.summary == {"same": 3}
    assert here.file.read_bytes() == before
    result = here.up(one(text="y"))
    assert ops(result) == [("update", "a")]
    [step] = [s for s in result.steps if s.op is StepOp.UPDATE]
    assert step.changes == (PropertyChange("text"),)
    assert step.id == "a-1"
    assert here.cloud.objects["a-1"].props == {"text": "y"}
    assert ops(here.up(empty)) == [("delete", "a")]
    assert not here.cloud.objects


def test_a_replacement_is_created_before_the_old_one_is_deleted(here: Harness) -> None:
    here.up(pair(fixed="1"))
    result = here.up(pair(fixed="2"))
    assert ops(result) == [
        ("create-replacement", "a"),
        ("replace", "a"),
        ("create-replacement", "b"),
        ("replace", "b"),
        ("delete-replaced", "b"),
        ("delete-replaced", "a"),
    ]
    assert here.cloud.took("Create", "Delete") == [("Create", "a"), ("Create", "b"), ("Delete", "b"), ("Delete", "a")]
    assert PropertyChange("fixed", replaces=True) in result.steps[2].changes + result.steps[3].changes
    assert sorted(here.cloud.objects) == ["a-2", "b-2"]


def test_the_second_check_of_a_replacement_has_no_old_inputs(here: Harness) -> None:
    here.up(one(autoname=True, fixed="1"))
    name = here.cloud.objects["a-1"].props["fixedName"]
    here.up(one(autoname=True, fixed="2"))
    assert here.cloud.took("Check", "Diff", "Create") == [
        ("Check", "a"),
        ("Diff", "a"),
        ("Check", "a"),
        ("Create", "a"),
    ]
    assert here.cloud.objects["a-2"].props["fixedName"] != name


def test_delete_before_replace_takes_along_what_it_would_replace(here: Harness) -> None:
    def program(slot: str, text: str = "-") -> Any:
        def run() -> None:
            toy = Toy()
            a = Thing("a", options(toy), slot=slot)
            b = Thing("b", options(toy), fixedFrom=a.arn)
            Thing("c", options(toy), fixedFrom=b.arn)
            Thing("loose", options(toy), text=a.arn)
            Thing("waits", options(toy, depends_on=[a]), text=text)

        return run

    here.up(program("1"))
    result = here.up(program("2"))
    deletes = [name for method, name in here.cloud.took("Create", "Delete") if method == "Delete"]
    assert deletes == ["c", "b", "a"]
    assert here.cloud.took("Create", "Delete")[:4] == [
        ("Delete", "c"),
        ("Delete", "b"),
        ("Delete", "a"),
        ("Create", "a"),
    ]
    # The new object has another ARN, which `loose` takes by an update.
    assert {"update"} == {op for op, name in ops(result) if name == "loose"}
    assert [op for op, name in ops(result) if name == "waits"] == []
    assert here.cloud.names() == ["a", "b", "c", "loose", "waits"]


def test_what_went_along_and_has_left_the_program_is_deleted_once(here: Harness) -> None:
    """The real engine's `RemovePendingReplaceStep`: leaving the state is no step."""

    def program(slot: str, *, dependent: bool) -> Any:
        def run() -> None:
            toy = Toy()
            a = Thing("a", options(toy), slot=slot)
            if dependent:
                Thing("b", options(toy), fixedFrom=a.arn)

        return run

    here.up(program("1", dependent=True))
    assert [op for op, name in ops(here.preview(program("2", dependent=False))) if name == "b"] == ["delete-replaced"]
    result = here.up(program("2", dependent=False))
    assert [op for op, name in ops(result) if name == "b"] == ["delete-replaced"]
    assert "b" not in here.resources()


def test_the_option_decides_between_the_two_orders(here: Harness) -> None:
    here.up(one(fixed="1", opt_delete_before_replace=True))
    here.up(one(fixed="2", opt_delete_before_replace=True))
    assert here.cloud.took("Create", "Delete") == [("Delete", "a"), ("Create", "a")]
    here.up(one(slot="1", opt_delete_before_replace=False))
    assert here.cloud.took("Create", "Delete")[0] == ("Create", "a")


def test_deletes_go_dependents_first(here: Harness) -> None:
    def chain() -> None:
        toy = Toy()
        a = Thing("a", options(toy))
        b = Thing("b", options(toy), text=a.arn)
        Thing("c", options(toy, depends_on=[b]))

    here.up(chain)
    here.destroy()
    assert here.cloud.took("Delete") == [("Delete", "c"), ("Delete", "b"), ("Delete", "a")]
    assert here.deployment()["resources"] == []


def test_a_change_of_region_replaces_the_provider_and_what_it_serves(here: Harness) -> None:
    def program(region: str) -> Any:
        return lambda: Thing("a", options(Toy(region=region)), text="x")

    here.up(program("here"))
    result = here.up(program("there"))
    assert ("create-replacement", "a") in ops(result)
    assert next(c for s in result.steps if s.name == "a" for c in s.changes) == PropertyChange(
        "provider", replaces=True
    )
    assert here.cloud.took("Create", "Delete") == [("Create", "a"), ("Delete", "a")]
    assert ops(here.up(program("there"))) == []


def test_ignore_changes_reaches_nested_paths_and_all_of_a_list(here: Harness) -> None:
    rules = [{"port": 1, "note": "x"}, {"port": 2, "note": "x"}]
    here.up(one(tags={"keep": "1", "mine": "1"}, rules=rules))
    changed = [{"port": 7, "note": "y"}, {"port": 8, "note": "y"}]
    ignored = ["tags.keep", "rules[*].port"]
    here.up(one(tags={"keep": "2", "mine": "2"}, rules=changed, opt_ignore_changes=ignored))
    assert here.cloud.objects["a-1"].props == {
        "tags": {"keep": "1", "mine": "2"},
        "rules": [{"port": 1, "note": "y"}, {"port": 2, "note": "y"}],
    }
    assert here.resources()["a"]["ignoreChanges"] == ignored


def test_replace_on_changes(here: Harness) -> None:
    here.up(one(tags={"zone": "1"}))
    result = here.up(one(tags={"zone": "2"}, opt_replace_on_changes=["tags"]))
    assert ops(result)[0] == ("create-replacement", "a")
    assert result.steps[2].changes == (PropertyChange("tags", replaces=True),)


def test_protect_stops_a_deletion_and_names_the_resource_but_not_the_others(here: Harness) -> None:
    def both() -> None:
        toy = Toy()
        Thing("a", options(toy, protect=True))
        Thing("b", options(toy))

    here.up(both)
    assert all(s.protected for s in here.preview(empty).steps if s.name == "a")
    with pytest.raises(EngineError, match="Thing a: delete failed: it is protected") as caught:
        here.up(empty)
    assert "take `protect` off" in str(caught.value.hint)
    assert here.cloud.names() == ["a"]
    with pytest.raises(EngineError, match="protected"):
        here.destroy()
    assert here.cloud.names() == ["a"]


def test_protect_stops_a_replacement_only_if_old_and_new_have_it(here: Harness) -> None:
    here.up(one(fixed="1", opt_protect=True))
    plan = here.preview(one(fixed="2", opt_protect=True))
    assert {("replace", "a"), ("create-replacement", "a"), ("delete-replaced", "a")} <= set(ops(plan))
    assert all(s.protected for s in plan.steps if s.name == "a")
    with pytest.raises(EngineError, match=r"unable to replace resource .*::a"):
        here.up(one(fixed="2", opt_protect=True))
    assert sorted(here.cloud.objects) == ["a-1"]
    here.up(one(fixed="2"))
    assert sorted(here.cloud.objects) == ["a-2"]


def test_toggling_protect_changes_the_state_and_nothing_else(here: Harness) -> None:
    here.up(one(text="x"))
    assert ops(here.up(one(text="x", opt_protect=True))) == []
    assert here.resources()["a"]["protect"] is True
    assert here.cloud.took("Update") == []


def test_the_clouds_own_flag_counts_as_protection_of_the_state(here: Harness) -> None:
    here.up(one(deletionProtection=True))
    [step] = [s for s in here.preview(empty).steps if s.name == "a"]
    assert step.protected
    assert step.op is StepOp.DELETE


def test_deleted_with_spares_the_call_and_goes_with_a_replacement(here: Harness) -> None:
    def program(fixed: str) -> Any:
        def run() -> None:
            toy = Toy()
            a = Thing("a", options(toy), fixed=fixed)
            Thing("b", options(toy, deleted_with=a), text="x")

        return run

    here.up(program("1"))
    result = here.up(program("2"))
    assert ("replace", "b") in ops(result)
    here.cloud.objects.pop("b-1", None)
    here.destroy()
    assert here.cloud.took("Delete") == [("Delete", "a")]


def test_children_inherit_protect_retain_deleted_with_and_provider(here: Harness) -> None:
    def program() -> None:
        toy = Toy()
        base = Thing("base", options(toy))
        box = Box("box", pulumi.ResourceOptions(protect=True, retain_on_delete=True, providers=[toy]))
        Thing("a", pulumi.ResourceOptions(parent=box, deleted_with=base))
        inner = Box("inner", pulumi.ResourceOptions(parent=box))
        Thing("b", pulumi.ResourceOptions(parent=inner, protect=False))

    here.up(program)
    state = here.resources()
    assert state["a"]["protect"] is True
    assert state["a"]["retainOnDelete"] is True
    assert state["a"]["deletedWith"].endswith("::base")
    assert state["a"]["urn"].endswith("toy:index:Box$toy:index:Thing::a")
    assert state["b"]["provider"] == state["a"]["provider"]
    assert "protect" not in state["b"]
    assert "provider" not in state["inner"]


def test_aliases_keep_the_object_through_renames_and_new_parents(here: Harness) -> None:
    def before() -> None:
        toy = Toy()
        box = Box("box", pulumi.ResourceOptions(providers=[toy]))
        a = Thing("a", pulumi.ResourceOptions(parent=box))
        Thing("box-b", pulumi.ResourceOptions(parent=box), text=a.arn)

    def after() -> None:
        toy = Toy()
        box = Box("crate", pulumi.ResourceOptions(providers=[toy], aliases=[pulumi.Alias(name="box")]))
        a = Thing("a", pulumi.ResourceOptions(parent=box))
        Thing("crate-b", pulumi.ResourceOptions(parent=box), text=a.arn)

    def moved() -> None:
        toy = Toy()
        Thing(
            "x", options(toy, aliases=[pulumi.Alias(name="a", parent="urn:pulumi:acme::tenant::toy:index:Box::crate")])
        )

    here.up(before)
    assert ops(here.up(after)) == []
    assert set(here.resources()) == {"tenant-acme", "toy", "crate", "a", "crate-b"}
    here.up(moved)
    assert sorted(here.cloud.objects) == ["a-1"]
    assert here.resources()["x"]["id"] == "a-1"


def test_the_file_has_new_names_while_old_dependents_are_still_there(here: Harness) -> None:
    def before() -> None:
        a = Thing("a", options(Toy()))
        Thing("late", options(Toy("toy2")), text=a.arn)

    def after() -> None:
        Thing("renamed", options(Toy(), aliases=[pulumi.Alias(name="a")]), text="new")
        raise RuntimeError("stop here")

    here.up(before)
    with pytest.raises(EngineError, match="stop here"):
        here.up(after)
    urns = {r["urn"] for r in here.deployment()["resources"]}
    assert all(urn in urns for urn in here.resources()["late"]["dependencies"])


def test_unknown_values_in_a_preview_and_never_in_a_run(here: Harness) -> None:
    def program() -> None:
        toy = Toy()
        a = Thing("a", options(toy), text="x")
        b = Thing("b", options(toy), text=a.arn)
        pulumi.export("arn", b.arn)
        pulumi.export("id", b.id)

    plan = here.preview(program)
    assert ops(plan) == [("create", "a"), ("create", "b")]
    assert not here.file.exists()
    assert here.cloud.took("Create") == []
    result = here.up(program)
    assert result.outputs == {"arn": "arn:b-1", "id": "b-1"}
    assert "04da6b54" not in here.file.read_text()
    assert here.engine.outputs(here.stack()) == result.outputs


def test_custom_timeouts_are_seconds(here: Harness) -> None:
    here.up(one(opt_custom_timeouts=pulumi.CustomTimeouts(create="1h2m3s", delete="500ms")))
    assert here.resources()["a"]["customTimeouts"] == {"create": 3723.0, "delete": 0.5}


def test_progress_tells_of_every_change(here: Harness) -> None:
    here.up(one(text="x"))
    told = [(str(e.kind), e.name, str(e.op)) for e in here.events if e.name == "a"]
    assert told == [("resource-started", "a", "create"), ("resource-done", "a", "create")]
    assert {e.subject for e in here.events} == {"acme"}
    here.events.clear()
    here.up(lambda: pulumi.log.warn("take care"))
    assert ("message", "take care") in [(str(e.kind), e.message) for e in here.events]


def test_what_another_replacement_deletes_is_made_again_only_after_that(here: Harness) -> None:
    def before() -> None:
        toy = Toy()
        base = Thing("base", options(toy), slot="1")
        Thing("dep", options(toy), fixedFrom=base.arn)

    def after() -> None:
        toy = Toy()
        Thing("base", options(toy), slot="2")
        Thing("dep", options(toy), fixedFrom="nobody")

    here.up(before)
    here.cloud.before["Delete", "dep"] = lambda: time.sleep(0.3)
    here.up(after)
    assert [m for m, name in here.cloud.took("Create", "Delete") if name == "dep"] == ["Delete", "Create"]
    assert here.cloud.names() == ["base", "dep"]
    assert here.replaced() == []


def test_deletion_before_replacement_knows_former_names(here: Harness) -> None:
    def program(slot: str, box: str) -> Any:
        def run() -> None:
            toy = Toy()
            other = "crate" if box == "box" else "box"
            home = Box(box, pulumi.ResourceOptions(providers=[toy], aliases=[pulumi.Alias(name=other)]))
            first = Thing("first", pulumi.ResourceOptions(parent=home), text="x")
            a = Thing("a", pulumi.ResourceOptions(parent=home, depends_on=[first]), slot=slot)
            former = [pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)] if box == "crate" else []
            inside = home if box == "crate" else None
            Thing("b", options(toy, parent=inside, aliases=former), fixedFrom=a.arn)

        return run

    here.up(program("1", "box"))
    here.up(program("2", "crate"))
    assert here.cloud.took("Create", "Delete") == [("Delete", "b"), ("Delete", "a"), ("Create", "a"), ("Create", "b")]
    assert here.cloud.names() == ["a", "b", "first"]
    assert ops(here.preview(program("2", "crate"))) == []
