"""What the steps of an upgrade have in common: bringing the stack to one of its stages, and what the payload says."""

from typing import Any

from provisioner.model.json import JsonDict
from provisioner.model.patch.scan import OS
from provisioner.model.ports import RunOptions, StepContext
from provisioner.model.stack import StackArgs, StackOutputs
from provisioner.ops import guard
from provisioner.ops.converge import STACK_DEADLINE, stack_outputs
from provisioner.ops.desired import thaw_args, thaw_target
from provisioner.ops.house import House
from provisioner.ops.waivers import thaw_waivers


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


def observe_machine(house: House, ctx: StepContext, args: StackArgs, machine_id: str) -> None:
    """Which machine serves, of which release and OS release: what comes next must build on that, whatever else goes
    wrong."""
    house.ledger.observe(ctx.tenant, "machine", {"id": machine_id, "suffix": args.machine})
    house.ledger.assign_release(ctx.tenant, args.release, operation_id=ctx.operation_id)
    part: Any = ctx.payload["os"]
    name = part["after"] if args.machine == thaw_args(ctx.payload).machine else part["before"]
    house.ledger.observe(ctx.tenant, OS, {"release": args.release, "os_release": name})


def thaw_before(ctx: StepContext) -> StackArgs:
    """The tenant's stack as the upgrade found it."""
    return thaw_args({"args": ctx.payload["before"]})


def outputs_of(ctx: StepContext, step: str) -> StackOutputs:
    """What the stack exported at the end of a step, which did not fail."""
    return StackOutputs(**ctx.results[step]["outputs"])  # type: ignore[arg-type]


def new_machine(ctx: StepContext) -> str:
    """The machine of the new release."""
    return outputs_of(ctx, "beside").other_machine_id


def failure(ctx: StepContext) -> JsonDict | None:
    """The result of the step that failed."""
    return next((r for r in ctx.results.values() if r.get("failure")), None)


def reached(ctx: StepContext, step: str) -> bool:
    """Whether the step was begun, and not only passed over."""
    result = ctx.results.get(step)
    return result is not None and not result.get("skipped")


def offline(ctx: StepContext) -> bool:
    """Whether nobody may serve during the migration."""
    return ctx.payload["migration"] == "offline"
