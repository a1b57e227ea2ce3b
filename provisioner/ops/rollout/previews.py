"""`provision rollout plan --preview`: what the engine would change of each tenant, and of whom it would be the same."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event as Flag

from provisioner.model.change import Plan
from provisioner.model.errors import CancelledError, ProvisionError
from provisioner.model.ports import RunOptions
from provisioner.model.rollout.fingerprint import fingerprint
from provisioner.model.rollout.frozen import RolloutPlan
from provisioner.model.rollout.groups import Group, changes, grouped
from provisioner.ops import guard
from provisioner.ops.desired import present_args
from provisioner.ops.house import House, RegistryView
from provisioner.ops.plan import PREVIEW_DEADLINE, unless_interrupted
from provisioner.ops.upgrade.stages import goal_of


@dataclass(frozen=True, slots=True)
class Failure:
    """Tenants that couldn't be previewed, or that the firewall refuses, for one cause. `error`: the first one's."""

    tenants: tuple[str, ...]
    error: ProvisionError


@dataclass(frozen=True, slots=True)
class Previews:
    """What came of all previews."""

    groups: tuple[Group, ...]
    failures: tuple[Failure, ...]


def preview(house: House, registry: RegistryView, plan: RolloutPlan, *, parallel: int = 8) -> Previews:
    """From where each tenant is now to where it will be when its step is done. Nothing is changed, in the cloud or in
    the state. A tenant that can't be previewed is an answer, not an end."""
    cancel = Flag()

    def all_of_them() -> list[Plan | ProvisionError]:
        with ThreadPoolExecutor(max_workers=max(1, min(parallel, len(plan.tenants)))) as pool:
            return list(pool.map(lambda tenant: _look(house, registry, plan, tenant, cancel), plan.tenants))

    found = dict(zip(plan.tenants, unless_interrupted(all_of_them, cancel), strict=True))
    seen = {tenant: changes(answer) for tenant, answer in found.items() if isinstance(answer, Plan)}
    errors = ((tenant, answer) for tenant, answer in found.items() if isinstance(answer, ProvisionError))
    return Previews(grouped(seen), tuple(_failures(errors)))


def _look(
    house: House, registry: RegistryView, plan: RolloutPlan, tenant_id: str, cancel: Flag
) -> Plan | ProvisionError:
    if cancel.is_set():
        return CancelledError("it was not previewed")
    try:
        tenant, release = registry.tenant(tenant_id), registry.release(plan.release)
        before = present_args(house, registry, tenant, plan.tenants[tenant_id].from_release)
        image = house.image(tenant.target, release, tenant.region)
        stack = house.stack(goal_of(before, release.version, release.schema_version, image))
        options = RunOptions(refresh=True, cancel=cancel, deadline=PREVIEW_DEADLINE)
        found = house.engine(tenant.target).preview(stack, options)
        guard.check(house, tenant.id, tenant.target, stack, found, tenant.waivers)
    except ProvisionError as error:
        return error
    return found


def _failures(errors: Iterable[tuple[str, ProvisionError]]) -> Iterable[Failure]:
    """One for each cause."""
    alike: dict[str, list[tuple[str, ProvisionError]]] = {}
    for tenant, error in errors:
        alike.setdefault(fingerprint(error.message, tenant), []).append((tenant, error))
    return (Failure(tuple(tenant for tenant, _ in found), found[0][1]) for found in alike.values())
