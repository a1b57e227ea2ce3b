"""What becomes of an upgrade that failed: taken back where that loses nothing, said where it would.

Before the switch the old release only has to be left alone, or started again. After it, the release says what going
back takes. A database that an offline migration has begun to change is restored by an operation of its own, from the
recovery point that was taken when nobody served: nothing is lost by that.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from provisioner.model.errors import ProvisionError, RefusedError, UndoneError
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import RunOptions, StepContext
from provisioner.model.rollout.verdict import age
from provisioner.model.stack import StackArgs, StackOutputs
from provisioner.ops import guard
from provisioner.ops.closing import FENCE_DEADLINE
from provisioner.ops.converge import STACK_DEADLINE, Converge, stack_outputs
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.machine import command, machine_state, master_allowed
from provisioner.ops.points import Points, until
from provisioner.ops.scripts import Login, login_script
from provisioner.ops.upgrade.stages import beside
from provisioner.ops.waivers import thaw_waivers

START_DEADLINE = 900.0


def failure(ctx: StepContext) -> JsonDict | None:
    """The result of the step that failed."""
    return next((r for r in ctx.results.values() if r.get("failure")), None)


def reached(ctx: StepContext, step: str) -> bool:
    """Whether the step was begun, and not only passed over."""
    result = ctx.results.get(step)
    return result is not None and not result.get("skipped")


class Undo:
    """Steps and hooks of `upgrade` for when it fails, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)
        self._converge = Converge(house)

    def undo(self, ctx: StepContext) -> JsonDict:
        """Take back what was done, if that loses nothing."""
        if failure(ctx) is None:
            return {"undone": None}
        if not reached(ctx, "beside"):
            return {"undone": True}  # it was sick before: nothing was done
        if reached(ctx, "switch"):
            return self._after(ctx)
        if reached(ctx, "migrate") and ctx.payload["migration"] == "offline":
            return self._half_migrated(ctx)
        return self._back(ctx)

    def failed(self, ctx: StepContext, cause: str) -> None:
        """A step couldn't even be begun, or not be taken back. Until the old machine is closed or left, it serves."""
        record = self._house.ledger.tenant(ctx.tenant)
        if record is None or record.lifecycle is not Lifecycle.UPDATING:
            return
        touched = ctx.results.get("close", {}).get("closed") or reached(ctx, "attach")
        goal = Lifecycle.FAILED if touched else Lifecycle.ACTIVE
        self._house.ledger.set_lifecycle(ctx.tenant, goal, cause=cause, operation_id=ctx.operation_id)

    def told(self, ctx: StepContext, found: JsonDict) -> ProvisionError:
        """What `finish` raises, with the tenant's lifecycle on the record."""
        cause, before, goal = str(found["failure"]), thaw_before(ctx), thaw_args(ctx.payload)
        undo = ctx.results["undo"]
        lifecycle = Lifecycle.ACTIVE if undo["undone"] else Lifecycle.FAILED
        self._house.ledger.set_lifecycle(
            ctx.tenant,
            lifecycle,
            cause=None if undo["undone"] else cause,
            operation_id=ctx.operation_id,
        )
        if undo["undone"]:
            return UndoneError(
                f"{ctx.tenant} stays on {before.release}: {cause}",
                hint=f"provision operations show {ctx.operation_id}",
            )
        if undo.get("restore"):
            return UndoneError(
                f"{ctx.tenant} must go back to {before.release}, with its database: {cause}",
                hint=f"provision restore {ctx.tenant} --to {undo['restore']}",
            )
        return RefusedError(
            f"{ctx.tenant} is on {goal.release} and isn't well: {cause}\n{undo['loss']}", hint=str(undo["next"])
        )

    def _after(self, ctx: StepContext) -> JsonDict:
        """The new release has served."""
        before, goal, verdict = thaw_before(ctx), thaw_args(ctx.payload), ctx.payload["undo"]
        if verdict == "code-only":
            self._start(ctx)
            observe_machine(self._house, ctx, before, bring(self._house, ctx, beside(before, goal)))
            return self._back(ctx)
        point: Any = ctx.results["snapshot"]
        since = datetime.fromisoformat(str(ctx.results["switch"].get("at") or point["taken_at"]))
        lost = f"{age(self._house.clock.now() - since)} of writes since {since:%Y-%m-%d %H:%M} UTC"
        if verdict == "one-way":
            loss = f"{goal.release} can't be taken back (undo: one-way): it only goes forward"
            return {"undone": False, "loss": loss, "next": f"provision upgrade {ctx.tenant} --to A-LATER-RELEASE"}
        return {
            "undone": False,
            "loss": f"going back to {before.release} needs a restore, and would lose {lost}",
            "next": f"provision restore {ctx.tenant} --to {point['point']}, or provision upgrade {ctx.tenant} --to "
            "A-LATER-RELEASE",
        }

    def _back(self, ctx: StepContext) -> JsonDict:
        """The old release serves, alone."""
        before = thaw_before(ctx)
        self._start(ctx)
        bring(self._house, ctx, before)
        return {"undone": True, "health": self._seen(ctx, str(ctx.results["baseline"]["url"]))}

    def _half_migrated(self, ctx: StepContext) -> JsonDict:
        """Nobody may use the database until it is restored: it is closed to the product before the old machine, which
        the restore needs, starts again."""
        outputs = StackOutputs(**ctx.results["beside"]["outputs"])  # type: ignore[arg-type]
        _, cloud = self._points.place(ctx)
        script = login_script("fence", Login.master(outputs), user=outputs.database_user, closed=True)
        if outputs.other_machine_id in {m.id for m in cloud.machines(ctx.tenant)}:
            with master_allowed(cloud, outputs.role_name, outputs.master_secret_arn):
                command(ctx, cloud, outputs.other_machine_id, script, "fence", FENCE_DEADLINE)
        self._start(ctx)
        bring(self._house, ctx, thaw_before(ctx))
        return {"undone": False, "restore": ctx.results["snapshot"]["point"]}

    def _start(self, ctx: StepContext) -> None:
        """The old machine runs again, where the upgrade stopped it."""
        if ctx.payload["migration"] != "offline":
            return
        machine = str(ctx.results["baseline"]["machine"])
        _, cloud = self._points.place(ctx)

        def running() -> str | None:
            state = machine_state(cloud, ctx.tenant, machine, "running")
            if state == "stopped":
                cloud.start_machine(machine)
            return state

        until(self._house, ctx, running, f"machine {machine}", START_DEADLINE)

    def _seen(self, ctx: StepContext, url: str) -> JsonDict:
        """Wait until the old release answers, on whatever schema an online migration has left."""
        before = thaw_before(ctx)
        found = self._converge.well(ctx, url, before, any_schema=True)
        if found.schema_version is not None:
            self._house.ledger.observe(ctx.tenant, "schema", {"version": found.schema_version})
        return asdict(found)


def bring(house: House, ctx: StepContext, args: StackArgs) -> StackOutputs:
    """Bring the stack to `args`, if the firewall lets it."""
    target = thaw_target(ctx.payload)
    house.ready(target)
    engine, stack = house.engine(target), house.stack(args)
    plan = engine.preview(stack, RunOptions(refresh=True, cancel=ctx.cancel, deadline=STACK_DEADLINE))
    guard.check(house, ctx.tenant, target, stack, plan, thaw_waivers(ctx.payload))
    options = RunOptions(
        refresh=True, progress=ctx.progress, cancel=ctx.cancel, deadline=STACK_DEADLINE, guard=ctx.guard
    )
    return stack_outputs(engine.up(stack, options).outputs)


def observe_machine(house: House, ctx: StepContext, args: StackArgs, outputs: StackOutputs) -> None:
    """Which machine serves, and of which release: what comes next must build on that, whatever else goes wrong."""
    house.ledger.observe(ctx.tenant, "machine", {"id": outputs.machine_id, "suffix": args.machine})
    house.ledger.assign_release(ctx.tenant, args.release, operation_id=ctx.operation_id)


def thaw_before(ctx: StepContext) -> StackArgs:
    """The tenant's stack as the upgrade found it."""
    return thaw_args({"args": ctx.payload["before"]})
