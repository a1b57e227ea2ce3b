"""A small house with a real ledger and real DBOS, in a folder of its own."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.durable.operations import DurableOperations
from provisioner.ledger.holder import current_holder
from provisioner.ledger.store import SqlLedger, open_ledger
from provisioner.model.change import Event
from provisioner.model.clock import SystemClock
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, StepContext

PAYLOAD: JsonDict = {"target": "sandbox", "zones": ["a", "b"]}


@dataclass
class Durable:
    """`acts`: what a step does besides being noted in `effects`. `hooks`: calls of started and failed."""

    home: Path
    ledger: SqlLedger
    acts: dict[str, Callable[[StepContext], JsonDict]] = field(default_factory=dict)
    effects: list[tuple[str, str]] = field(default_factory=list)
    hooks: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    names: tuple[str, ...] = ("one", "two", "three")
    beat: float = 10.0
    grace: float = 10.0
    database_url: str | None = None
    _operations: DurableOperations | None = None

    @property
    def operations(self) -> DurableOperations:
        if self._operations is None:
            url = self.database_url or f"sqlite:///{self.home}/durable.db"
            self._operations = DurableOperations(
                url,
                {"demo": self.definition()},
                self.ledger,
                SystemClock(),
                self.home,
                current_holder(),
                ttl=timedelta(seconds=60),
                beat=self.beat,
                grace=self.grace,
            )
        return self._operations

    def definition(self) -> OperationDefinition:
        steps = tuple(OperationStepDefinition(name, self._step(name)) for name in self.names)
        return OperationDefinition(
            "demo",
            "a demonstration",
            steps,
            started=lambda ctx: self.hooks.append(f"started after {sorted(ctx.results)}"),
            failed=lambda ctx, cause: self.hooks.append(f"failed after {sorted(ctx.results)}: {cause}"),
        )

    def run(self, operation_id: str = "op-000001", tenant: str = "acme") -> JsonDict:
        return self.operations.run("demo", operation_id, tenant, PAYLOAD, self.events.append)

    def resume(self, operation_id: str = "op-000001") -> JsonDict:
        return self.operations.resume(operation_id, self.events.append)

    def operation(self, operation_id: str = "op-000001") -> Operation:
        found = self.ledger.operation(operation_id)
        assert found is not None
        return found

    def restart(self) -> None:
        """What a new process begins with."""
        if self._operations is not None:
            self._operations.close()
        self._operations = None

    def _step(self, name: str) -> Callable[[StepContext], JsonDict]:
        def run(ctx: StepContext) -> JsonDict:
            self.effects.append((ctx.tenant, name))
            act = self.acts.get(name)
            return act(ctx) if act else {"step": name, "before": list(ctx.results)}

        return run


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[Durable]:
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db", SystemClock())
    house = Durable(tmp_path, ledger)
    yield house
    house.restart()
    ledger.close()


@pytest.fixture
def gate() -> "Gate":
    return Gate()


class Gate:
    """A step that waits at a gate: `reached` when it is there, `opened` lets it through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, ctx: StepContext) -> JsonDict:
        self.reached.set()
        assert self.opened.wait(30)
        return {"passed": True}

    def until_cancelled(self, ctx: StepContext) -> JsonDict:
        """As an engine does: ends its work in flight when the flag is set."""
        self.reached.set()
        assert ctx.cancel.wait(30)
        return {"ended": "what was in flight"}
