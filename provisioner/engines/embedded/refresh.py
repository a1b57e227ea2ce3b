"""Reading the cloud into the state, and settling operations that a run before has begun and never ended."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from provisioner.engines.embedded.checkpoint import Pending, renamed
from provisioner.engines.embedded.differences import Known, differences
from provisioner.engines.embedded.diffs import NO_DIFF, Diff, compared
from provisioner.engines.embedded.provider import InitError, ProviderError
from provisioner.engines.embedded.run import Run, Stopped
from provisioner.engines.embedded.state import Resource, name_of, now
from provisioner.model.change import EventKind, StepOp
from provisioner.model.errors import EngineError


def refresh(run: Run, *, report: bool) -> None:
    """Read every resource of the base and put what is there in its place. Failures are recorded; the rest is kept."""
    found = _read_all(run, [r for r in run.journal.base if r.in_cloud and not r.pending_replacement], report=report)
    if report:
        untouched = [r for r in run.journal.base if r not in found]
        for resource in untouched:
            run.report(StepOp.SAME, resource, resource)
    _rebase(run, found)
    run.journal.flush()


def _read_all(run: Run, resources: list[Resource], *, report: bool) -> dict[Resource, Resource | None]:
    """Old -> what is there now, None for what is gone. Resources that couldn't be read are left out."""
    found: dict[Resource, Resource | None] = {}

    def one(resource: Resource) -> None:
        try:
            with run.slots:
                run.check()
                found[resource] = _read(run, resource, report=report)
        except Stopped:
            return
        except EngineError as error:
            run.poll()
            # As in the real engine the other reads go on, but nothing comes after them.
            run.fail(f"{resource.type} {name_of(resource.urn)}: refresh failed", error, stop=False)

    with ThreadPoolExecutor(max(1, run.options.parallel)) as pool:
        reads = [pool.submit(one, resource) for resource in resources]
        with run.interruptible():
            for read in reads:
                read.result()
    return found


def _read(run: Run, old: Resource, *, report: bool) -> Resource | None:
    run.emit(EventKind.RESOURCE_STARTED, name=name_of(old.urn), op=StepOp.REFRESH, type_=old.type)
    provider = run.registry.ensure(old.provider, run.journal.base)
    read = provider.read(old.urn, old.id, old.inputs, old.outputs, old.custom_timeouts.get("read", 0))
    if not read.id or read.outputs is None:
        new, op, diff = None, StepOp.DELETE, NO_DIFF
    else:
        inputs = old.inputs if read.inputs is None else read.inputs
        new = old.clone(id=read.id, inputs=inputs, outputs=read.outputs, init_errors=list(read.reasons))
        new.mark_secret_outputs()
        changed = (inputs, new.outputs, new.id) != (old.inputs, old.outputs, old.id)
        if changed:
            new.modified = now()
        diff = Diff(changed)
        if not old.external:
            # What an `up` right after this would change, seen from the other side.
            asked = provider.diff(new.urn, new.id, (inputs, read.outputs), old.inputs, old.ignore_changes)
            diff = compared(asked, inputs, old.inputs, old.ignore_changes)
        op = StepOp.REFRESH if diff.some else StepOp.SAME
    if op is not StepOp.SAME:
        found = None if new is None else Known(new.inputs, new.outputs)
        run.drift += differences(
            old.urn, Known(old.inputs, old.outputs), found, [change.path for change in diff.changes()]
        )
    if report:
        run.report(op, old, old, diff)
    run.emit(EventKind.RESOURCE_DONE, name=name_of(old.urn), op=op, type_=old.type)
    return new


def _rebase(run: Run, found: dict[Resource, Resource | None]) -> None:
    """Put what was read in place of what was there; edges to what is gone go too (`rebuildBaseState`)."""
    kept: list[Resource] = []
    present: set[str] = set()
    parents: dict[str, str] = {}
    changed = False
    for old in run.journal.base:
        new = found.get(old, old)
        if new is None:
            parents[old.urn] = old.parent if old.parent in present else parents.get(old.parent, "")
            changed = True
            continue
        dangling = [urn for urn in new.requires(provider=False) if urn not in present]
        if dangling:
            new = _without(new, present, parents)
        kept.append(new)
        present.add(new.urn)
        changed = changed or (new is not old and new.to_json() != old.to_json())
    if changed:
        run.journal.rebase(kept)


def _without(resource: Resource, present: set[str], parents: dict[str, str]) -> Resource:
    parent = resource.parent
    return resource.clone(
        parent=parent if parent in present else parents.get(parent, ""),
        deleted_with=resource.deleted_with if resource.deleted_with in present else "",
        dependencies=[urn for urn in resource.dependencies if urn in present],
        property_dependencies={
            key: [urn for urn in urns if urn in present] for key, urns in resource.property_dependencies.items()
        },
    )


def settle(run: Run) -> None:
    """Find out what came of operations that were cut off, so that the state tells the truth before anything is planned.

    A create goes to the provider again, which adopts what the lost call has made; what was being updated or deleted is
    read. Raises EngineError where that can't be found out, and then the operations stay on record.
    """
    pending = run.journal.pending()
    if not pending:
        return
    run.message(f"settling {len(pending)} operation(s) that an earlier run has left unfinished")
    for operation in pending:
        if operation.type == "creating" and operation.resource.in_cloud:
            run.check()
            _settle_create(run, operation)
    touched = {(p.resource.urn, p.resource.id) for p in pending if p.type in ("updating", "deleting")}
    found = _read_all(
        run, [r for r in run.journal.base if (r.urn, r.id) in touched and not r.pending_replacement], report=False
    )
    if run.failures or run.poll():
        return
    _rebase(run, found)
    run.journal.rebase(run.journal.base, [])
    run.journal.flush()


def _settle_create(run: Run, operation: Pending) -> None:
    wanted = operation.resource
    new = wanted.clone(created=now(), modified=now())
    others = [p for p in run.journal.pending() if p is not operation]
    try:
        provider = run.registry.ensure(wanted.provider, run.journal.base)
        timeout = wanted.custom_timeouts.get("create", 0)
        known = run.journal.known_ids(wanted.names)
        new.id, new.outputs = provider.create(wanted.urn, wanted.inputs, known_ids=known, timeout=timeout)
    except InitError as error:
        new.id, new.outputs, new.init_errors = error.id, error.outputs, error.reasons
    except ProviderError as error:
        if error.uncertain:
            raise
        # The provider looks before it makes: what it can neither find nor make isn't there.
        run.message(f"not made: {error}", name_of(wanted.urn))
        run.journal.rebase(run.journal.base, others)
        return
    run.journal.rebase(_with_created(run.journal.base, new), others)
    run.journal.flush()


def _with_created(base: Iterable[Resource], new: Resource) -> list[Resource]:
    """The base with a resource that was made after all. One that it replaces waits for its deletion behind it."""
    resources = list(base)
    old = next((r for r in resources if r.urn in new.names and not r.delete), None)
    if old is None:
        return [*resources, new]
    place = resources.index(old)
    if old.pending_replacement:
        resources[place] = new
    else:
        resources[place : place + 1] = [new, old.clone(delete=True)]
    return renamed(resources)
