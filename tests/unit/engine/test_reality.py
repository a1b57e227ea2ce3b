"""Reading what is there: get, import, refresh, drift, and taking resources over or letting them go."""

from typing import Any

import pulumi
import pytest

from provisioner.model.change import PropertyChange
from provisioner.model.errors import EngineError

from .conftest import Harness, ops
from .toy import Box, Object, Thing, Toy, options


def thing(**kwargs: Any) -> Any:
    """A program with one thing, `a`."""
    chosen = kwargs.pop("opt", {})
    return lambda: Thing("a", options(Toy(), **chosen), **kwargs)


def look(identifier: str) -> Any:
    """A program that looks at one."""

    def program() -> None:
        pulumi.export("arn", Thing.look("a", identifier, options(Toy())).arn)

    return program


def found(here: Harness, identifier: str = "old-1", **props: Any) -> None:
    """Put something into the cloud that nobody here has made."""
    here.cloud.objects[identifier] = Object(identifier, "someone else's", props)


def test_get_looks_at_a_resource_and_never_deletes_it(here: Harness) -> None:
    found(here, text="x")
    result = here.up(look("old-1"))
    assert ops(result) == [("read", "a")]
    assert result.outputs == {"arn": "arn:old-1"}
    assert here.resources()["a"]["external"] is True
    before = here.file.read_bytes()
    here.up(look("old-1"))
    assert here.file.read_bytes() == before
    assert ops(here.up(lambda: None)) == [("read", "a")]
    assert "a" not in here.resources()
    assert list(here.cloud.objects) == ["old-1"]


def test_get_of_what_is_missing_fails(here: Harness) -> None:
    with pytest.raises(EngineError, match="resource nothing does not exist"):
        here.up(look("nothing"))


def test_get_of_an_unknown_id_is_fine_in_a_preview(here: Harness) -> None:
    def program() -> None:
        toy = Toy()
        a = Thing("a", options(toy))
        pulumi.export("arn", Thing.look("b", a.id, options(toy)).arn)  # type: ignore[arg-type]  # an Output is taken

    assert ops(here.preview(program)) == [("create", "a"), ("read", "b")]
    assert here.up(program).outputs == {"arn": "arn:a-1"}


def test_a_resource_is_let_go_by_getting_it_and_taken_back_by_a_new_one(here: Harness) -> None:
    here.up(thing(text="x"))
    assert ops(here.up(look("a-1"))) == [("read", "a")]
    assert list(here.cloud.objects) == ["a-1"]
    assert ("create-replacement", "a") in ops(here.up(thing(text="x")))
    assert sorted(here.cloud.objects) == ["a-1", "a-2"]
    assert here.replaced() == []


def test_getting_another_one_in_place_of_ours_deletes_ours(here: Harness) -> None:
    here.up(thing(text="x"))
    found(here, text="y")
    here.up(look("old-1"))
    assert list(here.cloud.objects) == ["old-1"]
    assert here.resources()["a"]["external"] is True


def test_import_takes_over_what_is_there(here: Harness) -> None:
    found(here, text="x")
    result = here.up(thing(text="x", opt={"import_": "old-1"}))
    assert ops(result) == [("import", "a")]
    assert here.resources()["a"]["id"] == "old-1"
    assert ops(here.up(thing(text="x", opt={"import_": "old-1"}))) == []
    assert ops(here.up(thing(text="y"))) == [("update", "a")]
    assert here.cloud.objects["old-1"].props == {"text": "y"}
    here.destroy()
    assert not here.cloud.objects


def test_import_updates_what_is_different_and_ignores_what_it_should(here: Harness) -> None:
    found(here, text="x", tags="x")
    result = here.up(thing(text="y", tags="y", opt={"import_": "old-1", "ignore_changes": ["tags"]}))
    assert ops(result) == [("import", "a"), ("update", "a")]
    assert here.cloud.objects["old-1"].props == {"text": "y", "tags": "x"}
    assert len([r for r in here.deployment()["resources"] if r["urn"].endswith("::a")]) == 1


def test_import_of_what_is_missing_or_must_be_replaced_fails(here: Harness) -> None:
    with pytest.raises(EngineError, match="resource nothing does not exist"):
        here.up(thing(opt={"import_": "nothing"}))
    found(here, fixed="1")
    with pytest.raises(EngineError, match="may not be replaced"):
        here.up(thing(fixed="2", opt={"import_": "old-1"}))
    assert here.cloud.objects["old-1"].props == {"fixed": "1"}


def test_import_in_place_of_ours_deletes_ours(here: Harness) -> None:
    here.up(thing(text="x"))
    found(here, text="x")
    here.up(thing(text="x", opt={"import_": "old-1"}))
    assert list(here.cloud.objects) == ["old-1"]


def test_drift_is_seen_by_a_preview_that_refreshes_and_by_no_other(here: Harness) -> None:
    program = thing(text="x")
    here.up(program)
    before = here.file.read_bytes()
    here.cloud.objects["a-1"].props["text"] = "by hand"
    assert ops(here.preview(program)) == []
    plan = here.preview(program, refresh=True)
    assert ops(plan) == [("update", "a")]
    assert here.file.read_bytes() == before
    assert ops(here.up(program, refresh=True)) == [("update", "a")]
    assert here.cloud.objects["a-1"].props == {"text": "x"}


def test_a_preview_that_refreshes_tells_from_what_to_what(here: Harness) -> None:
    def program() -> None:
        toy = Toy()
        Thing("a", options(toy), text="x")
        Thing("b", options(toy), text="y")

    here.up(program)
    here.cloud.objects["a-1"].props["text"] = "by hand"
    del here.cloud.objects["b-1"]
    seen = {(d.name, d.path, d.before, d.after) for d in here.preview(program, refresh=True).drift}
    assert seen == {("a", "text", "x", "by hand"), ("b", "", None, None)}
    assert here.preview(program).drift == (), "the cloud wasn't read"


def test_what_only_the_program_wants_is_no_drift(here: Harness) -> None:
    here.up(thing(text="x"))
    plan = here.preview(thing(text="y"), refresh=True)
    assert (ops(plan), plan.drift) == ([("update", "a")], ())


def test_a_secret_that_was_changed_by_hand_is_not_told(here: Harness) -> None:
    def program() -> None:
        Thing("a", options(Toy()), text=pulumi.Output.secret("sesame"))

    here.up(program)
    here.cloud.objects["a-1"].props["text"] = "open sesame"
    (seen,) = here.preview(program, refresh=True).drift
    assert (seen.path, seen.before, seen.after) == ("text", "[secret]", "[secret]")


def test_refresh_takes_the_cloud_into_the_state_and_drops_what_is_gone(here: Harness) -> None:
    def program() -> None:
        toy = Toy()
        box = Box("box", pulumi.ResourceOptions(providers=[toy]))
        a = Thing("a", pulumi.ResourceOptions(parent=box))
        b = Thing("b", options(toy, deleted_with=a, parent=a), text=a.arn)
        Thing("c", options(toy, depends_on=[a, b]), text="x")

    here.up(program)
    here.cloud.objects["c-1"].props["text"] = "y"
    del here.cloud.objects["a-1"]
    result = here.refresh()
    assert sorted(ops(result)) == [("delete", "a"), ("refresh", "c")]
    assert PropertyChange("text") in [c for s in result.steps for c in s.changes]
    state = here.resources()
    assert "a" not in state
    assert state["c"]["inputs"]["text"] == "y"
    assert state["c"]["dependencies"] == [state["b"]["urn"]]
    assert state["b"]["parent"].endswith("::box")
    assert "deletedWith" not in state["b"]
    assert sorted(ops(here.up(program))) == [("create", "a"), ("update", "b"), ("update", "c")]


def test_a_refresh_that_fails_keeps_the_state(here: Harness) -> None:
    import grpc

    here.up(thing(text="x"))
    before = here.resources()["a"]
    here.cloud.failing["Read", "a"] = grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(EngineError, match="refresh failed: Read of a failed as asked"):
        here.refresh()
    assert here.resources()["a"] == before


def test_destroy_and_refresh_of_a_stack_that_is_not_there(here: Harness) -> None:
    assert here.destroy().steps == ()
    assert here.refresh().steps == ()
    assert here.engine.outputs(here.stack()) == {}
    assert here.engine.export(here.stack()) is None
    assert here.cloud.calls == []
