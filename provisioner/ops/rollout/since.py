"""What the registry says otherwise since a rollout was started: reported, and not followed."""

from provisioner.model.errors import UsageError
from provisioner.model.rollout.edits import edits
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.plan import Request, plan
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import StepState
from provisioner.model.rollout.strategy import Strategy
from provisioner.ops.house import House, RegistryView
from provisioner.ops.patch.propose import planned_again
from provisioner.ops.rollout.propose import candidates


def edited(house: House, registry: RegistryView, record: RolloutRecord) -> list[str]:
    """The differences in words."""
    frozen = record.plan
    known = set(frozen.tenants) | {item.id for item in frozen.left_out}
    tenants = [t for t in registry.tenants() if t.id in known]
    strategy = _strategy(registry, frozen.strategy)
    if frozen.work == "patch":
        fresh = planned_again(house, registry, tenants, frozen, strategy)
        return edits(frozen, fresh, _waiting(record))
    if frozen.release not in registry.releases:
        return [f"release {frozen.release} is gone"]
    release = registry.release(frozen.release)
    if release.yanked is not None:
        return [f"release {frozen.release} is yanked: {release.yanked}"]
    request = Request(
        release=release,
        releases=registry.releases,
        target=frozen.target,
        channel=str(frozen.of_channel),
        strategy=strategy,
        freezes=registry.freezes,
        stays=frozen.stays,
        channel_from=frozen.channel_from,
        mend=_mends(frozen),
    )
    fresh = plan(request, candidates(house, tenants), frozen.made_at)
    return edits(frozen, fresh, _waiting(record))


def _waiting(record: RolloutRecord) -> set[str]:
    return {row.tenant for row in record.rows if row.state is StepState.WAITING}


def _mends(frozen: RolloutPlan) -> bool:
    return any(planned.mends for planned in frozen.tenants.values())


def _strategy(registry: RegistryView, frozen: Strategy) -> Strategy:
    """The strategy of that name as it is now, shortened as it was then."""
    try:
        found = registry.strategy(None if frozen.name == Strategy().name else frozen.name)
    except UsageError:
        return Strategy(name="gone")
    return found.fast(frozen.hasty) if frozen.hasty else found
