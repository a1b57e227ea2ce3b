"""Random programs, random failures, any sequence of commands: the state stays sound, and in the end it is the cloud."""

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc
import pulumi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.model.errors import EngineError
from tests.installation import EXHAUSTIVE

from .conftest import Harness, ops
from .toy import Box, Cloud, Thing, Toy, options, served

NAMES = [f"r{n}" for n in range(6)]


@dataclass(frozen=True)
class Spec:
    """One resource of a random program. Numbers point at resources before it."""

    name: str
    text: int
    fixed: int
    slot: int
    takes: tuple[tuple[str, int], ...]
    waits_for: tuple[int, ...]
    within: int | None
    boxed: bool
    delete_first: bool | None
    replace_on: bool


@st.composite
def programs(draw: st.DrawFn) -> tuple[Spec, ...]:
    """Up to six resources in any order, each depending on some of those before it."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=len(NAMES)))
    specs = []
    for index, name in enumerate(names):
        before = st.integers(0, max(0, index - 1))
        many = 2 if index else 0
        specs.append(
            Spec(
                name=name,
                text=draw(st.integers(0, 2)),
                fixed=draw(st.integers(0, 1)),
                slot=draw(st.integers(0, 1)),
                takes=tuple(
                    draw(st.lists(st.tuples(st.sampled_from(["in", "fixedIn", "slotIn"]), before), max_size=many))
                ),
                waits_for=tuple(draw(st.lists(before, max_size=many // 2))),
                within=draw(st.none() | before) if index else None,
                boxed=draw(st.booleans()),
                delete_first=draw(st.sampled_from([None, None, True, False])),
                replace_on=draw(st.booleans()),
            )
        )
    return tuple(specs)


def program_of(specs: tuple[Spec, ...]) -> Callable[[], None]:
    """A Pulumi program that makes them."""

    def program() -> None:
        toy = Toy()
        box = Box("box", pulumi.ResourceOptions(providers=[toy]))
        made: list[Thing] = []
        for spec in specs:
            chosen = options(
                toy,
                parent=box if spec.boxed else None,
                depends_on=[made[n] for n in spec.waits_for],
                deleted_with=None if spec.within is None else made[spec.within],
                delete_before_replace=spec.delete_first,
                replace_on_changes=["text"] if spec.replace_on else None,
                # Moving into the box and out of it must keep the object.
                aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE) if spec.boxed else pulumi.Alias(parent=box)],
            )
            props = {key: made[n].arn for key, n in spec.takes}
            if spec.within is not None:
                props["fixedWithin"] = made[spec.within].id
            made.append(Thing(spec.name, chosen, text=spec.text, fixed=spec.fixed, slot=spec.slot, **props))
        pulumi.export("arns", [thing.arn for thing in made])

    return program


CODES = [grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE]
faults = st.dictionaries(
    st.tuples(st.sampled_from(["Create", "Update", "Delete", "Read", "Diff"]), st.sampled_from(NAMES)),
    st.sampled_from(CODES),
    max_size=3,
)
actions = st.tuples(
    st.sampled_from(["up", "up", "up", "up", "preview", "refresh", "destroy", "up with refresh", "lose"]),
    programs(),
    faults,
    st.sets(st.sampled_from(NAMES), max_size=1),
    st.booleans(),
)


def act(here: Harness, verb: str, specs: tuple[Spec, ...], continue_on_error: bool) -> None:
    """One command, which may fail in an orderly way."""
    program = program_of(specs)
    if verb == "lose":
        if here.cloud.objects:
            here.cloud.remove(min(here.cloud.objects))
    elif verb == "preview":
        here.preview(program)
    elif verb == "refresh":
        here.refresh()
    elif verb == "destroy":
        here.destroy(continue_on_error=continue_on_error)
    else:
        here.up(program, refresh=verb != "up", continue_on_error=continue_on_error)


def check(here: Harness) -> None:
    """The file is sound, and it holds every object of the cloud, but for what goes with another that it holds:
    like the real engine it forgets that before the other one's deletion has succeeded."""
    if not here.file.exists():
        assert not here.cloud.objects
        return
    here.resources()
    held = {r.get("id") for r in here.deployment()["resources"]}

    def covered(identifier: str) -> bool:
        thing = here.cloud.objects.get(identifier)
        return identifier in held or (thing is not None and covered(str(thing.props.get("fixedWithin"))))

    assert all(covered(identifier) for identifier in here.cloud.objects)
    assert "04da6b54" not in here.file.read_text()


@pytest.mark.timeout(1800 if EXHAUSTIVE else 180)
@settings(
    max_examples=400 if EXHAUSTIVE else 60,
    derandomize=not EXHAUSTIVE,  # in CI the same ones each time; `make proofs` searches
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(actions, min_size=1, max_size=4), programs())
def test_the_state_stays_sound_and_becomes_the_cloud(
    history: list[tuple[str, tuple[Spec, ...], dict[tuple[str, str], grpc.StatusCode], set[str], bool]],
    last: tuple[Spec, ...],
) -> None:
    with tempfile.TemporaryDirectory() as folder, served(Cloud()) as cloud:
        here = Harness(Path(folder), cloud)
        for verb, specs, failing, unhealthy, continue_on_error in history:
            cloud.failing, cloud.unhealthy = dict(failing), set(unhealthy)
            with contextlib.suppress(EngineError):
                act(here, verb, specs, continue_on_error)
            check(here)
        cloud.failing, cloud.unhealthy = {}, set()
        here.up(program_of(last), refresh=True)
        check(here)
        assert cloud.names() == sorted(spec.name for spec in last)
        assert here.pending() == []
        assert here.replaced() == []
        assert ops(here.preview(program_of(last), refresh=True)) == []
        here.destroy()
        assert cloud.names() == []
        assert here.deployment()["resources"] == []
