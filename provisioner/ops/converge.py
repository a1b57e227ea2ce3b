"""The operation that makes a tenant what it should be. `new-tenant` and `apply` are the same steps: each looks first
at what is there, so that running again after a kill at any point ends in the same place."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from provisioner.model.change import Plan, StepOp
from provisioner.model.cloud import Health
from provisioner.model.drift.judge import counts
from provisioner.model.errors import RefusedError, TimedOutError
from provisioner.model.json import Json, JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, RunOptions, StepContext
from provisioner.model.stack import StackArgs, StackOutputs
from provisioner.model.tenant import Target, Waiver
from provisioner.ops import by_hand, guard
from provisioner.ops.desired import thaw_args, thaw_registry, thaw_target
from provisioner.ops.house import House
from provisioner.ops.machine import command, master_allowed
from provisioner.ops.scripts import bootstrap_script, migrate_script
from provisioner.ops.waivers import thaw_waivers

STACK_DEADLINE = 45 * 60.0
BOOTSTRAP_DEADLINE = 600.0
MIGRATION_DEADLINE = 3600.0
HEALTH_DEADLINE = 300.0


class Converge:
    """Steps of `new-tenant` and `apply`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house

    def definitions(self) -> dict[str, OperationDefinition]:
        """Both kinds by name."""
        steps = (
            OperationStepDefinition("register", self.register),
            OperationStepDefinition("check", self.check),
            OperationStepDefinition("stack", self.stack),
            OperationStepDefinition("bootstrap", self.bootstrap),
            OperationStepDefinition("migrate", self.migrate),
            OperationStepDefinition("health", self.health),
            OperationStepDefinition("finish", self.finish),
        )
        return {
            kind: OperationDefinition(kind, reason, steps, started=self.started, failed=self.failed)
            for kind, reason in (("new-tenant", "a new tenant is being made"), ("apply", "changes are being applied"))
        }

    def started(self, ctx: StepContext) -> None:
        """Every attempt begins on the record: a new tenant is being made, a living one is being changed."""
        ledger = self._house.ledger
        record = ledger.ensure_tenant(ctx.tenant, thaw_args(ctx.payload).target)
        if record.lifecycle not in (Lifecycle.UPDATING, Lifecycle.PROVISIONING):
            made = record.applied_digest is not None
            goal = Lifecycle.UPDATING if made else Lifecycle.PROVISIONING
            ledger.set_lifecycle(ctx.tenant, goal, operation_id=ctx.operation_id)

    def register(self, ctx: StepContext) -> JsonDict:
        """Registry entry and assigned release: intent, before anything is made."""
        fields = ctx.payload.get("fields")
        if isinstance(fields, dict):
            self._house.registry(thaw_registry(ctx.payload)).add(ctx.tenant, fields)
        args = thaw_args(ctx.payload)
        zones: JsonDict = {"of": [args.target, args.region], "zones": list(args.zones)}
        self._house.ledger.observe(ctx.tenant, "zones", zones)
        self._house.ledger.assign_release(ctx.tenant, args.release, operation_id=ctx.operation_id)
        return {"release": args.release}

    def check(self, ctx: StepContext) -> JsonDict:
        """The firewall, under the lease: what was shown before may have changed since. It judges what the state has, so
        that a state which is lost must not pass for a tenant that is new."""
        args, target = self._of(ctx)
        engine = self._house.engine(target)
        stack = self._house.stack(args)
        record = self._house.ledger.tenant(ctx.tenant)
        made = record is not None and record.applied_digest is not None
        if engine.export(stack) is None:
            if made:
                raise state_lost(ctx.tenant, target)
            return {"stack": "new"}
        plan = engine.preview(stack, RunOptions(refresh=True, cancel=ctx.cancel, deadline=STACK_DEADLINE))
        if made and starts_anew(plan):
            raise state_lost(ctx.tenant, target)
        waivers: tuple[Waiver, ...] = thaw_waivers(ctx.payload)
        guard.check(self._house, ctx.tenant, target, stack, plan, waivers)
        return {"summary": dict(plan.summary())}

    def stack(self, ctx: StepContext) -> JsonDict:
        """Bring the stack up. What a lost reply or a dead process made is adopted by name and tag. What somebody
        stopped is started before it, and rules that somebody added to its groups are taken away after it."""
        args, target = self._of(ctx)
        options = RunOptions(
            refresh=True, progress=ctx.progress, cancel=ctx.cancel, deadline=STACK_DEADLINE, guard=ctx.guard
        )
        engine, stack = self._house.engine(target), self._house.stack(args)
        cloud = self._house.cloud(target, args.region)
        by_hand.wake(self._house, ctx, cloud, engine.export(stack))
        result = engine.up(stack, options)
        by_hand.close(ctx, cloud, engine.export(stack))
        outputs = stack_outputs(result.outputs)
        gone = (StepOp.DELETE, StepOp.DELETE_REPLACED)
        return {
            "outputs": asdict(outputs),
            "summary": dict(result.summary),
            "resources": sum(1 for s in result.steps if s.op not in gone),
        }

    def bootstrap(self, ctx: StepContext) -> JsonDict:
        """The product's own role, made from the machine, which may read the master's secret for some minutes.

        The two secrets' ARNs say which database and which product password were set up: new ones mean a new set-up.
        """
        args, target = self._of(ctx)
        outputs = outputs_of(ctx)
        done: JsonDict = {"master": outputs.master_secret_arn, "product": outputs.product_secret_arn}
        known = self._house.ledger.fact(ctx.tenant, "bootstrap")
        if known is not None and known.value == done:
            return {"skipped": "the database has its role already"}
        cloud = self._house.cloud(target, args.region)
        cloud.ensure_password(outputs.product_secret_arn, outputs.database_user)
        with master_allowed(cloud, outputs.role_name, outputs.master_secret_arn):
            command(ctx, cloud, outputs.machine_id, bootstrap_script(outputs), "bootstrap", BOOTSTRAP_DEADLINE)
        self._house.ledger.observe(ctx.tenant, "bootstrap", done)
        return {"role": outputs.database_user}

    def migrate(self, ctx: StepContext) -> JsonDict:
        """The release's own migration, on the machine. Idempotent by the product's contract."""
        args, target = self._of(ctx)
        cloud = self._house.cloud(target, args.region)
        command(ctx, cloud, outputs_of(ctx).machine_id, migrate_script(), "migrate", MIGRATION_DEADLINE)
        return {"schema_version": args.schema_version}

    def health(self, ctx: StepContext) -> JsonDict:
        """Wait until the product answers with the right tenant, release and schema."""
        return self.healthy(ctx, outputs_of(ctx).url)

    def healthy(self, ctx: StepContext, url: str) -> JsonDict:
        """The same for the product at a URL."""
        return {"health": asdict(self.well(ctx, url, thaw_args(ctx.payload)))}

    def well(self, ctx: StepContext, url: str, args: StackArgs, *, any_schema: bool = False) -> Health:
        """Wait for the right answer. `any_schema`: that of the database is the product's own matter."""
        clock = self._house.clock
        deadline = clock.monotonic() + HEALTH_DEADLINE
        pause, seen, wrong = 0.05, Health("unreachable"), "it was not asked"
        while clock.monotonic() < deadline and not ctx.cancel.is_set():
            seen = self._house.prober.probe(url)
            known = replace(args, database_schema=seen.schema_version) if any_schema else args
            found = mismatch(seen, known)
            if found is None:
                return seen
            wrong = found
            clock.sleep(pause)
            pause = min(pause * 1.3, 2.0)
        raise TimedOutError(
            f"{url}/healthz did not become right within {HEALTH_DEADLINE:.0f} s: {wrong}",
            hint=f"provision show {ctx.tenant}; then provision operations resume {ctx.operation_id}",
        )

    def finish(self, ctx: StepContext) -> JsonDict:
        """Record what is, and set the tenant active."""
        args, _ = self._of(ctx)
        ledger, outputs, stack = self._house.ledger, outputs_of(ctx), ctx.results["stack"]
        facts: dict[str, JsonDict] = {
            "url": {"url": outputs.url},
            "machine": {"id": outputs.machine_id, "suffix": args.machine},
            "database": {
                "id": outputs.database_identifier,
                "address": outputs.database_address,
                "port": outputs.database_port,
            },
            "stack": {"name": ctx.tenant, "resources": stack["resources"]},
            "health": ctx.results["health"]["health"],  # type: ignore[dict-item]
            "schema": {"version": ctx.results["health"]["health"]["schema_version"]},  # type: ignore[index,call-overload]
            "drift": {**counts(()), "planned": 0},
        }
        for name, value in facts.items():
            ledger.observe(ctx.tenant, name, value)
        ledger.set_applied(ctx.tenant, str(ctx.payload["digest"]))
        ledger.set_lifecycle(ctx.tenant, Lifecycle.ACTIVE, operation_id=ctx.operation_id)
        return {"tenant": ctx.tenant, "url": outputs.url, "release": args.release}

    def failed(self, ctx: StepContext, cause: str) -> None:
        """A tenant whose change was refused by the firewall is as it was; any other failure is recorded."""
        record = self._house.ledger.tenant(ctx.tenant)
        if record is None or record.lifecycle not in (Lifecycle.PROVISIONING, Lifecycle.UPDATING):
            return
        if "check" not in ctx.results and record.lifecycle is Lifecycle.UPDATING:
            self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.ACTIVE, operation_id=ctx.operation_id)
        else:
            self._house.ledger.set_lifecycle(ctx.tenant, Lifecycle.FAILED, cause=cause, operation_id=ctx.operation_id)

    def _of(self, ctx: StepContext) -> tuple[StackArgs, Target]:
        target = thaw_target(ctx.payload)
        self._house.ready(target)
        return thaw_args(ctx.payload), target


def starts_anew(plan: Plan) -> bool:
    """Whether nothing of it is there: not even the stack itself, which every made one has."""
    return bool(plan.steps) and all(step.op is StepOp.CREATE for step in plan.steps)


def state_lost(tenant: str, target: Target) -> RefusedError:
    """What is raised for a tenant that was made and whose stack isn't in the target's state."""
    return RefusedError(
        f"tenant {tenant} was made, but target {target.name} has no state of its stack: to apply it would make "
        "everything a second time",
        hint=f"put the state back ({target.state or 'the folder `state` of PROVISION_HOME'}) from its versions or a "
        "backup, then run the same command again",
    )


def mismatch(health: Health, args: Any) -> str | None:
    """Why this answer isn't the one that the tenant should give; None when it is."""
    if health.status != "healthy":
        return f"{health.status}" + (f" ({health.detail})" if health.detail else "")
    wanted = {"tenant": args.tenant, "release": args.release, "schema_version": args.schema}
    for field, value in wanted.items():
        if getattr(health, field) != value:
            return f"{field} is {getattr(health, field)}, not {value}"
    return None


def stack_outputs(outputs: Mapping[str, Json]) -> StackOutputs:
    """The program's exports, as the house knows them."""
    return StackOutputs(**{k: outputs[k] for k in StackOutputs.__dataclass_fields__})  # type: ignore[arg-type]


def outputs_of(ctx: StepContext) -> StackOutputs:
    """What the operation's step `stack` brought up."""
    return StackOutputs(**ctx.results["stack"]["outputs"])  # type: ignore[arg-type]
