"""Recovery points that a way back needs, whatever their day."""

from collections.abc import Sequence

from provisioner.model.errors import UsageError
from provisioner.model.recovery import PointKind, RecoveryPoint
from provisioner.model.rollout.states import OVER
from provisioner.ops.cut_off import unrestored
from provisioner.ops.house import House


def needed(house: House, tenant_id: str, points: Sequence[RecoveryPoint]) -> set[str]:
    """Ids of those among a tenant's points that a rollback of a rollout which isn't over would restore, or that an
    upgrade has left its database to be restored from."""
    found = {p.id: p.operation_id for p in points if p.kind is PointKind.BEFORE_UPGRADE and p.operation_id}
    if not found:
        return set()
    owing = unrestored(house, tenant_id)
    return {
        point_id
        for point_id, operation_id in found.items()
        if (owing is not None and owing.id == operation_id) or _in_open_rollout(house, operation_id)
    }


def _in_open_rollout(house: House, operation_id: str) -> bool:
    upgrade = house.ledger.operation(operation_id)
    rollout = upgrade.payload.get("rollout") if upgrade else None
    if not rollout:
        return False
    try:
        status, _ = house.ledger.rollout_wishes(str(rollout))
    except UsageError:
        return False  # of another ledger
    return status not in OVER
