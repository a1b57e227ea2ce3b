"""Before a restore: what is meant, what would be lost, and whether it is allowed. Nothing is changed here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Cloud, Progress
from provisioner.model.recovery import PointKind
from provisioner.model.stack import DatabaseArgs, StackArgs
from provisioner.model.tenant import Tenant
from provisioner.ops.backup import active
from provisioner.ops.cut_off import cut_off, fenced, refuse_upgrading, unrestored, way_out
from provisioner.ops.desired import (
    confirm_caller,
    freeze,
    known_os,
    present_args,
    present_digest,
    thaw_args,
    thaw_target,
)
from provisioner.ops.drill import own_point, refuse_earlier
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import new_id, resume, unfinished
from provisioner.ops.points import wanted
from provisioner.ops.present import lost, missing
from provisioner.ops.prune import end_database
from provisioner.ops.restore import Source, import_name, switched
from provisioner.ops.waivers import freeze_waivers

_JOURNAL = 10_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """A checked restore. `loss`: what the product will no longer have, in words; `resumed`: it goes on."""

    tenant: str
    operation_id: str
    payload: JsonDict
    source: Source
    loss: str
    resumed: bool


def propose(house: House, tenant_id: str, to: str, *, owner: str | None = None) -> Proposal:
    """Check a restore of `owner`'s data (the tenant's own, unless said) into the tenant. `to`: a recovery point, or a
    time (ISO 8601). A restore that was cut off goes on, in the same words.

    Raises UsageError for what can't be meant, RefusedError without the owner's consent, and where an upgrade was cut
    off.
    """
    registry = house.registry().load()
    waiting = cut_off(house, tenant_id)
    if waiting is not None:
        _same_words(waiting, to, owner or tenant_id)
        known: Any = waiting.payload["source"]
        source = Source(**{**known, "moment": datetime.fromisoformat(known["moment"])})
        return Proposal(tenant_id, waiting.id, waiting.payload, source, _loss_of(house, waiting), resumed=True)
    tenant = registry.tenant(tenant_id)
    if unrestored(house, tenant_id) is None:  # else it is what is waited for
        refuse_upgrading(house, tenant_id, "restored")
    release = active(house, tenant_id, "restored", Lifecycle.FAILED)
    operation_id, before = new_id(house.clock), present_args(house, registry, tenant, release)
    if owner in (None, tenant_id):
        source = source_of(house, registry, tenant, to)
    else:
        source = foreign_source(house, registry, str(owner), tenant_id, to)
    made = _database(tenant_id, source, operation_id)
    payload = _payload(house, registry, tenant, before, source, made, to, operation_id)
    words = missing(house.cloud(tenant.target, tenant.region), before.identifier(before.serving))
    told = lost(tenant_id, payload, house.clock.now(), words)
    return Proposal(tenant_id, operation_id, payload, source, told, resumed=False)


def carry_out(house: House, proposal: Proposal, progress: Progress) -> JsonDict:
    """Restore."""
    confirm_caller(house, proposal.payload, progress)
    return house.operations.run("restore", proposal.operation_id, proposal.tenant, proposal.payload, progress)


def _loss_of(house: House, waiting: Operation) -> str:
    """The same of one that goes on: what is lost by now, and not what was when it was asked for first."""
    closed = next((s for s in waiting.steps if s.name == "fence"), None)
    if closed is not None and closed.result:
        return str(closed.result["lost"])
    target, before = thaw_target(waiting.payload), thaw_args({"args": waiting.payload["before"]})
    house.ready(target)
    words = missing(house.cloud(target, before.region), before.identifier(before.serving))
    return lost(waiting.tenant, waiting.payload, house.clock.now(), words)


def _payload(
    house: House,
    registry: RegistryView,
    tenant: Tenant,
    before: StackArgs,
    source: Source,
    made: DatabaseArgs,
    to: str,
    operation_id: str,
) -> JsonDict:
    version, policy, now = registry.release(source.release), tenant.backup, house.clock.now()
    after = replace(
        switched(before, made),
        release=source.release,
        schema_version=version.schema_version,
        database_schema=source.schema_version,
        image_id=house.image(tenant.target, version, tenant.region, known_os(house, tenant.id, source.release)),
    )
    days = policy.keep_replaced_days + policy.final_days
    return freeze(
        house,
        registry,
        tenant,
        after,
        digest=present_digest(house, tenant, before.release, after.release),
        before=asdict(before),
        source=source.json(),
        made=asdict(made),
        keep_days=policy.keep_replaced_days,
        point=wanted(tenant.id, policy, operation_id, PointKind.BEFORE_RESTORE, now, days=days),
        point_days=days,
        said={"to": to, "owner": source.owner},
        waivers=freeze_waivers(tenant),
        was=str(_lifecycle(house, tenant.id)),
    )


def _lifecycle(house: House, tenant_id: str) -> Lifecycle:
    """Where a restore finds the tenant, and leaves it if it comes to nothing."""
    record = house.ledger.tenant(tenant_id)
    return record.lifecycle if record else Lifecycle.ACTIVE


def _database(tenant_id: str, source: Source, operation_id: str) -> DatabaseArgs:
    """The new database. Another tenant's snapshot is copied first, under a name of its own."""
    suffix = f"r{operation_id[-6:]}"
    if source.snapshot is None:
        return DatabaseArgs(suffix, source=source.database, at=source.moment.isoformat())
    own = source.owner == tenant_id
    return DatabaseArgs(suffix, snapshot=source.snapshot if own else import_name(tenant_id, operation_id))


def abandon(house: House, tenant_id: str, progress: Progress) -> str:
    """Give up a restore that was cut off before its database served: that one goes, the tenant stays as it is. Returns
    the id of the operation that was given up. Raises UsageError where there is none, or where it is too late."""
    begun = unfinished(house, tenant_id, "end-database")
    if begun is not None and begun.payload.get("abandons"):
        resume(house, begun.id, progress)
        return str(begun.payload["abandons"])
    waiting = cut_off(house, tenant_id)
    if waiting is None:
        raise UsageError(f"no restore of {tenant_id} waits to be gone on with", hint=f"provision show {tenant_id}")
    if fenced(waiting):
        raise UsageError(
            f"the restore of {tenant_id} has closed the database that served; now it can only go on",
            hint=way_out(waiting),
        )
    registry, made = house.registry().load(), DatabaseArgs(**waiting.payload["made"])  # type: ignore[arg-type]
    end_database(house, registry, registry.tenant(tenant_id), made, progress, abandons=waiting.id)
    return waiting.id


def consented(house: House, registry: RegistryView, owner: str, tenant_id: str) -> Tenant:
    """The tenant whose data it is, if its entry in the registry lets it go into the other one."""
    tenant = registry.tenant(owner)
    found = [w for w in tenant.waivers if w.operation == "restore-into" and w.resource == tenant_id]
    today = house.clock.now().date()
    if any(w.expires >= today for w in found):
        return tenant
    last = max((w.expires for w in found), default=None)
    why = f"the waiver for it expired on {last}" if last else "nobody has allowed that"
    raise RefusedError(
        f"data of tenant {owner} may not be restored into {tenant_id}: {why}; nothing was changed",
        hint=f"add a waiver under tenants/{owner}/waivers: operation restore-into, resource {tenant_id}, with name, "
        "reason and expires",
    )


def foreign_source(house: House, registry: RegistryView, owner: str, tenant_id: str, to: str) -> Source:
    """What `to` means for the data of another tenant, which lets it go. It is a recovery point: what RDS restores to a
    time has the source's key, and no key ever serves two tenants."""
    source = source_of(house, registry, consented(house, registry, owner, tenant_id), to)
    if source.snapshot is None:
        raise UsageError(
            f"only a recovery point of {owner} can be restored into {tenant_id}, not a time; nothing was changed",
            hint=f"provision backup create {owner}, or one of provision backup list {owner}",
        )
    return source


def source_of(house: House, registry: RegistryView, tenant: Tenant, to: str) -> Source:
    """What `to` means for the tenant whose data it is."""
    moment = _moment(to)
    cloud = house.cloud(tenant.target, tenant.region)
    if moment is None:
        return _from_point(house, cloud, tenant, to)
    if moment > house.clock.now():
        raise UsageError(f"{to} is in the future", hint=f"provision backup list {tenant.id}")
    release = _release_at(house, tenant.id, moment)
    database = _restorable(house, cloud, tenant, moment)
    return Source(tenant.id, moment, release, registry.release(release).schema_version, database=database)


def _from_point(house: House, cloud: Cloud, tenant: Tenant, to: str) -> Source:
    point = own_point(house, tenant.id, to)
    refuse_earlier(house, point)
    found = cloud.snapshot(point.id)
    if found is None or found.status != "available":
        raise UsageError(
            f"the snapshot of recovery point {point.id} is {found.status if found else 'gone'}",
            hint=f"provision backup list {tenant.id}",
        )
    state = cloud.key_state(found.key) if found.key else "Enabled"
    if state != "Enabled":
        raise RefusedError(
            f"recovery point {point.id} can't be read: its key {found.key} is {state or 'gone'}; nothing was changed",
            hint=f"aws kms cancel-key-deletion --key-id {found.key}; aws kms enable-key --key-id {found.key}"
            if state
            else f"choose another: provision backup list {tenant.id}",
        )
    return Source(tenant.id, point.taken_at, point.release, point.schema_version, point.id, found.arn, point=point.id)


def _restorable(house: House, cloud: Cloud, tenant: Tenant, moment: datetime) -> str:
    """The resource id of the database that served at a moment, if it can be restored to it. One that was replaced may
    be there still, and could be restored to it as well, but nobody wrote into it any more."""
    fact = house.ledger.fact(tenant.id, "databases")
    known: Any = fact.value["databases"] if fact else [{}]
    since: Any = fact.value.get("since", {}) if fact else {}
    windows: list[str] = []
    for entry in reversed(known):
        suffix = entry.get("suffix")
        began = since.get(suffix or "")
        if began is not None and moment < datetime.fromisoformat(began):
            continue
        identifier = f"{tenant.id}-{suffix}" if suffix else tenant.id
        window, found = cloud.restorable(identifier), cloud.database(identifier)
        if window is not None and found is not None:
            if window.earliest <= moment <= window.latest:
                return found.resource_id
            windows.append(f"{window.earliest:%Y-%m-%d %H:%M:%S} to {window.latest:%Y-%m-%d %H:%M:%S} UTC")
        if began is not None:
            break
    raise UsageError(
        f"{tenant.id} can't be restored to {moment:%Y-%m-%d %H:%M:%S} UTC: "
        + (f"only to a time from {', or '.join(windows)}" if windows else "it has no automated backup yet"),
        hint=f"choose such a time, or a recovery point: provision backup list {tenant.id}",
    )


def _release_at(house: House, tenant_id: str, moment: datetime) -> str:
    """The release that the tenant was assigned at a moment, from the journal."""
    for entry in house.ledger.journal(tenant=tenant_id, limit=_JOURNAL):
        if entry.kind == "release-assigned" and entry.at <= moment:
            return str(entry.detail["to"])
    raise UsageError(f"tenant {tenant_id} had no release at {moment:%Y-%m-%d %H:%M} UTC", hint="choose a later time")


def _moment(to: str) -> datetime | None:
    """A time in UTC, if it is one: a date with a time of day; without a zone it is UTC."""
    if "T" not in to and " " not in to:
        return None
    try:
        found = datetime.fromisoformat(to)
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)


def _same_words(waiting: Operation, to: str, owner: str) -> None:
    said: Any = waiting.payload["said"]
    wanted_words: Mapping[str, str] = {"to": to, "owner": owner}
    if said != wanted_words:
        raise UsageError(
            f"an unfinished restore of {waiting.tenant} was asked for in other words ({said['to']} of {said['owner']})",
            hint=way_out(waiting),
        )
