"""A five-step operation to kill. As a program: `python -m tests.faults.durable.house HOME OPERATION [WAITING_STEP]`.

Each step writes a line into `effects` each time it acts, and makes its file only once, as a real step would. A waiting
step says so on stdout and then waits for its cancel flag.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from provisioner.durable.operations import DurableOperations
from provisioner.ledger.holder import current_holder
from provisioner.ledger.store import SqlLedger, open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.errors import ProvisionError
from provisioner.model.json import JsonDict
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, StepContext

STEPS = ("register", "stack", "bootstrap", "migrate", "health")
PAYLOAD: JsonDict = {"target": "sandbox", "release": "1.0.0"}


def definition(home: Path, waiting: str | None = None) -> OperationDefinition:
    """`waiting`: the step that waits until it is cancelled."""
    steps = tuple(OperationStepDefinition(name, _step(home, name, waiting == name)) for name in STEPS)
    return OperationDefinition("demo", "a demonstration", steps)


def operations(home: Path, waiting: str | None = None) -> tuple[DurableOperations, SqlLedger]:
    """As a new process would make them."""
    clock = SystemClock()
    ledger = open_ledger(f"sqlite:///{home}/ledger.db", clock)
    definitions = {"demo": definition(home, waiting)}
    return DurableOperations(f"sqlite:///{home}/durable.db", definitions, ledger, clock, home, current_holder()), ledger


def run(home: Path, operation_id: str, waiting: str | None = None) -> JsonDict:
    """The same command, again and again."""
    durable, ledger = operations(home, waiting)
    try:
        return durable.run("demo", operation_id, "acme", PAYLOAD, lambda _: None)
    finally:
        durable.close()
        ledger.close()


def effects(home: Path) -> list[str]:
    """Steps in the order in which they acted."""
    path = home / "effects"
    return path.read_text().split() if path.exists() else []


def _step(home: Path, name: str, waits: bool) -> Callable[[StepContext], JsonDict]:
    def act(ctx: StepContext) -> JsonDict:
        with (home / "effects").open("a") as file:
            file.write(f"{name}\n")
        made = home / f"made-{name}"
        if not made.exists():
            made.write_text(f"{ctx.operation_id} {ctx.payload['release']}")
        if waits:
            print(f"waiting in {name}", flush=True)
            ctx.cancel.wait()
        return {"made": made.name, "before": sorted(ctx.results)}

    return act


def main() -> int:
    """Exit as the command line does."""
    home, operation_id, *waiting = sys.argv[1:]
    try:
        print(run(Path(home), operation_id, *waiting))
    except KeyboardInterrupt:
        return 130
    except ProvisionError as e:
        print(f"{e.message}\n{e.hint}", file=sys.stderr)
        return int(e.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
