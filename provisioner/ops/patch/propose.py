"""`provision patch plan`: who would be patched, by registry and ledger alone. Nothing is changed here."""

from collections.abc import Sequence
from dataclasses import dataclass

from provisioner.model.patch.plan import PatchRequest, plan_patches
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.strategy import Strategy
from provisioner.model.tenant import Tenant
from provisioner.ops.house import House, RegistryView
from provisioner.ops.rollout.propose import candidates


@dataclass(frozen=True, slots=True)
class PatchWords:
    """What an operator says. `fast`: the reason for short bake times; `mend`: who is ill is patched, too; `now`:
    outside of windows and in freezes, too."""

    strategy: str | None = None
    fast: str | None = None
    mend: bool = False
    now: bool = False


def propose(house: House, registry: RegistryView, tenants: Sequence[Tenant], words: PatchWords) -> RolloutPlan:
    """The plan, under the name of today. Raises UsageError for an unknown strategy."""
    strategy, now = registry.strategy(words.strategy), house.clock.now()
    request = PatchRequest(
        name=f"patches-{now:%Y-%m-%d}",
        target=registry.default_target.name,
        strategy=strategy.fast(words.fast) if words.fast else strategy,
        freezes=registry.freezes,
        releases=registry.releases,
        os_releases=registry.os_releases,
        mend=words.mend,
        now=words.now,
    )
    return plan_patches(request, candidates(house, tenants), now)


def planned_again(
    house: House, registry: RegistryView, tenants: Sequence[Tenant], frozen: RolloutPlan, strategy: Strategy
) -> RolloutPlan:
    """What the same request would come to now."""
    mend = any(planned.mends for planned in frozen.tenants.values())
    releases, systems = registry.releases, registry.os_releases
    request = PatchRequest(
        frozen.release, frozen.target, strategy, registry.freezes, releases, systems, mend, frozen.now
    )
    return plan_patches(request, candidates(house, tenants), frozen.made_at)
