"""What the engine doesn't support it refuses by name; a real cloud's provider it refuses at once."""

from typing import Any

import pulumi
import pytest

from provisioner.model.errors import EngineError

from .conftest import Harness
from .toy import Box, Thing, Toy, options


def transformed() -> None:
    Thing("a", options(Toy(), transforms=[lambda args: None]))


def transformed_stack() -> None:
    pulumi.runtime.register_resource_transform(lambda args: None)
    Thing("a", options(Toy()))


def hooked() -> None:
    hook = pulumi.ResourceHook("h", lambda args: None)
    Thing("a", options(Toy(), hooks=pulumi.ResourceHookBinding(before_create=[hook])))


def triggered() -> None:
    Thing("a", options(Toy(), replacement_trigger="1"))


def replaced_with() -> None:
    toy = Toy()
    a = Thing("a", options(toy))
    Thing("b", options(toy, replace_with=[a]))


def with_asset() -> None:
    Thing("a", options(Toy()), file=pulumi.StringAsset("x"))


def with_archive() -> None:
    Thing("a", options(Toy()), file=pulumi.AssetArchive({"x": pulumi.StringAsset("x")}))


def remote() -> None:
    class Far(pulumi.ComponentResource):
        def __init__(self) -> None:
            super().__init__("toy:index:Far", "far", {}, None, remote=True)

    Far()


def hidden() -> None:
    Thing("a", options(Toy(), hide_diffs=["text"]))


def called() -> None:
    pulumi.runtime.call("toy:index:Thing/do", {}, Box("box"))


CASES: list[tuple[Any, str]] = [
    (transformed, "transforms"),
    (transformed_stack, "transforms"),
    (hooked, "hooks"),
    (triggered, "replacement_trigger"),
    (replaced_with, "ReplaceWith"),
    (with_asset, "assets"),
    (with_archive, "archives"),
    (remote, "remote components"),
    (hidden, "hide_diffs"),
    (called, "the call Call"),
]


@pytest.mark.parametrize(("program", "name"), CASES, ids=[c[0].__name__ for c in CASES])
def test_it_is_named_with_what_to_do(here: Harness, program: Any, name: str) -> None:
    with pytest.raises(EngineError, match=f"the embedded engine does not support .*{name}") as caught:
        here.up(program)
    assert "--engine pulumi" in str(caught.value.hint)
    assert "update the Pulumi CLI" not in str(caught.value)
    assert here.cloud.took("Create") in ([], [("Create", "a")])


def test_legacy_transformations_run_in_the_sdk_and_work(here: Harness) -> None:
    def shout(args: Any) -> Any:
        return pulumi.ResourceTransformationResult({**args.props, "text": "LOUD"}, args.opts)

    here.up(lambda: Thing("a", options(Toy(), transformations=[shout]), text="quiet"))
    assert here.cloud.objects["a-1"].props["text"] == "LOUD"


@pytest.mark.parametrize("version", ["7.51.1", "", "7.51.1+sandbox.fake"])
def test_a_provider_that_is_not_the_sandboxs_is_refused(here: Harness, version: str) -> None:
    here.cloud.version = version
    with pytest.raises(EngineError, match="the embedded engine serves the sandbox only") as caught:
        here.up(lambda: Thing("a", options(Toy())))
    assert "--engine pulumi" in str(caught.value.hint)
    assert here.cloud.calls == []
