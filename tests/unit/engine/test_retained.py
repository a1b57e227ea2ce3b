"""`retain_on_delete`: what leaves the state stays in the cloud, in every way in which it can leave."""

from typing import Any

import pytest

from provisioner.model.errors import EngineError

from .conftest import Harness, ops
from .toy import Thing, Toy, options


def one(fixed: str = "", **chosen: Any) -> Any:
    """A program with one thing, `a`, and its options."""

    def program() -> None:
        Thing("a", options(Toy(), **chosen), fixed=fixed)

    return program


def test_retain_on_delete_forgets_without_deleting(here: Harness) -> None:
    here.up(one(retain_on_delete=True))
    assert ops(here.up(lambda: None)) == [("delete", "a")]
    assert here.cloud.names() == ["a"]
    assert "a" not in here.resources()


def test_a_destroy_obeys_what_the_state_says_is_retained(here: Harness) -> None:
    """Toggling it is no step, as with `protect`: an `up` of the same program puts it into the state and no more."""

    def program(retain: bool) -> Any:
        def run() -> None:
            toy = Toy()
            key = Thing("key", options(toy, retain_on_delete=retain))
            Thing("alias", options(toy), text=key.arn)

        return run

    here.up(program(retain=False))
    assert ops(here.up(program(retain=True))) == []
    assert here.resources()["key"]["retainOnDelete"] is True
    assert here.cloud.took("Update") == []
    assert sorted(ops(here.destroy(refresh=True))) == [("delete", "alias"), ("delete", "key")]
    assert here.cloud.took("Delete") == [("Delete", "alias")]
    assert here.cloud.names() == ["key"]
    assert here.deployment().get("resources", []) == []


def test_what_is_retained_no_more_is_deleted(here: Harness) -> None:
    here.up(one(retain_on_delete=True))
    assert ops(here.up(one())) == []
    assert "retainOnDelete" not in here.resources()["a"]
    here.destroy()
    assert here.cloud.names() == []


def test_a_replacement_leaves_what_is_retained(here: Harness) -> None:
    here.up(one(fixed="1", retain_on_delete=True))
    here.up(one(fixed="2", retain_on_delete=True))
    assert sorted(here.cloud.objects) == ["a-1", "a-2"]
    assert here.replaced() == []


def test_protection_stops_also_the_end_of_what_is_retained(here: Harness) -> None:
    """As in the real engine, so whoever wants to keep it takes the protection off in the same `up`."""
    here.up(one(protect=True, retain_on_delete=True))
    with pytest.raises(EngineError, match="protected"):
        here.destroy()
    assert "a" in here.resources()
