"""What the registry says otherwise since a plan was frozen: reported, and not followed."""

from collections.abc import Iterator, Set

from provisioner.model.rollout.frozen import PlannedTenant, RolloutPlan


def edits(frozen: RolloutPlan, fresh: RolloutPlan, waiting: Set[str]) -> list[str]:
    """The differences in words. `fresh`: a plan of the same request made now; `waiting`: tenants whose turn is still to
    come, for the others' differences change nothing any more."""
    return [*_rules(frozen, fresh), *_tenants(frozen, fresh, waiting)]


def _rules(frozen: RolloutPlan, fresh: RolloutPlan) -> Iterator[str]:
    if frozen.release_digest != fresh.release_digest:
        yield f"release {frozen.release} is described otherwise"
    if frozen.strategy != fresh.strategy:
        yield f"strategy {fresh.strategy.name} isn't the one that it was started with ({frozen.strategy.name})"
    if frozen.freezes != fresh.freezes:
        yield "the freezes are others"


def _tenants(frozen: RolloutPlan, fresh: RolloutPlan, waiting: Set[str]) -> Iterator[str]:
    reasons = {item.id: item.detail for item in fresh.left_out}
    for tenant_id, planned in frozen.tenants.items():
        if tenant_id not in waiting:
            continue
        now = fresh.tenants.get(tenant_id)
        if now is not None:
            yield from (f"{tenant_id}: {fact}" for fact in _differences(planned, now))
        else:
            yield f"{tenant_id}: {reasons.get(tenant_id, 'is gone from the registry, or not selected any more')}"
    before = {item.id: item.why for item in frozen.left_out}
    for tenant_id in fresh.tenants:
        if tenant_id in before:
            yield f"{tenant_id}: was left out ({before[tenant_id]}), and could be moved now"
        elif tenant_id not in frozen.tenants:
            yield f"{tenant_id}: is new, and no part of it"


def _differences(planned: PlannedTenant, now: PlannedTenant) -> Iterator[str]:
    if (planned.window, planned.time_zone) != (now.window, now.time_zone):
        yield "its window is another"
    if planned.ring != now.ring:
        yield f"is in ring {now.ring}, and was in ring {planned.ring}"
    if planned.from_release != now.from_release:
        yield f"is on {now.from_release}, and was on {planned.from_release}"
