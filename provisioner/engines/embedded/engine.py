"""The `Engine` port, for sandbox targets, in this process."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from provisioner.engines.embedded.checkpoint import Checkpoints, Snapshot, Writer, empty, load
from provisioner.engines.embedded.executor import Executor
from provisioner.engines.embedded.monitor import Monitor
from provisioner.engines.embedded.planner import Planner
from provisioner.engines.embedded.program import run_program
from provisioner.engines.embedded.refresh import refresh, settle
from provisioner.engines.embedded.run import Run, Stopped
from provisioner.engines.embedded.secrets import Cipher, Vault
from provisioner.engines.embedded.state import STACK_TYPE, Resource
from provisioner.engines.embedded.values import public
from provisioner.model.change import Plan, RunResult
from provisioner.model.errors import EngineError
from provisioner.model.json import Json, JsonDict
from provisioner.model.ports import RunOptions, Stack

_DEFAULTS = RunOptions()


class EmbeddedEngine:
    """Keeps its state below `state_dir`. `passphrase` is asked for only when a secret must be read or written;
    `provider_address` maps a package ("aws") to `host:port`; `warm` is called once, before the first program runs, to
    load modules that don't stand being loaded by several threads at once."""

    def __init__(
        self,
        state_dir: Path,
        passphrase: Callable[[], str],
        provider_address: Callable[[str], str],
        warm: Callable[[], None] | None = None,
    ) -> None:
        self._checkpoints = Checkpoints(state_dir)
        self._vault = Vault(state_dir / "salt", passphrase)
        self._address = provider_address
        self._warm = warm
        self._warming = threading.Lock()

    def preview(self, stack: Stack, options: RunOptions = _DEFAULTS) -> Plan:
        """See the port. A protected resource that `up` would refuse to replace or delete is in the plan, flagged."""
        with self._run(stack, options, preview=True) as run:
            if run.journal.pending():
                run.message("the state has unfinished operations; the next run settles them first")
            self._make(run)
            run.raise_failures("preview")
            return Plan(tuple(run.steps), tuple(run.drift))

    def up(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port."""
        with self._checkpoints.lock(stack), self._run(stack, options) as run:
            self._settle(run, "up")
            self._make(run)
            run.raise_failures("up")
            return RunResult(tuple(run.steps), _outputs(run.journal.snapshot().resources))

    def refresh(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port. A step is SAME, REFRESH (the cloud differs) or DELETE (gone, so it left the state)."""
        with self._checkpoints.lock(stack), self._run(stack, options) as run:
            self._settle(run, "refresh")
            refresh(run, report=True)
            run.raise_failures("refresh")
            return RunResult(tuple(run.steps), _outputs(run.journal.snapshot().resources))

    def destroy(self, stack: Stack, options: RunOptions = _DEFAULTS) -> RunResult:
        """See the port."""
        with self._checkpoints.lock(stack), self._run(stack, options) as run:
            self._settle(run, "destroy")
            if options.refresh:
                refresh(run, report=False)
                run.raise_failures("destroy")
            planner = Planner(run)
            Executor(run, planner).delete_all(planner.deletions())
            run.raise_failures("destroy")
            return RunResult(tuple(run.steps))

    def outputs(self, stack: Stack) -> dict[str, Json]:
        """See the port. Needs no key: secrets are left out as they are."""
        deployment = self._checkpoints.read(stack) or empty()
        return _outputs([Resource.from_json(data) for data in deployment["resources"]])

    def export(self, stack: Stack) -> JsonDict | None:
        """See the port."""
        deployment = self._checkpoints.read(stack)
        return None if deployment is None else {"version": 3, "deployment": deployment}

    def import_(self, stack: Stack, deployment: Mapping[str, Json]) -> None:
        """See the port. Operations that were under way are taken over too."""
        inner = deployment.get("deployment")
        if deployment.get("version") not in (3, 4) or not isinstance(inner, Mapping):
            raise EngineError("this is no deployment of version 3", hint="use what `pulumi stack export` prints")
        cipher = Cipher(self._vault)
        snapshot = load(inner, cipher)
        prefix = f"urn:pulumi:{stack.name}::{stack.project}::"
        for resource in [*snapshot.resources, *(operation.resource for operation in snapshot.pending)]:
            if not resource.urn.startswith(prefix):
                raise EngineError(f"{resource.urn} belongs to another stack than {stack.project}/{stack.name}")
        with self._checkpoints.lock(stack):
            self._checkpoints.write(stack, Writer(cipher).text(snapshot))

    @contextmanager
    def _run(self, stack: Stack, options: RunOptions, *, preview: bool = False) -> Iterator[Run]:
        cipher = Cipher(self._vault)
        deployment = self._checkpoints.read(stack)
        base = Snapshot() if deployment is None else load(deployment, cipher)

        def write(text: str) -> None:
            self._checkpoints.write(stack, text)

        run = Run(stack, options, base, cipher, address=self._address, write=None if preview else write)
        try:
            yield run
        except Stopped:
            run.raise_failures("run")
            raise
        finally:
            run.closed = True
            run.journal.flush()
            run.registry.close()

    def _settle(self, run: Run, verb: str) -> None:
        settle(run)
        run.raise_failures(verb)

    def _make(self, run: Run) -> None:
        """Run the program, then delete what it doesn't have any more."""
        self._ensure_warm()
        if run.options.refresh:
            refresh(run, report=False)
            if run.failures:
                return
        monitor = Monitor(run)
        run_program(run, monitor)
        if run.stopped is None:
            run.closed = False
            monitor.executor.delete_all(monitor.planner.deletions())
        run.closed = True
        monitor.settle_stack_outputs(failed=bool(run.failures or run.stopped))

    def _ensure_warm(self) -> None:
        with self._warming:
            if self._warm is not None:
                self._warm()
                self._warm = None


def _outputs(resources: list[Resource]) -> dict[str, Json]:
    return next((public(r.outputs) for r in resources if r.type == STACK_TYPE and not r.delete), {})
