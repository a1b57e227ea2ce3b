"""`provision offboard`: protections off, destroy, sweep, forget. Until recovery points exist it discards the data."""

from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import EngineError, ProvisionError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, Progress, RunOptions, StepContext
from provisioner.ops.desired import (
    confirm_caller,
    freeze,
    stack_args,
    thaw_args,
    thaw_registry,
    thaw_target,
    unprotected,
)
from provisioner.ops.house import House
from provisioner.ops.operations import new_id, unfinished

DEADLINE = 60 * 60.0


def propose(house: House, tenant_id: str) -> tuple[str, JsonDict]:
    """The operation's id and input; an offboarding under way is found again. Raises UsageError for an unknown id."""
    waiting = unfinished(house, tenant_id)
    if waiting is not None and waiting.kind == "offboard":
        return waiting.id, waiting.payload
    record = house.ledger.tenant(tenant_id)
    if record is not None and record.lifecycle is Lifecycle.RETIRED:
        raise UsageError(f"tenant {tenant_id} is retired already", hint="provision list")
    registry = house.registry().load()
    if tenant_id in registry.tenant_ids():
        tenant = registry.tenant(tenant_id)
        release = (record.assigned_release if record else None) or tenant.desired_release
        args = stack_args(house, registry, tenant, release)
        return new_id(house.clock), freeze(house, registry, tenant, args)
    return new_id(house.clock), _last_payload(house, tenant_id)


def carry_out(house: House, tenant_id: str, operation_id: str, payload: JsonDict, progress: Progress) -> JsonDict:
    """Destroy the tenant's instance and its data."""
    confirm_caller(house, payload, progress)
    return house.operations.run("offboard", operation_id, tenant_id, payload, progress)


def _last_payload(house: House, tenant_id: str) -> JsonDict:
    """An entry removed by hand leaves the stack behind: what it was is in the tenant's last operation."""
    last: Operation | None = next(iter(house.ledger.operations(tenant=tenant_id, limit=1)), None)
    if last is None or "args" not in last.payload:
        raise UsageError(
            f"there is no tenant {tenant_id}, neither in the registry nor in the ledger", hint="provision list"
        )
    return {k: v for k, v in last.payload.items() if k not in ("fields", "said")}


class Offboard:
    """Steps of `offboard`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kind by name."""
        steps = (
            OperationStepDefinition("unprotect", self.unprotect),
            OperationStepDefinition("destroy", self.destroy),
            OperationStepDefinition("sweep", self.sweep),
            OperationStepDefinition("retire", self.retire),
        )
        reason = "it is being offboarded"
        return {"offboard": OperationDefinition("offboard", reason, steps, started=self.started, failed=self.failed)}

    def started(self, ctx: StepContext) -> None:
        """Intent: from here on the tenant only goes forward."""
        self._house.ledger.ensure_tenant(ctx.tenant, thaw_args(ctx.payload).target)
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.OFFBOARDING, operation_id=ctx.operation_id)

    def unprotect(self, ctx: StepContext) -> JsonDict:
        """Deletes obey the *state*: protection off and final snapshots off must be applied before anything is deleted.

        A stack whose creation failed half-way may fail here again on what was never made; that is no reason to stop,
        for what is protected still stops the next step by name.
        """
        engine, args = self._engine(ctx)
        stack = self._house.stack(unprotected(args))
        if engine.export(stack) is None:
            return {"stack": "none"}
        options = RunOptions(
            refresh=True,
            continue_on_error=True,
            progress=ctx.progress,
            cancel=ctx.cancel,
            deadline=DEADLINE,
            guard=ctx.guard,
        )
        try:
            outputs: dict[str, Any] = engine.up(stack, options).outputs
        except EngineError as error:
            outputs = engine.outputs(stack)
            ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "unprotect", message=f"not all could be: {error}"))
        bucket = outputs.get("files_bucket")
        if bucket:
            self._cloud(ctx).empty_bucket(str(bucket))
        return {"stack": "unprotected"}

    def destroy(self, ctx: StepContext) -> JsonDict:
        """All resources of the stack, dependents first."""
        engine, args = self._engine(ctx)
        options = RunOptions(progress=ctx.progress, cancel=ctx.cancel, deadline=DEADLINE, guard=ctx.guard)
        result = engine.destroy(self._house.stack(args), options)
        return {"destroyed": len(result.steps)}

    def sweep(self, ctx: StepContext) -> JsonDict:
        """Look by tag and name for anything that is left; an offboarding that leaves something has failed."""
        left = self._cloud(ctx).leftovers(ctx.tenant)
        if left:
            listing = "\n".join(f"  {arn}" for arn in left)
            raise ProvisionError(
                f"{len(left)} resource(s) of {ctx.tenant} are still there after the destroy:\n{listing}",
                hint=f"delete them by hand, then provision operations resume {ctx.operation_id}",
            )
        return {"left": 0}

    def retire(self, ctx: StepContext) -> JsonDict:
        """Take the entry out of the registry and close the record."""
        self._house.registry(thaw_registry(ctx.payload)).remove(ctx.tenant)
        self._house.ledger.set_applied(ctx.tenant, None)
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.RETIRED, operation_id=ctx.operation_id)
        return {"tenant": ctx.tenant, "state": str(Lifecycle.RETIRED)}

    def failed(self, ctx: StepContext, cause: str) -> None:
        """Say so on the record; the same command goes on."""
        record = self._house.ledger.tenant(ctx.tenant)
        if record is not None and record.lifecycle is Lifecycle.OFFBOARDING:
            self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.FAILED, cause=cause, operation_id=ctx.operation_id)

    def _engine(self, ctx: StepContext) -> Any:
        target = thaw_target(ctx.payload)
        self._house.ready(target)
        return self._house.engine(target), thaw_args(ctx.payload)

    def _cloud(self, ctx: StepContext) -> Any:
        target = thaw_target(ctx.payload)
        self._house.ready(target)
        return self._house.cloud(target, thaw_args(ctx.payload).region)
