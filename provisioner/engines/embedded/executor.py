"""Carrying out steps (deploy/step.go, step_executor.go): at most `parallel` chains at once, each in its order.

The first failure stops the run: what is under way ends, nothing new starts. With `continue_on_error` only what depends
on the failed resource is left out.
"""

import contextlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from provisioner.engines.embedded import paths, values
from provisioner.engines.embedded.graph import Graph
from provisioner.engines.embedded.plan import PlannedStep
from provisioner.engines.embedded.planner import Planner
from provisioner.engines.embedded.provider import InitError, Provider, ProviderError
from provisioner.engines.embedded.run import Run, StepFailed, Stopped
from provisioner.engines.embedded.state import Resource, is_provider, name_of, now
from provisioner.model.change import EventKind, StepOp
from provisioner.model.errors import EngineError

_CREATES = (StepOp.CREATE, StepOp.CREATE_REPLACEMENT)
_DELETES = (StepOp.DELETE, StepOp.DELETE_REPLACED)
_QUIET = (StepOp.SAME, StepOp.REPLACE)
_POLL = 0.05


class ProtectedError(EngineError):
    """A protected resource would have been deleted. Nothing was done, so the run looks for more of them."""


class Executor:
    """Carries out what the planner has planned. Safe from several threads."""

    def __init__(self, run: Run, planner: Planner) -> None:
        self._run = run
        self._planner = planner
        self._actions: dict[StepOp, Callable[[PlannedStep], None]] = {
            StepOp.SAME: self._same,
            StepOp.CREATE: self._create,
            StepOp.CREATE_REPLACEMENT: self._create,
            StepOp.UPDATE: self._update,
            StepOp.DELETE: self._delete,
            StepOp.DELETE_REPLACED: self._delete,
            StepOp.READ: self._read,
            StepOp.IMPORT: self._import,
        }

    def chain(self, steps: Iterable[PlannedStep]) -> None:
        """Carry out steps one after the other in the caller's thread. Raises Stopped or StepFailed."""
        steps, done = list(steps), 0
        try:
            self._wait_for_deletion(steps)
            with self._run.slots:
                for step in steps:
                    self._run.check()
                    self._run.active(1)
                    try:
                        self._step(step)
                    finally:
                        self._run.active(-1)
                    done += 1
        except StepFailed:
            # What failed may be another one that goes first, or the former name's: what needs this one waits as well.
            self._planner.skipped.update(step.resource.urn for step in steps[done:])
            raise
        finally:
            for step in steps:
                if step.old in self._planner.condemned:
                    self._planner.condemned[step.old].set()

    def _wait_for_deletion(self, steps: list[PlannedStep]) -> None:
        """A resource that another chain deletes first is made again only after that. No slot is held meanwhile."""
        for step in steps:
            tried = self._planner.condemned.get(step.old) if step.old is not None else None
            if tried is None or step.op is not StepOp.CREATE_REPLACEMENT:
                continue
            while not tried.wait(_POLL):
                self._run.check()
            if not self._run.preview and step.old is not None and not step.old.pending_replacement:
                raise StepFailed

    def delete_all(self, steps: list[PlannedStep]) -> None:
        """Carry out deletions, dependents first. Does not raise: what failed is recorded."""
        by_resource = {step.resource: step for step in steps}
        graph = Graph(self._run.journal.base)
        spared: set[Resource] = set()
        with ThreadPoolExecutor(max(1, self._run.options.parallel)) as pool:
            for batch in graph.deletion_order(by_resource):
                for resource in self._run.journal.base:
                    if self._planner.waits(resource):
                        spared |= graph.all_dependencies(resource)
                chains = [pool.submit(self._quietly, by_resource[r]) for r in batch if r not in spared]
                with self._run.interruptible():
                    for chain in chains:
                        chain.result()

    def _quietly(self, step: PlannedStep) -> None:
        with contextlib.suppress(Stopped, StepFailed):
            self.chain([step])

    def _step(self, step: PlannedStep) -> None:
        started = time.monotonic()
        # What was deleted for a replacement that never came only leaves the state (`RemovePendingReplaceStep`).
        forgets = step.op is StepOp.DELETE and self._is_deleted(step)
        name, quiet = name_of(step.resource.urn), forgets or step.op in _QUIET
        if not quiet:
            self._run.emit(EventKind.RESOURCE_STARTED, name=name, op=step.op, type_=step.resource.type)
        begun = None
        try:
            begun = self._begin(step)
            if step.op in self._actions:
                self._actions[step.op](step)
        except InitError as error:
            self._initialized(step, error)
            self._end(step, begun)
            self._failed(step, error)
        except EngineError as error:
            if begun is not None:
                keep = isinstance(error, ProviderError) and error.uncertain
                self._run.journal.end(begun, keep_pending=keep)
            self._failed(step, error)
        self._end(step, begun)
        if not forgets:
            self._run.report(step.op if not self._discards(step) else StepOp.READ, step.resource, step.old, step.diff)
        if not quiet:
            seconds = time.monotonic() - started
            self._run.emit(EventKind.RESOURCE_DONE, name=name, op=step.op, type_=step.resource.type, seconds=seconds)

    def _failed(self, step: PlannedStep, error: EngineError) -> None:
        resource = step.resource
        run = self._run
        run.errored.add(resource.urn)
        # A call that the deadline cut off is no failure of its own: the reason that comes first counts.
        run.poll()
        go_on = run.options.continue_on_error or isinstance(error, ProtectedError)
        run.fail(f"{resource.type} {name_of(resource.urn)}: {step.op} failed", error, stop=not go_on)
        run.emit(
            EventKind.RESOURCE_FAILED, name=name_of(resource.urn), op=step.op, type_=resource.type, message=str(error)
        )
        raise StepFailed from error

    def _begin(self, step: PlannedStep) -> Resource | None:
        """Note an operation that acts on the cloud, before it does."""
        resource = step.resource
        if self._run.preview or not resource.in_cloud:
            return None
        if step.op in _CREATES:
            self._run.journal.begin("creating", resource)
        elif step.op is StepOp.UPDATE and step.old is not None:
            resource.id = step.old.id
            self._run.journal.begin("updating", resource)
        elif step.op in _DELETES and self._acts(step):
            self._run.journal.begin("deleting", resource)
        else:
            return None
        return resource

    def _end(self, step: PlannedStep, begun: Resource | None) -> None:
        """Note the outcome."""
        journal, old, new = self._run.journal, step.old, step.new
        durable = step.resource.in_cloud
        if new is not None and step.op is not StepOp.REPLACE:
            new.mark_secret_outputs()
        if (step.op is StepOp.SAME and old is not None and new is not None) or (
            step.op is StepOp.READ and new is not None and old is not None and not step.replacing
        ):
            journal.replace(old, new, write=_differs(old, new))
        elif step.op in (*_CREATES, StepOp.READ, StepOp.IMPORT):
            gone = old if old is not None and old.pending_replacement else None
            waits = old if (step.pending or step.replacing) and gone is None else None
            journal.end(begun, new=new, done=gone, condemned=waits, write=durable)
        elif step.op is StepOp.UPDATE:
            journal.end(begun, done=old, new=new, write=durable)
        elif step.op in _DELETES and step.pending:
            journal.end(begun, replaced=old, write=durable)
        elif step.op in _DELETES:
            journal.end(begun, done=old, write=durable)

    def _initialized(self, step: PlannedStep, error: InitError) -> None:
        """The object is there but isn't well: the state keeps it, and the next run updates it."""
        new = step.new
        if new is not None:
            new.id = error.id or (step.old.id if step.old is not None else "")
            new.outputs, new.init_errors = error.outputs, error.reasons
            new.modified = now()
            new.created = new.created or new.modified

    def _provider(self, resource: Resource) -> Provider:
        return self._run.registry.ensure(resource.provider, self._run.journal.base)

    def _same(self, step: PlannedStep) -> None:
        old, new = step.old, step.new
        assert old is not None and new is not None  # noqa: S101, PT018 - of every SAME step
        new.id, new.outputs = old.id, old.outputs
        if is_provider(new.type):
            self._run.registry.same(new.urn, new.id, old.inputs)

    def _create(self, step: PlannedStep) -> None:
        new = step.resource
        if is_provider(new.type):
            new.id, new.outputs = self._run.registry.create(new.urn, new.inputs, preview=self._run.preview)
        elif new.custom:
            new.id, new.outputs = self._provider(new).create(
                new.urn,
                new.inputs,
                known_ids=self._run.journal.known_ids(new.names),
                timeout=new.custom_timeouts.get("create", 0),
                preview=self._run.preview,
            )
        new.created = new.modified = now()

    def _update(self, step: PlannedStep) -> None:
        old, new = step.old, step.new
        assert old is not None and new is not None  # noqa: S101, PT018 - of every UPDATE step
        new.id = old.id
        if is_provider(new.type):
            new.outputs = self._run.registry.update(new.urn, new.id, new.inputs)
        elif new.custom:
            new.outputs = self._provider(new).update(
                new.urn,
                new.id,
                (old.inputs, old.outputs),
                new.inputs,
                ignored=list(step.ignored),
                timeout=new.custom_timeouts.get("update", 0),
                preview=self._run.preview,
            )
        new.modified = now()

    def _acts(self, step: PlannedStep) -> bool:
        """Whether a deletion reaches the cloud."""
        old = step.resource
        spared = old.external or old.retain_on_delete or old.deleted_with in self._planner.deletes
        return old.in_cloud and not spared and not self._is_deleted(step)

    def _is_deleted(self, step: PlannedStep) -> bool:
        """It was deleted, and its replacement never made."""
        return step.resource.pending_replacement and not step.resource.delete

    def _discards(self, step: PlannedStep) -> bool:
        """Forgetting somebody else's resource changes nothing in the cloud."""
        return step.op in _DELETES and step.resource.external

    def _delete(self, step: PlannedStep) -> None:
        old = step.resource
        if self._run.preview:
            return
        if step.op is StepOp.DELETE and old.protect and not self._is_deleted(step):
            raise ProtectedError(
                "it is protected and can't be deleted",
                hint="take `protect` off the resource in the program and apply that first",
            )
        if self._acts(step):
            timeout = old.custom_timeouts.get("delete", 0)
            self._provider(old).delete(old.urn, old.id, (old.inputs, old.outputs), timeout)

    def _read(self, step: PlannedStep) -> None:
        old, new = step.old, step.resource
        if new.id != values.UNKNOWN:
            timeout = new.custom_timeouts.get("read", 0)
            found = self._provider(new).read(new.urn, new.id, new.inputs, new.inputs, timeout)
            if found.outputs is None:
                raise EngineError(f"resource {new.id} does not exist")
            new.outputs, new.id = found.outputs, found.id or new.id
            if found.reasons:
                new.init_errors = list(found.reasons)
                raise EngineError("; ".join(found.reasons))
        if old is not None and (old.inputs, old.outputs) != (new.inputs, new.outputs):
            new.modified = now()

    def _import(self, step: PlannedStep) -> None:
        new = step.resource
        found = self._provider(new).read(new.urn, new.import_id, None, {}, new.custom_timeouts.get("read", 0))
        if found.outputs is None:
            raise EngineError(f"resource {new.import_id} does not exist")
        if found.inputs is None:
            raise EngineError(f"the provider does not support importing {new.type}")
        new.id = found.id or new.import_id
        new.outputs, new.init_errors = found.outputs, list(found.reasons)
        new.inputs = paths.ignore_changes(found.inputs, found.inputs, list(step.ignored))
        new.created = new.modified = now()


def _differs(old: Resource, new: Resource) -> bool:
    """Whether the file must be written for an unchanged resource: options, edges and marks may have changed."""
    before, after = old.to_json(), new.to_json()
    for data in (before, after):
        data["dependencies"] = sorted(data.get("dependencies", ()))
    return before != after
