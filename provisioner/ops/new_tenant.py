"""`provision new-tenant`: from an id to a running instance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.model import firewall
from provisioner.model.change import Plan
from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.model.tenant import Tenant
from provisioner.ops.desired import confirm_caller, freeze, stack_args
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import new_id, unfinished
from provisioner.ops.quotas import check_quotas
from provisioner.ops.requests import NewTenantRequest


@dataclass(frozen=True, slots=True)
class Proposal:
    """A checked request: what will be made, and under which operation. `resumed`: the operation is there already."""

    tenant: str
    operation_id: str
    payload: JsonDict
    plan: Plan | None
    resumed: bool


def propose(house: House, request: NewTenantRequest) -> Proposal:
    """Check everything that can be checked without changing anything; preview; ask the firewall.

    Raises UsageError (id, region, release, name taken), RefusedError (quota, firewall).
    """
    waiting = unfinished(house, request.id, "new-tenant")
    if waiting is not None:
        _same_words(request, waiting)
        return Proposal(request.id, waiting.id, waiting.payload, None, resumed=True)
    registry = house.registry().load()
    _name_is_free(house, registry, request.id)
    tenant = registry.resolve_new(request.id, request.fields())
    _within_quota(house, tenant)
    release = registry.release(tenant.desired_release)
    if release.yanked:
        raise UsageError(
            f"release {release.version} was yanked: {release.yanked}",
            hint="choose another with --release, or move the channel in the registry",
        )
    args = stack_args(house, registry, tenant, release.version)
    check_quotas(house, tenant)
    plan = house.engine(tenant.target).preview(house.stack(args))
    firewall.check(tenant.id, plan, tenant.waivers, house.clock.now().date())
    # Where a tenant lives is written out: a later edit of the defaults must not move it.
    entry = {**request.fields(), "target": tenant.target.name, "region": tenant.region}
    payload = freeze(house, registry, tenant, args, fields=entry, said=request.fields())
    return Proposal(request.id, new_id(house.clock), payload, plan, resumed=False)


def carry_out(house: House, proposal: Proposal, progress: Progress) -> JsonDict:
    """Make it. Ends only when `/healthz` answers with the right release."""
    confirm_caller(house, proposal.payload, progress)
    return house.operations.run("new-tenant", proposal.operation_id, proposal.tenant, proposal.payload, progress)


def _name_is_free(house: House, registry: RegistryView, tenant_id: str) -> None:
    record = house.ledger.tenant(tenant_id)
    if tenant_id in registry.tenant_ids():
        if record is None or record.lifecycle is Lifecycle.RETIRED:
            raise UsageError(
                f"tenant {tenant_id} is in {registry.path} already, but was never made",
                hint=f"provision apply {tenant_id}",
            )
        raise UsageError(
            f"tenant {tenant_id} exists already ({record.lifecycle})",
            hint=f"provision show {tenant_id}, or provision apply {tenant_id} to change it",
        )
    if record is not None and record.lifecycle is not Lifecycle.RETIRED:
        raise UsageError(
            f"tenant {tenant_id} is not in {registry.path}, but the ledger has it ({record.lifecycle})",
            hint=f"put its entry back into the registry, or provision offboard {tenant_id}",
        )


def _within_quota(house: House, tenant: Tenant) -> None:
    used = sum(1 for r in house.records() if r.target == tenant.target.name and r.lifecycle is not Lifecycle.RETIRED)
    if used >= tenant.target.max_tenants:
        raise RefusedError(
            f"target {tenant.target.name} has {used} tenants, and max_tenants is {tenant.target.max_tenants}",
            hint=f"raise targets/{tenant.target.name}/max_tenants in the registry, or offboard a tenant",
        )


def _same_words(request: NewTenantRequest, waiting: Operation) -> None:
    """The same command goes on; another one under the same name would be a surprise."""
    frozen: Any = waiting.payload.get("said") or {}
    wanted: Mapping[str, Any] = request.fields()
    different = sorted(k for k in {*frozen, *wanted} if frozen.get(k) != wanted.get(k))
    if different:
        listing = ", ".join(f"{k}: {frozen.get(k)!r} then, {wanted.get(k)!r} now" for k in different)
        raise UsageError(
            f"an unfinished new-tenant {waiting.tenant} was asked for in other words ({listing})",
            hint=f"provision operations resume {waiting.id}, or provision offboard {waiting.tenant}",
        )
