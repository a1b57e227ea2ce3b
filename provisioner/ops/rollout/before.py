"""What a rollout would lose by being taken back."""

from collections.abc import Sequence
from typing import Any

from provisioner.model.ledger import OperationStatus
from provisioner.model.recovery import PointStatus, RecoveryPoint
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.verdict import undoing
from provisioner.ops.house import House


def point_before(house: House, plan: RolloutPlan, tenant: str) -> RecoveryPoint | None:
    """The recovery point that the tenant's upgrade to the plan's release made, if it is there still."""
    done = (OperationStatus.SUCCEEDED, OperationStatus.FAILED, OperationStatus.STUCK)
    for found in house.ledger.operations(tenant=tenant, kinds=("upgrade",), statuses=done, limit=20):
        args: Any = found.payload["args"]
        if args["release"] != plan.release:
            continue
        whole = house.ledger.operation(found.id)
        results = {s.name: s.result for s in whole.steps} if whole else {}
        point = house.ledger.point(str(results.get("snapshot", {}).get("point", "")))
        return point if point is not None and point.status is PointStatus.AVAILABLE else None
    return None


def losses(house: House, plan: RolloutPlan, tenants: Sequence[str]) -> dict[str, str]:
    """What taking back each of them now means, in words."""
    now, found = house.clock.now(), {}
    for tenant in tenants:
        planned = plan.tenants[tenant]
        point = None if planned.undo == "code-only" else point_before(house, plan, tenant)
        found[tenant] = undoing(planned.from_release, planned.undo, point.taken_at if point else None, now)
    return found
