"""What providers are given and asked: configuration that is known or not, defaults, invokes, outputs."""

from typing import Any

import pulumi
import pytest

from provisioner.model.errors import EngineError

from .conftest import Harness, ops
from .toy import Box, Thing, Toy, invoke, options


def test_a_provider_without_previews_shows_inputs(here: Harness) -> None:
    def program() -> None:
        a = Thing("a", options(Toy()), text="x")
        Thing("b", options(Toy("toy2")), fixedFrom=a.arn)

    here.cloud.supports_preview = False
    assert ops(here.preview(program)) == [("create", "a"), ("create", "b")]


def test_a_provider_whose_configuration_is_not_known_yet(here: Harness) -> None:
    def program() -> None:
        a = Thing("a", options(Toy()), text="x")
        Thing("b", options(Toy("second", region=a.arn)), text="y")

    assert ops(here.preview(program)) == [("create", "a"), ("create", "b")]
    assert ops(here.up(program)) == [("create", "a"), ("create", "b")]
    assert ops(here.preview(program)) == []


def test_resources_without_a_provider_get_the_default_one(here: Harness) -> None:
    here.up(lambda: Thing("a", text="x"))
    assert here.resources()["a"]["provider"].startswith("urn:pulumi:acme::tenant::pulumi:providers:toy::default::")
    assert ops(here.up(lambda: Thing("a", text="x"))) == []


def test_outputs_of_components_and_stacks_are_kept(here: Harness) -> None:
    def program(text: str) -> Any:
        def run() -> None:
            box = Box("box", pulumi.ResourceOptions(providers=[Toy()]))
            a = Thing("a", pulumi.ResourceOptions(parent=box))
            box.register_outputs({"arn": a.arn, "text": text, "thing": a})
            pulumi.export("list", [a.id, 1, None, True, {"k": 1.5}])

        return run

    assert here.up(program("x")).outputs == {"list": ["a-1", 1, None, True, {"k": 1.5}]}
    box = here.resources()["box"]["outputs"]
    assert (box["arn"], box["text"], box["thing"]["id"]) == ("arn:a-1", "x", "a-1")
    here.up(program("y"))
    assert here.resources()["box"]["outputs"]["text"] == "y"


def test_invokes_reach_the_provider_that_is_asked(here: Harness) -> None:
    def program() -> None:
        pulumi.export("reply", invoke(Toy(region="mars"), {"ask": "why"}))

    assert here.up(program).outputs["reply"] == {"region": "mars", "asked": "why"}

    def bad() -> None:
        invoke(Toy(), {"bad": True})

    with pytest.raises(EngineError, match="is bad"):
        here.up(bad)
