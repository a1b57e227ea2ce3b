"""What a rollout itself costs: a thousand tenants, each with a step that does nothing, as a table and as JSON.

    python -m benchmarks.rollout [--tenants N] [--runs N] [--json FILE]

Planned with the real command. Driven in a process of its own on a ledger on SQLite, in three ways: the step is nothing
at all; it is an operation through DBOS with one step that does nothing; or with as many as an upgrade has. CPU is that
of the whole process (user and system), memory its peak (RSS).
"""

import argparse
import json
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from benchmarks.figures import Figure, fleet_on_paper, table, wall
from provisioner.app import App
from provisioner.model.asking import Prober
from provisioner.model.change import Event
from provisioner.model.cloud import Health
from provisioner.model.json import JsonDict
from provisioner.model.ports import (
    OperationDefinition,
    Operations,
    OperationStepDefinition,
    Progress,
    StepContext,
)
from provisioner.model.rollout.states import RolloutStatus, StepState
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.drive import drive
from provisioner.ops.rollout.propose import Words, propose
from provisioner.ops.rollout.step import Ended, Task
from provisioner.settings import Settings
from tests.installation import COMMAND, Installation

RELEASE, SCHEMA = "1.1.0", 2
PLAN, CPU, MEMORY = 1.0, 30.0, 250.0
"""Aims: seconds, milliseconds for each tenant, MB."""
WAYS = {"nothing": 0, "one": 1, "fourteen": 14}
"""Steps of the operation that moves a tenant; none: there is no operation."""
_NAMES = {
    "nothing": "a step that does nothing",
    "one": "an operation of 1 step that does nothing",
    "fourteen": "an operation of 14 steps that do nothing",
}
_STRATEGY = """
strategies:
  default:
    waves: [ring 0, 1%, 10%, 50%, rest]
    bake_minutes: [0, 0, 0, 0]
    strict: false

"""


class Bare(App):
    """The house, with a kind of operation that does nothing, and products that are well."""

    def __init__(self, settings: Settings, steps: int) -> None:
        super().__init__(settings)
        self._steps = steps

    @cached_property
    def operations(self) -> Operations:
        from provisioner.durable.operations import DurableOperations
        from provisioner.ledger.holder import current_holder

        steps = tuple(OperationStepDefinition(f"step-{n}", _nothing) for n in range(self._steps))
        kinds = {"nothing": OperationDefinition("nothing", "nothing is done", steps)}
        home = self.settings.folder()
        database = f"sqlite:///{home / 'durable.db'}"
        return DurableOperations(database, kinds, self.ledger, self.clock, home, current_holder())

    @cached_property
    def prober(self) -> Prober:
        return _Well()


class _Well:
    def probe(self, url: str, *, timeout: float = 5.0) -> Health:  # noqa: ARG002 - the port's
        _, _, hundreds, ones = (int(part) for part in url.split("//")[1].split(":", maxsplit=1)[0].split("."))
        return Health("healthy", RELEASE, SCHEMA, f"fleet-{hundreds * 250 + ones - 1:04}")


def _nothing(ctx: StepContext) -> JsonDict:
    return {"tenant": ctx.tenant}


class Steps:
    """Moves nobody, and says that it did."""

    def __init__(self, house: Bare, operation: bool) -> None:
        self._house = house
        self._operation = operation

    def forward(self, task: Task, progress: Progress) -> Ended:
        """To the release."""
        if self._operation:
            payload: JsonDict = {"target": "sandbox", "args": {"release": task.plan.release}}
            self._house.operations.run("nothing", task.operation, task.tenant, payload, progress)
        return Ended(task.tenant, StepState.SUCCEEDED, operation=task.operation)

    def back(self, task: Task, progress: Progress) -> Ended:
        """To where it was."""
        raise NotImplementedError


def measure(way: str) -> dict[str, float]:
    """Plan and drive a rollout in this process."""
    house = Bare(Settings.read(), WAYS[way])
    began = time.perf_counter()
    registry = house.registry().load()
    plan = propose(house, registry, registry.tenants(), Words(RELEASE))
    planned = time.perf_counter() - began
    record = verbs.start(house, plan, "benchmark")
    began, cpu = time.perf_counter(), time.process_time()
    done = drive(house, record.id, _quiet, steps=Steps(house, WAYS[way] > 0))
    spent, seconds = time.process_time() - cpu, time.perf_counter() - began
    house.operations.close()
    if done.status is not RolloutStatus.SUCCEEDED or {r.state for r in done.rows} != {StepState.SUCCEEDED}:
        raise SystemExit(f"the rollout is {done.status}: {done.cause}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"plan": planned, "cpu": spent, "seconds": seconds, "memory": memory, "tenants": len(done.rows)}


def _quiet(_: Event) -> None:
    """Nobody looks."""


def figures(folder: Path, tenants: int, runs: int) -> Iterator[Figure]:
    """The measurements."""
    made = _fleet(folder / "plan", tenants)
    words = [*COMMAND, "rollout", "plan", RELEASE, "-o", "json"]
    yield Figure(
        f"rollout plan, {tenants} tenants",
        statistics.median(wall(words, made.environment()) for _ in range(runs)),
        "s",
        PLAN,
    )
    for way, name in _NAMES.items():
        found = _driven(_fleet(folder / way, tenants), way)
        if way == "nothing":
            yield Figure(f"plan alone, {tenants} tenants", found["plan"], "s", PLAN)
        aim = CPU if way != "fourteen" else 0.0
        yield Figure(f"CPU for each tenant: {name}", found["cpu"] / found["tenants"] * 1000, "ms", aim)
        yield Figure(f"wall time for each tenant: {name}", found["seconds"] / found["tenants"] * 1000, "ms")
        yield Figure(f"memory, peak: {name}", found["memory"], "MB", MEMORY)


def _driven(made: Installation, way: str) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.rollout", "--way", way]
    done = subprocess.run(words, env=made.environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{way} failed:\n{done.stderr[-4000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _fleet(folder: Path, tenants: int) -> Installation:
    """Tenants in registry and ledger, on 1.0.0, that may be changed at any time; none of them exists."""
    made = Installation(folder)
    fleet_on_paper(made, tenants)
    text = made.registry.read_text()
    text = re.sub(r"\n  window:.*?(?=\n  strategy:)", "", text, count=1, flags=re.DOTALL)
    made.registry.write_text(re.sub(r"\nstrategies:\n.*?(?=freezes:)", _STRATEGY, text, count=1, flags=re.DOTALL))
    return made


def main() -> None:
    """Measure, print the table on stderr and the JSON on stdout (or into a file)."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.rollout")
    words.add_argument("--tenants", type=int, default=1000, help="tenants of the fleet (default 1000)")
    words.add_argument("--runs", type=int, default=5, help="runs of the plan (default 5)")
    words.add_argument("--json", type=Path, help="write the JSON here instead of stdout")
    words.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    said = words.parse_args()
    if said.way:
        sys.stdout.write(json.dumps(measure(said.way)))
        return
    folder = Path(tempfile.mkdtemp(prefix="provision-rollout-"))
    try:
        measured = list(figures(folder, said.tenants, said.runs))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = json.dumps([f.as_dict() for f in measured], indent=2) + "\n"
    if said.json:
        said.json.write_text(text)
    else:
        sys.stdout.write(text)
    sys.stderr.write(table(measured))
    if any(f.verdict == "MISSED" for f in measured):
        sys.exit(1)


if __name__ == "__main__":
    main()
