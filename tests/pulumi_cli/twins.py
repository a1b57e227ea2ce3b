"""The same program on both engines, each over a toy cloud of its own, and what must be equal afterwards."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from provisioner.engines.embedded.engine import EmbeddedEngine
from provisioner.engines.embedded.state import Resource, verify
from provisioner.engines.pulumi_cli.engine import Backend, PulumiCliEngine
from provisioner.model.change import Plan, RunResult
from provisioner.model.errors import ProvisionError
from provisioner.model.json import Json
from provisioner.model.ports import Engine, RunOptions, Stack
from tests.pulumi_cli.programs import CODE, Action
from tests.pulumi_cli.real import CLI
from tests.unit.engine.toy import Cloud, served

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Where and when a resource was registered, and by which machine: no part of what it is.
_INCIDENTAL = ("created", "modified", "sourcePosition", "stackTrace")
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_FAILED = re.compile(r"^(\S+) (.+?): (\S+|a step) failed: ", re.DOTALL)


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


@dataclass
class Side:
    """One engine with its cloud."""

    name: str
    cloud: Cloud
    engine: Engine

    def act(self, stack: Stack, action: Action) -> Seen:
        self.cloud.forget()
        self.cloud.failing = dict.fromkeys(action.failing, CODE)
        self.cloud.unhealthy = {action.unhealthy} if action.unhealthy else set()
        self._happen(action)
        options = RunOptions(
            parallel=1 if action.troubled else 8,
            refresh=action.verb.endswith("with refresh"),
            continue_on_error=action.continue_on_error,
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
        verify([Resource.from_json(r) for r in resources])
        return Seen(
            error=type(error).__name__ if error else None,
            failed=_failed(error),
            steps=Counter((str(s.op), s.urn) for s in result.steps) if result else Counter(),
            calls=list(self.cloud.calls),
            outputs=result.outputs if isinstance(result, RunResult) else None,
            state=sorted((normal(r) for r in resources), key=str),
            pending=sorted((normal(o) for o in deployment.get("pending_operations") or []), key=str),
            cloud={k: (o.urn, o.props) for k, o in self.cloud.objects.items()},
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
    """Both engines. Each history has a stack of its own."""

    ours: Side
    theirs: Side
    _numbers: Iterator[int] = field(default_factory=count)

    def begin(self) -> str:
        """A new stack in empty clouds; its name."""
        for side in (self.ours, self.theirs):
            side.cloud.objects.clear()
            side.cloud.numbers.clear()
        return f"s{next(self._numbers)}"

    def act(self, name: str, action: Action) -> tuple[Seen, Seen]:
        """Do it on both, and compare."""
        stack = Stack("tenant", name, action.program)
        ours, theirs = self.ours.act(stack, action), self.theirs.act(stack, action)
        compare(ours, theirs, action)
        return ours, theirs


def compare(ours: Seen, theirs: Seen, action: Action) -> None:
    """Raises AssertionError for the first difference."""
    assert (ours.error, ours.failed) == (theirs.error, theirs.failed)
    assert _counted(ours, action) == _counted(theirs, action)
    for pair in _related(action):
        assert _only(ours.calls, pair) == _only(theirs.calls, pair), pair
    assert ours.steps == theirs.steps
    assert ours.outputs == theirs.outputs
    assert _without_outputs(ours) == _without_outputs(theirs)
    assert ours.pending == theirs.pending
    assert ours.cloud == theirs.cloud


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
    return _UUID.sub("uuid", value) if isinstance(value, str) else value


def _failed(error: ProvisionError | None) -> set[str]:
    lines = getattr(error, "failures", ())
    return {found[2] for found in map(_FAILED.match, lines) if found}


def _counted(seen: Seen, action: Action) -> Counter[tuple[str, str]]:
    """The calls. Where a failed run goes on (`continue_on_error`), the CLI checks and diffs what it then skips, with
    unknown inputs; the embedded engine skips it at once. What acts on the cloud is the same."""
    went_on = action.continue_on_error and seen.error is not None
    return Counter(c for c in seen.calls if not went_on or c[0] not in ("Check", "Diff"))


def _without_outputs(seen: Seen) -> list[Any]:
    """The state. After a failed run that went on (`continue_on_error`) the CLI writes its mark for unknown values into
    the stack's outputs; the embedded engine keeps the last known ones, on purpose."""
    failed = seen.error is not None
    return [{**r, "outputs": None} if failed and r["type"] == "pulumi:pulumi:Stack" else r for r in seen.state]


def _related(action: Action) -> set[tuple[str, str]]:
    specs = action.program.specs
    pairs = set()
    for spec in specs:
        for number in {n for _, n in spec.takes} | set(spec.waits_for) | ({spec.within} - {None}):
            pairs.add((spec.name, specs[number].name))  # type: ignore[index]
    return pairs


def _only(calls: list[tuple[str, str]], names: tuple[str, str]) -> list[tuple[str, str]]:
    """What was done to two resources, in order; looking at them has no order."""
    return [c for c in calls if c[1] in names and c[0] in ("Create", "Update", "Delete")]


def made(folder: Path, stack: ExitStack) -> Twins:
    """Both engines below a folder, with their clouds."""
    assert CLI is not None
    cli = CLI
    ours, theirs = stack.enter_context(served(Cloud())), stack.enter_context(served(Cloud()))
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


Act = Callable[[str, Action], tuple[Seen, Seen]]
