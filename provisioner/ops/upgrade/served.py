"""Whether requests of the tenant's users have reached the new release, or may have: from then on a release that can't
be taken back by its code alone isn't. What the cloud says decides, not which step was begun."""

from provisioner.model.ports import Cloud, StepContext
from provisioner.ops.house import House
from provisioner.ops.points import Points
from provisioner.ops.upgrade.bring import new_machine, offline, outputs_of, reached, thaw_before


def served(house: House, ctx: StepContext) -> bool:
    """At the time of an upgrade's failure. A look into the cloud where the records don't say it."""
    if ctx.results.get("attach", {}).get("attached") or ctx.results.get("switch", {}).get("outputs"):
        return True
    return reached(ctx, "attach") and reaches(house, ctx)


def reaches(house: House, ctx: StepContext) -> bool:
    """Whether requests may reach the new machine now."""
    _, cloud = Points(house).place(ctx)
    if thaw_before(ctx).sizing.front == "balancer":
        return _balanced(ctx, cloud)
    return new_machine(ctx) in cloud.addressed(ctx.tenant)


def _balanced(ctx: StepContext, cloud: Cloud) -> bool:
    """A balancer sends no requests to a target that it doesn't find healthy, but where none is it asks all of them."""
    group, old = outputs_of(ctx, "beside").target_group_arn, str(ctx.results["baseline"]["machine"])
    state = cloud.target_health(group, new_machine(ctx))
    if state == "unused":
        return False
    return state == "healthy" or offline(ctx) or cloud.target_health(group, old) != "healthy"
