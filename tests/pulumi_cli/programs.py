"""Random Pulumi programs over the toy cloud, and what may happen to them."""

from dataclasses import dataclass
from typing import Any

import grpc
import pulumi
from hypothesis import strategies as st

from tests.unit.engine.toy import Box, Thing, Toy, options

VERBS = ["up", "up", "up", "up with refresh", "preview", "preview with refresh", "refresh", "destroy"]
NAMES = [f"r{n}" for n in range(8)]


@dataclass(frozen=True)
class Spec:
    """One resource. Numbers point at resources before it. What a property's name means is in `toy`."""

    name: str
    text: int = 0
    fixed: int = 0
    slot: int = 0
    takes: tuple[tuple[str, int], ...] = ()
    waits_for: tuple[int, ...] = ()
    within: int | None = None
    boxed: bool = False
    delete_first: bool | None = None
    replace_on: bool = False
    protect: bool | None = None
    retain: bool = False
    ignore: tuple[str, ...] = ()
    secret: bool = False
    hidden_size: bool = False


@dataclass(frozen=True)
class Program:
    """Resources in the order in which they are registered. `box_protects`: what is in the box inherits it. `free`: all
    are registered at once, as programs do; else each after the one before was done.

    What is deleted before its replacement takes along what depended on it and isn't registered yet, and a failure ends
    what hasn't begun yet: the moment decides there, on either engine, and only an order that is kept can be compared.
    """

    specs: tuple[Spec, ...]
    box_protects: bool = False
    region: str = "here"
    free: bool = False

    def __call__(self) -> None:
        toy = Toy(region=self.region)
        box = Box("box", pulumi.ResourceOptions(providers=[toy], protect=True if self.box_protects else None))
        made: list[Thing] = []

        def arns() -> pulumi.Output[Any]:
            return pulumi.Output.all(*[thing.arn for thing in made]) if made else pulumi.Output.from_input([])

        def go_on(_: object = None) -> pulumi.Output[Any]:
            if len(made) == len(self.specs):
                return arns()
            made.append(_make(self.specs[len(made)], toy, box, made))
            return made[-1].urn.apply(go_on)

        if self.free:
            for spec in self.specs:
                made.append(_make(spec, toy, box, made))
        pulumi.export("arns", arns() if self.free else go_on())
        pulumi.export("hush", pulumi.Output.secret("nobody may read this"))


def _make(spec: Spec, toy: Toy, box: Box, made: list[Thing]) -> Thing:
    chosen = options(
        toy,
        parent=box if spec.boxed else None,
        depends_on=[made[n] for n in spec.waits_for],
        deleted_with=None if spec.within is None else made[spec.within],
        delete_before_replace=spec.delete_first,
        replace_on_changes=["text"] if spec.replace_on else None,
        protect=spec.protect,
        retain_on_delete=spec.retain or None,
        ignore_changes=list(spec.ignore) or None,
        additional_secret_outputs=["size"] if spec.hidden_size else None,
        # Moving into the box and out of it must keep the object.
        aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE) if spec.boxed else pulumi.Alias(parent=box)],
    )
    props: dict[str, object] = {key: made[n].arn for key, n in spec.takes}
    if spec.within is not None:
        props["fixedWithin"] = made[spec.within].id
    if spec.secret:
        props["password"] = pulumi.Output.secret(f"hush {spec.text}")
    return Thing(spec.name, chosen, text=spec.text, fixed=spec.fixed, slot=spec.slot, **props)


@st.composite
def programs(draw: st.DrawFn, free: bool = False) -> Program:
    """Up to eight resources in any order, each depending on some of those before it. A free one has nothing that is
    deleted first or protected."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=len(NAMES)))
    specs = tuple(_spec(draw, index, name, free) for index, name in enumerate(names))
    seldom = st.sampled_from([False] * 5 + [True])
    region = draw(st.sampled_from(["here"] * 6 + ["there"]))
    return Program(specs, box_protects=draw(seldom) and not free, region=region, free=free)


def _spec(draw: st.DrawFn, index: int, name: str, free: bool) -> Spec:
    before = st.integers(0, max(0, index - 1))
    many = 2 if index else 0
    seldom = st.sampled_from([False] * 4 + [True])
    taken = st.tuples(st.sampled_from(["in", "fixedIn"] if free else ["in", "fixedIn", "slotIn"]), before)
    return Spec(
        name=name,
        text=draw(st.integers(0, 2)),
        fixed=draw(st.integers(0, 1)),
        slot=0 if free else draw(st.sampled_from([0, 0, 1])),
        takes=tuple(draw(st.lists(taken, max_size=many, unique_by=lambda t: t[0]))),
        waits_for=tuple(draw(st.lists(before, max_size=many // 2))),
        within=draw(st.none() | before) if index else None,
        boxed=draw(st.booleans()),
        delete_first=draw(st.sampled_from([None, False] if free else [None, None, True, False])),
        replace_on=draw(seldom),
        protect=None if free else draw(st.sampled_from([None] * 5 + [True, False])),
        retain=draw(seldom),
        ignore=draw(st.sampled_from([(), (), (), ("text",), ("fixed",)])),
        secret=draw(seldom),
        hidden_size=draw(seldom),
    )


@dataclass(frozen=True)
class Action:
    """One command over a program, and what goes wrong meanwhile."""

    verb: str
    program: Program
    failing: tuple[tuple[str, str], ...] = ()
    unhealthy: str | None = None
    drifts: str | None = None
    vanishes: str | None = None
    continue_on_error: bool = False

    @property
    def troubled(self) -> bool:
        """Whether something may fail. What else was in flight depends on the moment then: one step goes at a time."""
        return bool(self.failing or self.unhealthy)


@st.composite
def actions(draw: st.DrawFn, free: bool) -> Action:
    """A command; where programs aren't free, two in three go without a failure."""
    verb = draw(st.sampled_from(VERBS))
    trouble = None if free else draw(st.sampled_from([None, None, "fails", "unhealthy"]))
    failing = st.tuples(st.sampled_from(["Create", "Update", "Delete", "Read", "Check"]), st.sampled_from(NAMES))
    return Action(
        verb,
        draw(programs(free)),
        failing=(draw(failing),) if trouble == "fails" else (),
        unhealthy=draw(st.sampled_from(NAMES)) if trouble == "unhealthy" else None,
        drifts=draw(st.none() | st.none() | st.sampled_from(NAMES)),
        vanishes=draw(st.none() | st.none() | st.sampled_from(NAMES)),
        continue_on_error=draw(st.booleans()) if trouble else False,
    )


histories = st.sampled_from([False, False, True]).flatmap(lambda free: st.lists(actions(free), min_size=1, max_size=4))
CODE = grpc.StatusCode.UNKNOWN
