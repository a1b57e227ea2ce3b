"""From the registry's tenant to the arguments of its stack, frozen into an operation's payload and back."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from provisioner.model.change import Event, EventKind
from provisioner.model.cloud import Caller
from provisioner.model.errors import AuthenticationError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.scan import OS
from provisioner.model.ports import Progress
from provisioner.model.stack import DatabaseArgs, OtherMachine, StackArgs
from provisioner.model.tenant import CloudKind, Sizing, Target, Tenant, desired_digest
from provisioner.ops.house import House, RegistryView


def stack_args(house: House, registry: RegistryView, tenant: Tenant, release: str) -> StackArgs:
    """What the program is given. Asks the cloud who we are; an account that the registry doesn't name is refused, and
    so is a tenant of another ledger."""
    check_ledger(house, tenant)
    house.ready(tenant.target)
    cloud = house.cloud(tenant.target, tenant.region)
    caller = cloud.caller()
    check_caller(tenant.target, caller)
    version = registry.release(release)
    return StackArgs(
        tenant=tenant.id,
        target=tenant.target.name,
        cloud=tenant.target.cloud,
        account=caller.account,
        region=tenant.region,
        zones=_zones(house, tenant),
        tier=tenant.tier,
        ring=tenant.ring,
        organization=tenant.organization,
        labels=dict(tenant.labels),
        sizing=tenant.sizing,
        release=release,
        schema_version=version.schema_version,
        image_id=house.image(tenant.target, version, tenant.region, known_os(house, tenant.id, release)),
        domain=tenant.target.domain,
        role=tenant.target.role,
        databases=known_databases(house, tenant.id),
        machine=known_machine(house, tenant.id),
        database_schema=known_schema(house, tenant.id),
    )


def known_databases(house: House, tenant_id: str) -> tuple[DatabaseArgs, ...]:
    """The databases that a tenant has: one, until a restore made another."""
    known: Any = _living_fact(house, tenant_id, "databases").get("databases", [{}])
    return tuple(DatabaseArgs(**d) for d in known)


def known_machine(house: House, tenant_id: str) -> str:
    """The suffix of the machine that serves: none, until an upgrade made another."""
    return str(_living_fact(house, tenant_id, "machine").get("suffix", ""))


def known_os(house: House, tenant_id: str, release: str) -> str | None:
    """The OS release that a rollout of patches has brought its machine to, of this release; None for the one that the
    release was published with."""
    fact = _living_fact(house, tenant_id, OS)
    return fact.get("os_release") if fact.get("release") == release else None


def known_schema(house: House, tenant_id: str) -> int | None:
    """What the database has, where an upgrade looked."""
    found: Any = _living_fact(house, tenant_id, "schema").get("version")
    return found if found is None else int(found)


def _living_fact(house: House, tenant_id: str, name: str) -> Mapping[str, Any]:
    """A fact of a tenant that wasn't retired since; empty where there is none."""
    record = next((r for r in house.records() if r.id == tenant_id), None)
    living = record is not None and record.lifecycle is not Lifecycle.RETIRED
    fact = record.facts.get(name) if record and living else None
    return fact.value if fact else {}


_APPLIES = ("new-tenant", "apply", "restore", "upgrade")


def last_applied(house: House, tenant_id: str) -> StackArgs | None:
    """What the tenant's stack was last brought to, with the databases it has now: a pending edit of the registry is
    not in it. None for a tenant that was never made to its end, or not again since it was retired."""
    found = house.ledger.operations(
        tenant=tenant_id, kinds=(*_APPLIES, "retire"), statuses=(OperationStatus.SUCCEEDED,), limit=1
    )
    if not found or found[0].kind not in _APPLIES:
        return None
    return replace(
        thaw_args(found[0].payload),
        databases=known_databases(house, tenant_id),
        machine=known_machine(house, tenant_id),
        database_schema=known_schema(house, tenant_id),
    )


def present_args(house: House, registry: RegistryView, tenant: Tenant, release: str) -> StackArgs:
    """What the tenant's stack is now, of a release: for all that is not `apply`, and must bring no pending edit of the
    registry with it. Checked as `stack_args` does."""
    wished, found = stack_args(house, registry, tenant, release), last_applied(house, tenant.id)
    if found is None or found.release == release:
        return found or wished
    return replace(found, release=release, schema_version=wished.schema_version, image_id=wished.image_id)


def present_digest(house: House, tenant: Tenant, before: str, after: str) -> str:
    """The digest that an operation reaches which brings another release and nothing else: with an edit pending it is
    the one that was reached last, so that the edit stays visible."""
    record = house.ledger.tenant(tenant.id)
    reached = record.applied_digest if record else None
    if reached == desired_digest(tenant, before, house.program_version):
        return desired_digest(tenant, after, house.program_version)
    return reached or "none"


def _zones(house: House, tenant: Tenant) -> tuple[str, str]:
    """Two availability zones, chosen once: a zone that AWS opens later must not move a living tenant's subnets.

    A new tenant gets the zones of its neighbours in the region, the first one there the first two that can be used.
    """
    for record in sorted(house.records(), key=lambda r: r.id != tenant.id):
        fact = record.facts.get("zones")
        if fact and (record.id == tenant.id or fact.value.get("of") == [tenant.target.name, tenant.region]):
            known: Any = fact.value["zones"]
            return known[0], known[1]
    zones = house.cloud(tenant.target, tenant.region).zones()
    if len(zones) < 2:
        raise UsageError(
            f"region {tenant.region} has {len(zones)} usable availability zone(s); a tenant needs two",
            hint=f"choose another region of target {tenant.target.name}: {', '.join(tenant.target.regions)}",
        )
    return zones[0], zones[1]


def check_ledger(house: House, tenant: Tenant) -> None:
    """Raise UsageError for a tenant of another ledger than this command's: its lease is there."""
    if not house.in_ledger(tenant.target):
        raise UsageError(
            f"tenant {tenant.id} lives on target {tenant.target.name}, whose ledger is not the one of this command",
            hint=f"add --target {tenant.target.name}",
        )


def check_caller(target: Target, caller: Caller) -> None:
    """Raise AuthenticationError where the credentials belong to another account than the registry says, or the region
    is none of the target's."""
    if target.account and target.account != caller.account:
        raise AuthenticationError(
            f"target {target.name} is account {target.account}, but these credentials belong to {caller.account} "
            f"({caller.arn})",
            hint="export AWS_PROFILE=... for the right account, or correct targets/"
            f"{target.name}/account in the registry",
        )
    if caller.region not in target.regions:
        raise AuthenticationError(
            f"target {target.name} has no region {caller.region} (it has: {', '.join(target.regions)})",
            hint=f"add it to targets/{target.name}/regions in the registry, or choose one of these",
        )


def check_target(house: House, target: Target) -> None:
    """Raise AuthenticationError at once where a target that was asked for can't be reached with these credentials:
    whatever else is wrong can wait."""
    if target.cloud is CloudKind.AWS:
        check_caller(target, house.cloud(target, target.regions[0]).caller())


def callers(house: House, works: Iterable[Mapping[str, Any] | Tenant]) -> list[str]:
    """Who would work where on AWS, in words, for those who are asked whether it may begin. `works`: payloads of
    operations, or tenants that will get some. One line for each account, region and role, however many tenants share
    them. Raises as `confirm_caller`."""
    places = [place for place in map(_place, works) if place[0].cloud is CloudKind.AWS]
    sharing = Counter((replace(target, tenant=None), region) for target, region in places)
    first = {(replace(target, tenant=None), region): target for target, region in reversed(places)}
    return [
        f"target {shared[0].name} {_works(house, first[shared], shared[1])}" + (f" ({n} tenants)" if n > 1 else "")
        for shared, n in sharing.items()
    ]


def confirm_caller(house: House, payload: Mapping[str, Any], progress: Progress) -> None:
    """Before an operation acts, also when it goes on: who we are now must fit what it was frozen with. Nothing is
    changed by a refusal. On AWS it is told, so that nobody is surprised by the account that is worked in."""
    target, region = _place(payload)
    if target.cloud is CloudKind.AWS:
        words = _works(house, target, region)
        progress(Event(EventKind.MESSAGE, thaw_args(payload).tenant, f"target {target.name}", message=words))


def _place(work: Mapping[str, Any] | Tenant) -> tuple[Target, str]:
    """The target, with the account that was frozen, and the region."""
    if isinstance(work, Tenant):
        return work.target, work.region
    args = thaw_args(work)
    return replace(thaw_target(work), account=args.account), args.region


def _works(house: House, target: Target, region: str) -> str:
    caller = house.cloud(target, region).caller()
    check_caller(target, caller)
    return f"works in account {caller.account}, region {caller.region}, as {caller.arn}"


def freeze(house: House, registry: RegistryView, tenant: Tenant, args: StackArgs, **more: Any) -> JsonDict:
    """The payload of an operation: all it needs to go on by itself, even where the registry changes meanwhile."""
    return {
        "registry": str(registry.path),
        "target": asdict(tenant.target),
        "args": asdict(args),
        "digest": desired_digest(tenant, args.release, house.program_version),
        **more,
    }


def thaw_args(payload: Mapping[str, Any]) -> StackArgs:
    """The stack's arguments from a payload."""
    raw = dict(payload["args"])
    raw["sizing"] = Sizing(**raw["sizing"])
    raw["zones"] = tuple(raw["zones"])
    raw["cloud"] = CloudKind(raw["cloud"])
    raw["databases"] = tuple(DatabaseArgs(**d) for d in raw["databases"])
    raw["other"] = OtherMachine(**raw["other"]) if raw["other"] else None
    return StackArgs(**raw)


def thaw_target(payload: Mapping[str, Any]) -> Target:
    """The target from a payload."""
    raw = {f.name: payload["target"][f.name] for f in fields(Target)}
    return Target(**{**raw, "cloud": CloudKind(raw["cloud"]), "regions": tuple(raw["regions"])})


def thaw_registry(payload: Mapping[str, Any]) -> Path:
    """The registry's path from a payload."""
    return Path(payload["registry"])


def unprotected(args: StackArgs) -> StackArgs:
    """The same stack with all protection against deletion off: what `offboard` applies before it destroys."""
    return replace(args, sizing=replace(args.sizing, deletion_protection=False))
