"""A tenant that leaves is closed to its product first: nothing may be written that its last recovery point hasn't."""

from provisioner.model.errors import RefusedError
from provisioner.model.json import JsonDict
from provisioner.model.ports import StepContext
from provisioner.ops.house import House
from provisioner.ops.machine import command, master_allowed
from provisioner.ops.operations import CHANGING
from provisioner.ops.points import Points
from provisioner.ops.scripts import Login, login_script

FENCE_DEADLINE = 120.0
_FACT = "closed"


def closed(house: House, tenant_id: str) -> bool:
    """Whether the product's role was closed, and not opened again."""
    fact = house.ledger.fact(tenant_id, _FACT)
    return fact is not None and bool(fact.value.get("closed"))


def close(house: House, ctx: StepContext) -> JsonDict:
    """From here on the product can't log in. It is on the record first, so that a kill leaves nothing closed unseen."""
    house.ledger.observe(ctx.tenant, _FACT, {"closed": True})
    _fence(house, ctx, shut=True)
    return {"at": house.clock.now().isoformat(timespec="seconds")}


def reopen(house: House, ctx: StepContext) -> None:
    """Let the product in again, where it was closed."""
    if closed(house, ctx.tenant):
        _fence(house, ctx, shut=False)
        house.ledger.observe(ctx.tenant, _FACT, {"closed": False})


def refuse_reopened(house: House, ctx: StepContext) -> None:
    """An offboarding may go on only while nothing could be written since it closed the tenant. Raises RefusedError."""
    newest = house.ledger.operations(tenant=ctx.tenant, kinds=CHANGING, limit=1)
    mine = bool(newest) and newest[0].id == ctx.operation_id
    if "close" in ctx.results and not (mine and closed(house, ctx.tenant)):
        raise RefusedError(
            f"{ctx.tenant} served again since its last recovery point was made; nothing was changed",
            hint=f"provision offboard {ctx.tenant} makes another",
        )


def _fence(house: House, ctx: StepContext, *, shut: bool) -> None:
    points = Points(house)
    _, cloud = points.place(ctx)
    outputs = points.outputs(ctx)
    login = Login.master(outputs)
    script = login_script("fence", login, user=outputs.database_user, closed=shut)
    with master_allowed(cloud, outputs.role_name, login.secret):
        command(ctx, cloud, outputs.machine_id, script, "fence", FENCE_DEADLINE)
