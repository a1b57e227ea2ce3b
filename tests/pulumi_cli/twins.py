"""The same program on both engines, each over a toy cloud of its own, and what must be equal afterwards."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

from provisioner.engines.embedded.engine import EmbeddedEngine
from provisioner.engines.embedded.state import STACK_TYPE, Resource, verify
from provisioner.engines.pulumi_cli.engine import Backend, PulumiCliEngine
from provisioner.model.change import Plan, RunResult, Step, StepOp
from provisioner.model.errors import ProvisionError
from provisioner.model.json import Json
from provisioner.model.ports import Engine, RunOptions, Stack
from tests.pulumi_cli.programs import CODE, Action, Program
from tests.pulumi_cli.real import CLI
from tests.unit.engine.toy import Cloud, served

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Where and when a resource was registered, and by which machine: no part of what it is.
_INCIDENTAL = ("created", "modified", "sourcePosition", "stackTrace")
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_GOING = (StepOp.DELETE, StepOp.REPLACE, StepOp.DELETE_REPLACED, StepOp.CREATE_REPLACEMENT)
_AS_STEP = {"Create": StepOp.CREATE_REPLACEMENT, "Delete": StepOp.DELETE_REPLACED}
_UNSOUND = "snapshot integrity failure"
DEADLINE = 30.0
"""Seconds; a run takes less than two. One that waits for ever is a difference, too."""
_FAILED = re.compile(r"^\S+:\S+ (\S+): ")


Verdict = Literal["same", "partly", "parted by a failure", "forgotten"]


@dataclass
class Seen:
    """What one engine made of one action."""

    error: str | None
    failed: set[str]
    steps: Counter[tuple[str, str]]
    calls: list[tuple[str, str]]
    outputs: dict[str, Json] | None
    state: list[Any]
    pending: list[Any]
    cloud: dict[str, Any]
    guarded: set[str]
    first: set[str]
    """What was deleted before its replacement was made, or would have been."""
    unsound: bool
    """The CLI has written a state that its own check refuses, and said so: it can't be compared."""


@dataclass
class Side:
    """One engine with its cloud."""

    name: str
    cloud: Cloud = field(repr=False)
    engine: Engine = field(repr=False)

    def act(self, stack: Stack, action: Action) -> Seen:
        self.cloud.forget()
        self.cloud.failing = dict.fromkeys(action.failing, CODE)
        self.cloud.unhealthy = {action.unhealthy} if action.unhealthy else set()
        self._happen(action)
        options = RunOptions(
            parallel=1 if action.troubled else 8,
            refresh=action.verb.endswith("with refresh"),
            continue_on_error=action.continue_on_error,
            deadline=DEADLINE,
        )
        result: Plan | RunResult | None = None
        error: ProvisionError | None = None
        try:
            result = getattr(self.engine, action.verb.split()[0])(stack, options)
        except ProvisionError as raised:
            error = raised
        exported: Any = self.engine.export(stack) or {"deployment": {}}
        deployment = exported["deployment"]
        resources = deployment.get("resources") or []
        unsound = _UNSOUND in str(error)
        if not unsound:
            verify([Resource.from_json(r) for r in resources])
        return Seen(
            unsound=unsound,
            error=type(error).__name__ if error else None,
            failed=_failed(error),
            steps=Counter((str(s.op), s.urn) for s in result.steps) if result else Counter(),
            calls=list(self.cloud.calls),
            outputs=result.outputs if isinstance(result, RunResult) else None,
            state=sorted((normal(r) for r in resources), key=str),
            pending=sorted((normal(o) for o in deployment.get("pending_operations") or []), key=str),
            cloud={k: (o.urn, o.props) for k, o in self.cloud.objects.items()},
            guarded={s.name for s in result.steps if s.protected and s.op in _GOING} if result else set(),
            first=_deleted_first(result.steps if result else (), self.cloud.calls)
            | {_name(r) for r in resources if r.get("pendingReplacement")},
        )

    def _happen(self, action: Action) -> None:
        """Somebody changes the cloud by hand."""
        for thing in list(self.cloud.objects.values()):
            name = thing.urn.rsplit("::", 1)[-1]
            if name == action.drifts:
                thing.props = {**thing.props, "text": 99}
            if name == action.vanishes:
                self.cloud.objects.pop(thing.id)


@dataclass
class Twins:
    """Both engines. Each history has a stack of its own. `tally`: how often both did the same, partly did, or parted
    for a reason that is known: what was only skipped must not pass for alike."""

    ours: Side
    theirs: Side
    tally: Counter[Verdict] = field(default_factory=Counter)
    resources: int = 0
    """In the programs on which both did the same."""
    _numbers: Iterator[int] = field(default_factory=count)
    _earlier: tuple[Program, ...] = ()
    """What the state may have something of: the last program that was done, and those that failed since."""

    def begin(self) -> str:
        """A new stack in empty clouds; its name."""
        self._earlier = ()
        for side in (self.ours, self.theirs):
            side.cloud.objects.clear()
            side.cloud.numbers.clear()
            side.cloud.failing.clear()
            side.cloud.unhealthy.clear()
        return f"s{next(self._numbers)}"

    def act(self, name: str, action: Action) -> bool:
        """Do it on both, and compare. Whether both are in the same place now: where a run has failed, they need not
        be."""
        stack = Stack("tenant", name, action.program)
        ours, theirs = self.ours.act(stack, action), self.theirs.act(stack, action)
        verdict = self._compared(ours, theirs, action)
        self.tally[verdict] += 1
        self.resources += len(action.program.specs) if verdict == "same" else 0
        if action.verb.startswith("up"):
            self._earlier = (action.program, *(self._earlier if ours.error else ()))
        return verdict in ("same", "partly")

    def _compared(self, ours: Seen, theirs: Seen, action: Action) -> Verdict:
        """Raises AssertionError for a difference that nobody explained."""
        earlier = self._earlier
        if any(forgotten(ours, before, action) for before in earlier):
            return "forgotten"
        if theirs.unsound:
            # A destroy that goes on after an error deletes the provider of what is protected.
            assert not ours.unsound
            assert ours.failed < theirs.failed
            return "parted by a failure"
        if theirs.error == "TimedOutError" and ours.error is None:
            assert blocked(ours, earlier)
            return "parted by a failure"
        if action.continue_on_error and ours.failed < theirs.failed:
            assert theirs.failed - ours.failed <= spared(ours, action, earlier)
            return "parted by a failure"
        assert (ours.error, ours.failed) == (theirs.error, theirs.failed)
        if ours.error is None and "preview" in action.verb and ours.guarded:
            # The CLI looks no further than to the first protected resource that would go.
            assert theirs.guarded <= ours.guarded
            assert theirs.steps <= ours.steps
            return "partly"
        if ours.error is None:
            compare(ours, theirs, action, earlier)
            return "same"
        if action.continue_on_error:
            same = compare_continued(ours, theirs, reached(ours.failed, [action.program, *earlier], 1))
        else:
            same = compare_failed(ours, theirs, connected(ours.failed, action, earlier))
        # Ids are numbers of creations, and one that was made and is gone has left its number.
        return "same" if same and self.ours.cloud.numbers == self.theirs.cloud.numbers else "parted by a failure"


def compare(ours: Seen, theirs: Seen, action: Action, earlier: Sequence[Program]) -> None:
    """Raises AssertionError for the first difference. What depends on each other now is made in order, what did before
    is deleted in order; where it does both, all has one order."""
    assert Counter(ours.calls) == Counter(theirs.calls)
    now, then = _related(action.program), set().union(*map(_related, earlier))
    for pair in now | then:
        kinds = {*(("Create", "Update") if pair in now else ()), *(("Delete",) if pair in then else ())}
        order = [[c for c in _only(seen.calls, pair) if c[0] in kinds] for seen in (ours, theirs)]
        assert order[0] == order[1], pair
    assert ours.steps == theirs.steps
    assert ours.outputs == theirs.outputs
    assert _states(ours, theirs)
    assert ours.pending == theirs.pending
    assert ours.cloud == theirs.cloud


def compare_failed(ours: Seen, theirs: Seen, names: set[str]) -> bool:
    """A failure ends a run. What it needed is there and what needs it isn't touched, on both; of what has nothing to do
    with it each may have done some. Whether they did the same."""
    for seen in (ours, theirs):
        assert not seen.steps
    assert [c for c in sorted(ours.calls) if c[1] in names] == [c for c in sorted(theirs.calls) if c[1] in names]
    assert [r for r in ours.state if _name(r) in names] == [r for r in theirs.state if _name(r) in names]
    assert ours.pending == theirs.pending == []
    return _states(ours, theirs) and ours.cloud == theirs.cloud


def compare_continued(ours: Seen, theirs: Seen, waiting: set[str]) -> bool:
    """A failed run that goes on (`continue_on_error`) does the same to all that doesn't need what failed. Whether it
    did the same to the rest.

    What needs it must wait, on both; but the CLI still checks and diffs it, with unknown inputs, and where it is to be
    deleted before its replacement, deletes it. The embedded engine leaves it as it is, on purpose.
    """

    def acts(seen: Seen) -> Counter[tuple[str, str]]:
        return Counter(c for c in seen.calls if c[1] not in waiting and c[0] not in ("Check", "Diff"))

    def rest(seen: Seen) -> list[Any]:
        return [r for r in seen.state if _name(r) not in waiting and r["type"] != STACK_TYPE]

    assert acts(ours) == acts(theirs)
    assert rest(ours) == rest(theirs)
    assert ours.pending == theirs.pending == []
    for seen in (ours, theirs):
        assert not [c for c in seen.calls if c[0] == "Create" and c[1] in waiting and c[1] not in seen.failed]
    return _states(ours, theirs) and ours.cloud == theirs.cloud


def blocked(ours: Seen, earlier: Sequence[Program]) -> bool:
    """Whether the CLI waits for ever: what is deleted before its replacement takes along what needs it; of that, the
    CLI refuses to delete what was protected (even if it no longer is), and goes on as after any deletion that nobody
    waits for. But the program does, for the answer about the first one (`cancelDueToError` and `deleteProtectedError`
    in pulumi/pulumi's step executor, 3.260)."""
    taken = set().union(*(reached({name}, [program], 1) - {name} for name in ours.first for program in earlier))
    return bool(taken & _protected(earlier))


def spared(ours: Seen, action: Action, earlier: Sequence[Program]) -> set[str]:
    """What was protected, is in the program no more, and is needed by what waits: a run that goes on leaves it, and the
    CLI tries to delete it, which its protection refuses."""
    waiting = reached(ours.failed, [action.program, *earlier], 1)
    return (reached(waiting, list(earlier), 0) & _protected(earlier)) - {spec.name for spec in action.program.specs}


def _protected(programs: Sequence[Program]) -> set[str]:
    return {
        spec.name
        for program in programs
        for spec in program.specs
        if spec.protect or (spec.protect is None and spec.boxed and program.box_protects)
    }


def forgotten(ours: Seen, before: Program, action: Action) -> bool:
    """Whether something was replaced that takes along what has got another name, or was let go, in the same run.

    The CLI asks by the new name whether it has deleted a resource in this run (`sg.deletes[urn]`, step_generator.go),
    and so takes what it has just deleted under the old name for living, and what it has just kept for one that isn't
    registered yet. And it finds what is `deleted_with` another in the old state alone
    (`findDependentCascadeReplacements`), also where that was registered and let go before. All of them get diffed,
    updated or deleted after their turn. The embedded engine asks for the resource itself, on purpose.
    """
    was, will = ({s.name: s for s in p.specs} for p in (before, action.program))
    order, first = list(will), ours.first & will.keys()
    for name in was.keys() & will.keys():
        within = was[name].within
        owner = None if within is None else before.specs[within].name
        if owner in first and order.index(name) < order.index(owner):
            return True
        moved = was[name].boxed != will[name].boxed
        if moved and (first | ours.failed) & (reached({name}, [before], 0) - {name}):
            return True
    return False


def connected(failed: set[str], action: Action, earlier: Sequence[Program]) -> set[str]:
    """What the program connects with what failed and, of what the program doesn't have, what earlier ones did. What
    it doesn't connect may have had its turn earlier on one side: registrations arrive in any order."""

    def around(program: Program) -> set[str]:
        return reached(failed, [program], 0) | reached(failed, [program], 1)

    old = failed.union(*map(around, earlier))
    if action.verb.startswith(("destroy", "refresh")):
        return old
    present = {spec.name for spec in action.program.specs}
    return around(action.program) | (old - present)


def reached(failed: set[str], programs: list[Program], way: int) -> set[str]:
    """What failed, and what it needs (`way` 0) or what needs it (1), however far in each of the programs."""
    found = set(failed)
    for pairs in map(_related, programs):
        near = set(failed)
        while more := {p[1 - way] for p in pairs if p[way] in near} - near:
            near |= more
        found |= near
    return found


def _deleted_first(steps: Sequence[Step], calls: list[tuple[str, str]]) -> set[str]:
    """In the order of the steps or, of a run that failed and has none, of the calls."""
    done = [(str(s.op), s.name) for s in steps] or [(_AS_STEP.get(verb, ""), name) for verb, name in calls]
    made: set[str] = set()
    found: set[str] = set()
    for op, name in done:
        if op == StepOp.CREATE_REPLACEMENT:
            made.add(name)
        elif op == StepOp.DELETE_REPLACED and name not in made:
            found.add(name)
    return found


def _name(resource: Any) -> str:
    return _last(resource["urn"])


def _last(urn: str) -> str:
    return urn.rsplit("::", 1)[-1]


def normal(value: Any) -> Any:
    """A state without what differs between two runs of one engine: times, places, random ids, ciphertexts, and the
    order of dependencies, which the SDK gathers in sets."""
    if isinstance(value, dict):
        if value.get(_SIGNATURE) and "ciphertext" in value:
            return "a secret"
        inner = {k: normal(v) for k, v in value.items() if k not in _INCIDENTAL}
        inner |= {k: sorted(inner[k]) for k in ("dependencies",) if k in inner}
        if "propertyDependencies" in inner:
            inner["propertyDependencies"] = {k: sorted(v) for k, v in inner["propertyDependencies"].items()}
        return {k: v for k, v in inner.items() if v not in (None, [], {}, "", False)}
    if isinstance(value, list):
        return [normal(v) for v in value]
    return _UUID.sub("uuid", value.replace(UNKNOWN, "unknown")) if isinstance(value, str) else value


def _failed(error: ProvisionError | None) -> set[str]:
    lines = getattr(error, "failures", ())
    return {found[1] for found in map(_FAILED.match, lines) if found}


def _states(ours: Seen, theirs: Seen) -> bool:
    """Whether the states are equal. After a failed run that went on (`continue_on_error`) the CLI writes its mark for
    unknown values into the stack's outputs; the embedded engine keeps the last known ones, on purpose."""

    def stack(seen: Seen) -> Any:
        return next((r for r in seen.state if r["type"] == STACK_TYPE), {})

    marked = "unknown" in str(stack(theirs).get("outputs"))
    both = [[{**r, "outputs": None} if marked and r == stack(s) else r for r in s.state] for s in (ours, theirs)]
    return both[0] == both[1]


def _related(program: Program) -> set[tuple[str, str]]:
    """`(user, used)`."""
    return {
        (spec.name, program.specs[number].name)
        for spec in program.specs
        for number in [*(n for _, n in spec.takes), *spec.waits_for, *([] if spec.within is None else [spec.within])]
    }


def _only(calls: list[tuple[str, str]], names: tuple[str, str]) -> list[tuple[str, str]]:
    """What was done to two resources, in order; looking at them has no order."""
    return [c for c in calls if c[1] in names and c[0] in ("Create", "Update", "Delete")]


def made(folder: Path, stack: ExitStack) -> Twins:
    """Both engines below a folder, with their clouds."""
    assert CLI is not None
    cli = CLI
    # The real engine can't ask for an adoption: what both have forgotten, both make again.
    ours, theirs = (stack.enter_context(served(Cloud(adopts=False))) for _ in range(2))
    state = folder / "theirs" / "state"
    state.mkdir(parents=True)
    environ = {
        "PULUMI_CONFIG_PASSPHRASE": "correct horse",
        "PULUMI_DEBUG_PROVIDERS": f"toy:{theirs.address.rpartition(':')[2]}",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
        "PULUMI_HOME": str(folder / "theirs" / "home"),
    }
    backend = Backend(f"file://{state}", "passphrase", lambda: environ)
    return Twins(
        Side("ours", ours, EmbeddedEngine(folder / "ours", lambda: "correct horse", lambda _: ours.address)),
        Side("theirs", theirs, PulumiCliEngine(folder / "theirs", lambda: cli, backend, lambda *_: None)),
    )
