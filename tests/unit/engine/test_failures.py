"""When something goes wrong: what still happens, what is kept, and how the next run goes on."""

import threading
import time
from typing import Any

import grpc
import pulumi
import pytest

from provisioner.model.errors import CancelledError, EngineError, TimedOutError

from .conftest import Harness, ops
from .toy import Box, Thing, Toy, options


def three(**props: Any) -> Any:
    """A program: `a`, `b` that needs `a`, and `c` that needs none."""

    def program() -> None:
        toy = Toy()
        a = Thing("a", options(toy), **props)
        Thing("b", options(toy), text=a.arn)
        Thing("c", options(toy), text="x")
        pulumi.export("arn", a.arn)

    return program


def test_the_first_failure_stops_what_has_not_begun_and_the_next_run_goes_on(here: Harness) -> None:
    def program() -> None:
        toy = Toy()
        a = Thing("a", options(toy))
        b = Thing("b", options(toy, depends_on=[a]))
        c = Thing("c", options(toy, depends_on=[b]))
        Thing("d", options(toy, depends_on=[c]))

    here.cloud.failing["Create", "c"] = grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(EngineError) as caught:
        here.up(program)
    assert caught.value.failures == ("toy:index:Thing c: create failed: Create of c failed as asked",)
    assert here.cloud.names() == ["a", "b"]
    assert here.pending() == []
    here.cloud.failing.clear()
    assert ops(here.up(program)) == [("create", "c"), ("create", "d")]


def test_what_is_under_way_when_another_fails_ends_and_is_kept(here: Harness) -> None:
    started = threading.Event()

    def wait_for_the_failure() -> None:
        started.set()
        time.sleep(0.2)

    here.cloud.before["Create", "c"] = wait_for_the_failure
    here.cloud.before["Create", "a"] = started.wait  # type: ignore[assignment]  # its result is not used
    here.cloud.failing["Create", "a"] = grpc.StatusCode.UNKNOWN
    with pytest.raises(EngineError, match="Create of a failed"):
        here.up(three())
    assert here.cloud.names() == ["c"]
    assert here.resources()["c"]["id"] == "c-1"


def test_continue_on_error_leaves_out_only_what_needs_the_failed_one(here: Harness) -> None:
    here.cloud.failing["Create", "a"] = grpc.StatusCode.UNKNOWN
    with pytest.raises(EngineError) as caught:
        here.up(three(), continue_on_error=True)
    assert len(caught.value.failures) == 1
    assert here.cloud.names() == ["c"]
    assert "04da6b54" not in here.file.read_text()
    here.cloud.failing.clear()
    assert sorted(ops(here.up(three()))) == [("create", "a"), ("create", "b")]


def test_continue_on_error_keeps_what_skipped_resources_need(here: Harness) -> None:
    def before() -> None:
        toy = Toy()
        old = Thing("old", options(toy))
        a = Thing("a", options(toy), text="1")
        Thing("b", options(toy, depends_on=[old]), text=a.arn)

    def after() -> None:
        toy = Toy()
        a = Thing("a", options(toy), text="2")
        Thing("b", options(toy), text=a.arn)

    here.up(before)
    here.cloud.failing["Update", "a"] = grpc.StatusCode.UNKNOWN
    with pytest.raises(EngineError):
        here.up(after, continue_on_error=True)
    assert here.cloud.names() == ["a", "b", "old"]
    here.resources()
    here.cloud.failing.clear()
    here.up(after)
    assert here.cloud.names() == ["a", "b"]


def test_an_unhealthy_object_is_kept_and_updated_by_the_next_run(here: Harness) -> None:
    here.cloud.unhealthy.add("a")
    with pytest.raises(EngineError, match="it does not feel well"):
        here.up(three(text="x"))
    state = here.resources()["a"]
    assert (state["id"], state["initErrors"]) == ("a-1", ["it does not feel well"])
    here.cloud.unhealthy.clear()
    assert ("update", "a") in ops(here.up(three(text="x")))
    assert "initErrors" not in here.resources()["a"]
    assert here.cloud.names() == ["a", "b", "c"]


def test_a_replacement_that_is_unhealthy_does_not_lose_the_old_one(here: Harness) -> None:
    here.up(three(fixed="1"))
    here.cloud.unhealthy.add("a")
    with pytest.raises(EngineError):
        here.up(three(fixed="2"))
    assert here.replaced() == ["a"]
    assert len(here.cloud.named("a")) == 2
    here.cloud.unhealthy.clear()
    here.up(three(fixed="2"))
    assert sorted(o.id for o in here.cloud.named("a")) == ["a-2"]
    assert here.replaced() == []


def test_a_failed_recreation_after_the_deletion_is_made_up_for(here: Harness) -> None:
    here.up(three(slot="1"))
    here.cloud.failing["Create", "a"] = grpc.StatusCode.UNKNOWN
    with pytest.raises(EngineError):
        here.up(three(slot="2"))
    assert here.cloud.named("a") == []
    assert here.resources()["a"]["pendingReplacement"] is True
    here.cloud.failing.clear()
    here.up(three(slot="2"))
    assert [o.id for o in here.cloud.named("a")] == ["a-2"]
    assert "pendingReplacement" not in here.resources()["a"]
    assert here.cloud.took("Delete") == []


def test_a_resource_deleted_for_its_replacement_that_the_program_gave_up(here: Harness) -> None:
    here.up(three(slot="1"))
    here.cloud.failing["Create", "a"] = grpc.StatusCode.UNKNOWN
    with pytest.raises(EngineError):
        here.up(three(slot="2"))
    here.up(lambda: None)
    assert here.cloud.names() == []
    assert set(here.resources()) == {"tenant-acme"}


def test_wrong_inputs_are_named(here: Harness) -> None:
    with pytest.raises(EngineError, match="toy:index:Thing a: invalid: must not be true"):
        here.up(three(invalid=True))
    assert here.cloud.took("Create") in ([], [("Create", "c")])


def test_a_program_that_raises_deletes_nothing_and_keeps_its_outputs(here: Harness) -> None:
    here.up(three(text="x"))

    def broken() -> None:
        Thing("a", options(Toy()), text="y")
        pulumi.export("new", 1)
        raise ValueError("boom")

    with pytest.raises(EngineError, match="program: ValueError: boom") as caught:
        here.up(broken)
    assert isinstance(caught.value.__cause__, ValueError)
    assert here.cloud.names() == ["a", "b", "c"]
    assert here.engine.outputs(here.stack()) == {"arn": "arn:a-1", "new": 1}


def test_failures_of_deletions_stop_the_deletion_of_what_they_need(here: Harness) -> None:
    here.up(three())
    here.cloud.failing["Delete", "b"] = grpc.StatusCode.FAILED_PRECONDITION
    with pytest.raises(EngineError, match="Thing b: delete failed"):
        here.destroy(continue_on_error=True)
    assert here.cloud.names() == ["a", "b"]
    here.resources()
    here.cloud.failing.clear()
    here.destroy()
    assert here.cloud.names() == []


def test_two_resources_of_one_name(here: Harness) -> None:
    def program() -> None:
        toy = Toy()
        Thing("a", options(toy))
        Thing("a", options(toy))

    with pytest.raises(EngineError, match="two resources have the same URN"):
        here.up(program)


def test_cancelling_ends_after_what_is_under_way(here: Harness) -> None:
    flag = threading.Event()
    here.cloud.before["Create", "a"] = flag.set
    with pytest.raises(CancelledError, match="up of stack tenant/acme was cancelled"):
        here.up(three(), cancel=flag)
    assert here.cloud.named("b") == []
    assert here.resources()["a"]["id"] == "a-1"
    assert here.pending() == []
    assert ("create", "b") in ops(here.up(three()))
    assert here.cloud.names() == ["a", "b", "c"]


def test_the_deadline_cuts_a_call_off_and_the_next_run_finds_what_it_made(here: Harness) -> None:
    late = threading.Event()

    def hold() -> None:
        late.wait(20)

    here.cloud.after["Create", "a"] = hold
    try:
        with pytest.raises(TimedOutError, match=r"ran out of time \(1.5 s\)"):
            here.up(three(text="x"), deadline=1.5)
    finally:
        late.set()
    assert ("creating", "a") in here.pending()
    here.cloud.after.clear()
    here.up(three(text="x"))
    assert here.cloud.names() == ["a", "b", "c"]
    assert here.pending() == []


def test_a_program_that_hangs_is_told_to_end(here: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    from provisioner.engines.embedded import program as module

    monkeypatch.setattr(module, "_GRACE", 0.1)

    async def forever() -> None:
        await pulumi.Output.from_input(1).future()
        import asyncio

        await asyncio.sleep(3600)

    with pytest.raises(TimedOutError):
        here.up(forever, deadline=0.5)
    assert not [t for t in threading.enumerate() if t.name.startswith("pulumi-acme")]


def test_a_provider_that_is_not_there(here: Harness) -> None:
    here.cloud.address = "127.0.0.1:1"
    with pytest.raises(EngineError, match="the provider toy can't be reached") as caught:
        here.up(three())
    assert caught.value.hint == "provision sandbox status"


def test_a_lost_reply_is_made_up_for_by_adoption_and_never_made_twice(here: Harness) -> None:
    def die() -> None:
        raise OSError("the reply is lost")

    here.cloud.after["Create", "a"] = die
    with pytest.raises(EngineError):
        here.up(three(text="x"))
    assert len(here.cloud.named("a")) == 1
    here.cloud.after.clear()
    here.cloud.failing["Create", "a"] = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(EngineError):
        here.up(three(text="x"))
    assert ("creating", "a") in here.pending()
    here.cloud.failing.clear()
    here.up(three(text="x"))
    assert here.cloud.names() == ["a", "b", "c"]
    assert set(here.cloud.known_ids) == {""}


def test_settling_an_uncertain_create_of_what_the_program_gave_up(here: Harness) -> None:
    here.cloud.failing["Create", "a"] = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(EngineError):
        here.up(three(text="x"))
    with pytest.raises(EngineError, match="can't be reached"):
        here.destroy()
    assert ("creating", "a") in here.pending()
    here.cloud.failing.clear()
    here.destroy()
    assert here.cloud.names() == []
    assert here.pending() == []


def test_settling_a_create_that_the_provider_refuses(here: Harness) -> None:
    here.cloud.failing["Create", "a"] = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(EngineError):
        here.up(three(text="x"))
    here.cloud.failing["Create", "a"] = grpc.StatusCode.INVALID_ARGUMENT
    here.destroy()
    assert here.pending() == []
    assert any("not made" in (e.message or "") for e in here.events)


def test_what_needs_one_that_failed_under_its_former_name_waits(here: Harness) -> None:
    """Its replacement begins with a deletion, which is still the old name's: with no object under the new one, the
    state must have nothing that needs it."""

    def before() -> None:
        toy = Toy()
        Thing("a", options(toy), fixed=0)
        Thing("b", options(toy))

    def after() -> None:
        toy = Toy()
        box = Box("box", pulumi.ResourceOptions(providers=[toy]))
        former = [pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]
        a = Thing("a", options(toy, parent=box, aliases=former, delete_before_replace=True), fixed=1)
        Thing("b", options(toy, depends_on=[a]))

    here.up(before)
    here.cloud.failing["Delete", "a"] = grpc.StatusCode.UNKNOWN
    with pytest.raises(EngineError, match="Delete of a failed"):
        here.up(after, continue_on_error=True)
    [kept] = [r for r in here.deployment()["resources"] if r["urn"].endswith("::b")]
    assert not kept.get("dependencies")
    here.cloud.failing.clear()
    assert sorted(ops(here.up(after))) == [("create-replacement", "a"), ("delete-replaced", "a"), ("replace", "a")]
    assert here.cloud.names() == ["a", "b"]


def test_what_needs_one_whose_dependent_could_not_be_deleted_first_waits(here: Harness) -> None:
    """`a` isn't replaced, because `b` is in its way: so the state has the old `a`, behind all that is new."""

    def program(slot: int) -> Any:
        def before() -> None:
            toy = Toy()
            a = Thing("a", options(toy), slot=slot)
            Thing("b", options(toy), **({} if slot else {"fixedIn": a.arn}))
            Thing("c", options(toy, depends_on=[a] if slot else []))

        return before

    here.up(program(0))
    here.cloud.failing["Delete", "b"] = grpc.StatusCode.UNKNOWN
    with pytest.raises(EngineError, match="Delete of b failed"):
        here.up(program(1), continue_on_error=True)
    here.resources()
    here.cloud.failing.clear()
    here.up(program(1))
    assert here.cloud.names() == ["a", "b", "c"]
    assert ops(here.preview(program(1), refresh=True)) == []


def test_a_lost_creation_takes_the_place_of_what_it_replaces_under_its_former_name(here: Harness) -> None:
    """The old object was deleted under the old name, and whether the new one was made isn't known."""

    def program(slot: int, *, boxed: bool) -> Any:
        def made() -> None:
            toy = Toy()
            box = Box("box", pulumi.ResourceOptions(providers=[toy]))
            former = pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE if boxed else box)
            a = Thing("a", options(toy, parent=box if boxed else None, aliases=[former]), slot=slot)
            Thing("b", options(toy, depends_on=[a]))

        return made

    here.up(program(0, boxed=False))
    here.cloud.failing["Create", "a"] = grpc.StatusCode.UNAVAILABLE
    with pytest.raises(EngineError, match="Create of a failed"):
        here.up(program(1, boxed=True))
    here.cloud.failing.clear()
    here.cloud.unhealthy = {"a"}
    with pytest.raises(EngineError, match="does not feel well"):
        here.up(program(0, boxed=False))
    here.resources()
    here.cloud.unhealthy = set()
    here.up(program(0, boxed=False))
    assert here.cloud.names() == ["a", "b"]
    assert ops(here.preview(program(0, boxed=False), refresh=True)) == []
