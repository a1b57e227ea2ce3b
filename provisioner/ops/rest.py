"""`provision suspend` and `provision resume`: compute stops, data stays."""

from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.errors import UsageError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Cloud, OperationDefinition, OperationStepDefinition, Progress, StepContext
from provisioner.model.recovery import PointKind
from provisioner.ops.awake import until, wake_database, wake_machine
from provisioner.ops.backup import active, propose
from provisioner.ops.closing import closed, reopen
from provisioner.ops.converge import Converge
from provisioner.ops.cut_off import refuse_cut_off
from provisioner.ops.desired import confirm_caller, freeze, present_args
from provisioner.ops.house import House, RegistryView
from provisioner.ops.machine import machine_state
from provisioner.ops.operations import new_id, unfinished
from provisioner.ops.points import Points

STOP_DEADLINE = 3600.0


def propose_suspend(house: House, tenant_id: str) -> tuple[str, JsonDict]:
    """The operation's id and input; one that was cut off goes on. Raises UsageError unless the tenant is active, and
    RefusedError where a restore was cut off."""
    waiting = unfinished(house, tenant_id, "suspend")
    if waiting is not None:
        return waiting.id, waiting.payload
    refuse_cut_off(house, tenant_id, "suspended")
    registry, operation_id = house.registry().load(), new_id(house.clock)
    tenant = registry.tenant(tenant_id)
    return operation_id, propose(house, registry, tenant, PointKind.MANUAL, operation_id)


def propose_resume(house: House, tenant_id: str) -> tuple[str, JsonDict]:
    """The operation's id and input; one that was cut off goes on. Raises UsageError unless the tenant is suspended."""
    waiting = unfinished(house, tenant_id, "resume")
    if waiting is not None:
        return waiting.id, waiting.payload
    registry = house.registry().load()
    tenant = registry.tenant(tenant_id)
    release = suspended(house, tenant_id)
    return new_id(house.clock), freeze(house, registry, tenant, present_args(house, registry, tenant, release))


def suspended(house: House, tenant_id: str) -> str:
    """The assigned release of a suspended tenant. Raises UsageError for any other."""
    release = active(house, tenant_id, "resumed", Lifecycle.SUSPENDED)
    record = house.ledger.tenant(tenant_id)
    if record is not None and record.lifecycle is Lifecycle.ACTIVE and not closed(house, tenant_id):
        raise UsageError(f"tenant {tenant_id} is active already", hint=f"provision show {tenant_id}")
    return release


def awake(house: House, registry: RegistryView, tenant_id: str) -> bool:
    """Whether a database of a suspended tenant runs: RDS starts a stopped one again after seven days."""
    tenant = registry.tenant(tenant_id)
    house.ready(tenant.target)
    found = house.cloud(tenant.target, tenant.region).databases(tenant_id)
    return any(d.status == "available" for d in found)


def stop_again(house: House, tenant_id: str, progress: Progress) -> JsonDict:
    """Stop what was started without anybody's asking."""
    registry = house.registry().load()
    tenant = registry.tenant(tenant_id)
    args = present_args(house, registry, tenant, suspended(house, tenant_id))
    return carry_out(house, "stop", tenant_id, new_id(house.clock), freeze(house, registry, tenant, args), progress)


def carry_out(
    house: House, kind: str, tenant_id: str, operation_id: str, payload: JsonDict, progress: Progress
) -> JsonDict:
    """Suspend or resume."""
    confirm_caller(house, payload, progress)
    return house.operations.run(kind, operation_id, tenant_id, payload, progress)


class Rest:
    """Steps of `suspend` and `resume`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)
        self._converge = Converge(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """The kinds by name."""
        suspend = (*self._points.steps(), OperationStepDefinition("stop", self.stop), _step("rest", self.rest))
        resume = (_step("start", self.start), _step("health", self.health), _step("wake", self.wake))
        return {
            "suspend": OperationDefinition("suspend", "it is being suspended", suspend),
            "resume": OperationDefinition("resume", "it is being resumed", resume),
            "stop": OperationDefinition("stop", "it is being stopped again", (_step("stop", self.stop),)),
        }

    def stop(self, ctx: StepContext) -> JsonDict:
        """Machine and databases stop; the product first, so that nothing is cut off in the middle."""
        _, cloud = self._points.place(ctx)
        outputs = self._points.outputs(ctx)
        cloud.stop_machine(outputs.machine_id)
        machine = outputs.machine_id
        until(
            self._house,
            ctx,
            lambda: machine_state(cloud, ctx.tenant, machine, "stopped"),
            f"machine {machine}",
            STOP_DEADLINE,
        )
        names = [str(d["identifier"]) for d in outputs.databases.values()]
        for name in names:
            self.stop_database(ctx, cloud, name)
        return {"machine": outputs.machine_id, "databases": names}

    def stop_database(self, ctx: StepContext, cloud: Cloud, name: str) -> None:
        """Stop one database and wait: RDS refuses to stop one that is busy, so it is asked again."""

        def look() -> str | None:
            found = cloud.database(name)
            if found is None or found.status == "stopped":
                return None
            if found.status == "available":
                cloud.stop_database(name)
            return found.status

        until(self._house, ctx, look, f"database {name}", STOP_DEADLINE)

    def rest(self, ctx: StepContext) -> JsonDict:
        """On the record."""
        self._house.ledger.observe(ctx.tenant, "health", {"status": "suspended", "detail": "compute is stopped"})
        self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.SUSPENDED, operation_id=ctx.operation_id)
        return {"tenant": ctx.tenant, "point": ctx.results["snapshot"]["point"]}

    def start(self, ctx: StepContext) -> JsonDict:
        """Databases first, then the machine. Those that a restore replaced too: what is stopped can't be changed, and
        a change of the tenant changes them as well. An offboarding that waited for its day is off from here on: nobody
        may destroy what is being brought back."""
        self._stay(ctx)
        _, cloud = self._points.place(ctx)
        outputs = self._points.outputs(ctx)
        for database in outputs.databases.values():
            wake_database(self._house, ctx, cloud, str(database["identifier"]))
        wake_machine(self._house, ctx, cloud, outputs.machine_id)
        reopen(self._house, ctx)
        return {"url": outputs.url}

    def _stay(self, ctx: StepContext) -> None:
        known = self._house.ledger.fact(ctx.tenant, "offboarding")
        if known is not None and known.value.get("due"):
            self._house.ledger.observe(ctx.tenant, "offboarding", {"due": None})
            ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "resume", message="its offboarding is cancelled"))

    def health(self, ctx: StepContext) -> JsonDict:
        """Wait until the product answers as it should."""
        return self._converge.healthy(ctx, str(ctx.results["start"]["url"]))

    def wake(self, ctx: StepContext) -> JsonDict:
        """On the record."""
        ledger = self._house.ledger
        ledger.observe(ctx.tenant, "health", ctx.results["health"]["health"])  # type: ignore[arg-type]
        ledger.set_lifecycle(ctx.tenant, Lifecycle.ACTIVE, operation_id=ctx.operation_id)
        return {"tenant": ctx.tenant, "url": ctx.results["start"]["url"]}


def _step(name: str, run: Any) -> OperationStepDefinition:
    return OperationStepDefinition(name, run)
