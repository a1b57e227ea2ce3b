"""Before a tenant is changed: whether it may be now, and whether it is well. For upgrades and patches alike."""

from collections.abc import Callable

from provisioner.model.cloud import Health
from provisioner.model.json import JsonDict
from provisioner.model.ports import StepContext
from provisioner.model.rollout.frozen import why_not_now
from provisioner.model.stack import StackArgs
from provisioner.ops.converge import mismatch
from provisioner.ops.house import House

_LOOKS, _BETWEEN = 3, 3.0


def late(house: House, ctx: StepContext) -> JsonDict | None:
    """The result of a step that may not be made at this time; None where it may be."""
    why = why_not_now(ctx.payload["when"], house.clock.now()) if ctx.payload.get("when") else None
    return None if why is None else {"failure": f"it may not be changed now: {why}", "not_now": True}


def seen(house: House, url: str, args: StackArgs, pause: Callable[[float], None]) -> tuple[Health, str | None]:
    """The product's answer, and what is wrong with it: one answer that doesn't come says little, so it is asked again
    after a `pause` of seconds."""
    health = house.prober.probe(url)
    wrong = mismatch(health, args)
    for _ in range(_LOOKS - 1):
        if wrong is None:
            break
        pause(_BETWEEN)
        health = house.prober.probe(url)
        wrong = mismatch(health, args)
    return health, wrong
