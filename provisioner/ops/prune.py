"""`provision backup prune`: what retention wants no more goes, and what a restore replaced, once its days are over."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, TypeGuard

from provisioner.model.errors import ProvisionError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Operation, OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import OperationDefinition, OperationStepDefinition, Progress, RunOptions, StepContext
from provisioner.model.recovery import BackupPolicy, PointKind, PointStatus, RecoveryPoint
from provisioner.model.retention import expired, kept
from provisioner.model.stack import DatabaseArgs, StackArgs
from provisioner.model.tenant import Tenant, Waiver
from provisioner.ops import guard, way_back
from provisioner.ops.awake import wake_database
from provisioner.ops.backup import active
from provisioner.ops.converge import STACK_DEADLINE
from provisioner.ops.desired import confirm_caller, freeze, known_databases, present_args, thaw_args, thaw_target
from provisioner.ops.house import House, RegistryView
from provisioner.ops.many import each
from provisioner.ops.operations import new_id, points_in_use, resume, supersede, unfinished
from provisioner.ops.points import Points, wanted
from provisioner.ops.restore import drop_import, without
from provisioner.ops.retire import delete_point

KEY_DAYS = 30


@dataclass(frozen=True, slots=True)
class Pruned:
    """What goes of one tenant, and what stays and why. `databases`: replaced ones whose days are over. `cut_off`:
    operations that a process began which is gone; they go on first."""

    tenant: str
    gone: list[str] = field(default_factory=list)
    databases: list[str] = field(default_factory=list)
    cut_off: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)
    error: ProvisionError | None = None


def look(house: House, tenant_id: str, policy: BackupPolicy) -> Pruned:
    """What would go now. Changes nothing. A failed point whose operation goes on is made good by that."""
    points, now = house.ledger.points(tenant=tenant_id), house.clock.now()
    over = expired(points, policy, now)
    in_use = points_in_use(house, tenant_id) | way_back.needed(house, tenant_id, over)
    changing = unfinished(house, tenant_id)
    waiting = {o.id for o in (changing, unfinished(house, tenant_id, "backup")) if o}
    upgrades = changing is not None and changing.kind == "upgrade"  # its second machine is no part of what an end makes
    return Pruned(
        tenant_id,
        [p.id for p in over if p.operation_id not in waiting and p.id not in in_use],
        [suffix for suffix, day in replaced(house, tenant_id).items() if day < now.date() and not upgrades],
        [o.id for o in (unfinished(house, tenant_id, "prune"), unfinished(house, tenant_id, "end-database")) if own(o)],
        kept(points, policy, now),
    )


def own(operation: Operation | None) -> TypeGuard[Operation]:
    """Whether it prunes. The end of a database can belong to a restore that is given up, too: then its command goes on
    with it."""
    return operation is not None and not operation.payload.get("abandons")


def replaced(house: House, tenant_id: str) -> dict[str, date]:
    """Databases that a restore replaced, by suffix, with the last day on which each is kept."""
    fact = house.ledger.fact(tenant_id, "databases")
    known: Any = fact.value if fact else {"databases": [], "until": {}}
    waiting = {d["suffix"] for d in known["databases"] if d["kept"]}
    return {s: date.fromisoformat(day) for s, day in known["until"].items() if s in waiting}


def prune(
    house: House, registry: RegistryView, tenants: Sequence[Tenant], progress: Progress, *, at_once: int = 8
) -> list[Pruned]:
    """Carry it out for all of them; one that can't be pruned is an answer, not an end."""

    def one(tenant: Tenant) -> Pruned:
        found = look(house, tenant.id, tenant.backup)
        try:
            for operation_id in found.cut_off:
                resume(house, operation_id, progress)
            if found.cut_off:
                found = replace(look(house, tenant.id, tenant.backup), cut_off=found.cut_off)
            if found.gone:
                done: Any = _run(
                    house, registry, tenant, "prune", progress, points=found.gone, policy=asdict(tenant.backup)
                )
                found = replace(found, gone=done["gone"])
            for database in known_databases(house, tenant.id):
                if database.suffix in found.databases:
                    end_database(house, registry, tenant, database, progress, days=tenant.backup.final_days)
        except ProvisionError as error:
            return replace(found, error=error)
        return found

    return each(house, tenants, one, at_once=at_once)


def end_database(
    house: House,
    registry: RegistryView,
    tenant: Tenant,
    database: DatabaseArgs,
    progress: Progress,
    *,
    days: int | None = None,
    abandons: str | None = None,
) -> None:
    """End one of a tenant's databases that doesn't serve. With `days` it leaves a recovery point that is kept for so
    long. `abandons`: the restore that made it, and is given up."""
    operation_id = new_id(house.clock)
    now = house.clock.now()
    point = (
        wanted(tenant.id, tenant.backup, operation_id, PointKind.REPLACED, now, days=days) if days is not None else None
    )
    _run(
        house,
        registry,
        tenant,
        "end-database",
        progress,
        database=asdict(database),
        point=point,
        operation_id=operation_id,
        abandons=abandons,
    )


def prune_retired(house: House, tenant_id: str, progress: Progress) -> None:
    """The last recovery point of a retired tenant, when its day is over, and the key that only it needed. Retention
    doesn't judge here: it keeps the newest of a tenant that lives."""
    waiting = unfinished(house, tenant_id, "prune")
    if waiting is not None:
        resume(house, waiting.id, progress)  # a key may still be there, and no point any more that names it
        return
    today = house.clock.now().date()
    gone = [p.id for p in house.ledger.points(tenant=tenant_id) if p.expires is not None and p.expires < today]
    last = next(iter(house.ledger.operations(tenant=tenant_id, kinds=("retire",), limit=1)), None)
    if not gone or last is None:
        return
    payload = {k: last.payload[k] for k in ("registry", "target", "args", "digest")}
    confirm_caller(house, payload, progress)
    house.operations.run("prune", new_id(house.clock), tenant_id, {**payload, "points": gone}, progress)


def _run(
    house: House,
    registry: RegistryView,
    tenant: Tenant,
    kind: str,
    progress: Progress,
    *,
    operation_id: str | None = None,
    **more: Any,
) -> JsonDict:
    waiting = unfinished(house, tenant.id, kind)
    if waiting is not None and kind == "prune":
        supersede(house, waiting, "what may go was looked up again")  # its list is of another day
    elif waiting is not None:
        return resume(house, waiting.id, progress)
    also = (Lifecycle.RESTORING, Lifecycle.FAILED) if more.get("abandons") else (Lifecycle.SUSPENDED,)
    release = active(house, tenant.id, "pruned", *also)
    payload = freeze(house, registry, tenant, present_args(house, registry, tenant, release), **more)
    confirm_caller(house, payload, progress)
    return house.operations.run(kind, operation_id or new_id(house.clock), tenant.id, payload, progress)


class Prune:
    """Steps of `prune` and `end-database`, over one house."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._points = Points(house)

    def definitions(self) -> dict[str, OperationDefinition]:
        """Both kinds by name."""
        end = tuple(OperationStepDefinition(n, getattr(self, n)) for n in ("release", "delete", "record"))
        return {
            "prune": OperationDefinition(
                "prune", "old recovery points are being deleted", (OperationStepDefinition("prune", self.prune),)
            ),
            "end-database": OperationDefinition("end-database", "a replaced database is being ended", end),
        }

    def prune(self, ctx: StepContext) -> JsonDict:
        """Delete the chosen points that may still go: a drill may have proven one meanwhile, or begun with it. Then the
        keys that nothing needs any more."""
        may_go, gone = self._may_go(ctx), []
        chosen: Any = ctx.payload["points"]
        for point_id in chosen:
            point = self._house.ledger.point(point_id)
            if point is not None and point.status is not PointStatus.DELETED and point_id in may_go:
                delete_point(self._house, ctx, point)
            if point is not None and (point.status is PointStatus.DELETED or point_id in may_go):
                gone.append(point_id)
        orphans = self._orphans(ctx)
        if orphans:
            _, cloud = self._points.place(ctx)
            for key in sorted(orphans):
                cloud.retire_key(key, KEY_DAYS)
        return {"gone": list(gone)}

    def _orphans(self, ctx: StepContext) -> set[str]:
        """Keys of deleted points that no point needs any more, and no tenant: one that lives has its own, also where an
        earlier tenant of its id left one. Those that an earlier try didn't come to are among them."""
        record, points = (
            self._house.ledger.tenant(ctx.tenant),
            self._house.ledger.points(tenant=ctx.tenant, deleted=True),
        )
        needed = {p.key for p in points if p.status is not PointStatus.DELETED}
        orphans = {p.key for p in points} - needed - {""}
        if orphans and record is not None and record.lifecycle is not Lifecycle.RETIRED:
            orphans.discard(self._points.outputs(ctx).key_arn)
        return orphans

    def _may_go(self, ctx: StepContext) -> set[str]:
        """Ids of the points that may be deleted now, under the lease."""
        record, today = self._house.ledger.tenant(ctx.tenant), self._house.clock.now().date()
        if record is None or record.lifecycle is Lifecycle.RETIRED:
            points = self._house.ledger.points(tenant=ctx.tenant)
            over = {p.id for p in points if p.expires is not None and p.expires < today}
            return over - points_in_use(self._house, ctx.tenant)
        policy: Any = ctx.payload.get("policy")
        return set(look(self._house, ctx.tenant, BackupPolicy(**policy)).gone) if policy else set()

    def release(self, ctx: StepContext) -> JsonDict:
        """Its protection goes. Deletes obey the *state*: this must be applied first. One that never served has none; it
        needs this only where a process died while it was made: what isn't in the state isn't deleted either."""
        args, cloud = self._points.place(ctx)
        database = _database(ctx)
        name = args.identifier(database)
        served, there = any(d.suffix == database.suffix for d in args.databases), cloud.database(name) is not None
        if served:
            wake_database(self._house, ctx, cloud, name)
        if there and (served or not self._stated(ctx, args, database)):
            self._up(ctx, 0)
        return {"database": database.suffix}

    def delete(self, ctx: StepContext) -> JsonDict:
        """It goes, with the last snapshot that it was given a name for. One that was protected and is gone leaves the
        state by being read."""
        args, cloud = self._points.place(ctx)
        database = _database(ctx)
        served = any(d.suffix == database.suffix for d in args.databases)
        self._up(ctx, 1, refresh=served and cloud.database(args.identifier(database)) is None)
        return {"database": _database(ctx).suffix}

    def record(self, ctx: StepContext) -> JsonDict:
        """The tenant has one database less, and one recovery point more."""
        args, suffix = thaw_args(ctx.payload), _database(ctx).suffix
        left = [asdict(d) for d in args.databases if d.suffix != suffix]
        ends = {s: day.isoformat() for s, day in replaced(self._house, ctx.tenant).items() if s != suffix}
        point = self._final(ctx)
        if point is not None:
            self._house.ledger.save_point(point)
        known = self._house.ledger.fact(ctx.tenant, "databases")
        since = known.value.get("since", {}) if known else {}
        self._house.ledger.observe(ctx.tenant, "databases", {"databases": left, "until": ends, "since": since})
        if ctx.payload.get("abandons"):
            self._given_up(ctx, str(ctx.payload["abandons"]))
        return {"point": point.id if point else None}

    def _given_up(self, ctx: StepContext, operation_id: str) -> None:
        """The restore that made it is over, and the tenant is what it was before."""
        _, cloud = self._points.place(ctx)
        drop_import(cloud, ctx.tenant, _database(ctx))
        ledger = self._house.ledger
        restore, record = ledger.operation(operation_id), ledger.tenant(ctx.tenant)
        if restore is not None and record is not None and record.lifecycle is Lifecycle.RESTORING:
            goal = Lifecycle(str(restore.payload["was"]))
            ledger.set_lifecycle(ctx.tenant, goal, operation_id=ctx.operation_id)
        ledger.set_operation(operation_id, OperationStatus.CANCELLED, error="given up")

    def _stated(self, ctx: StepContext, args: StackArgs, database: DatabaseArgs) -> bool:
        """Whether the stack's state has the database."""
        found: Any = self._house.engine(thaw_target(ctx.payload)).export(self._house.stack(args))
        resources = found["deployment"]["resources"] if found else []
        urn = f"aws:rds/instance:Instance::database-{database.suffix}"
        return any(str(r["urn"]).endswith(urn) for r in resources)

    def _final(self, ctx: StepContext) -> RecoveryPoint | None:
        """The recovery point of the deleted database's last snapshot."""
        part: Any = ctx.payload.get("point")
        args, cloud = self._points.place(ctx)
        found = cloud.snapshot(part["id"]) if part else None
        if found is None:
            return None
        # A restore may have brought another release: its point of the present says what this one had.
        known = self._house.ledger.points(tenant=ctx.tenant, deleted=True)
        last = next((p for p in known if p.database == found.database), None)
        return RecoveryPoint(
            id=found.name,
            tenant=ctx.tenant,
            target=args.target,
            region=args.region,
            kind=PointKind.REPLACED,
            status=PointStatus.AVAILABLE,
            database=found.database,
            release=last.release if last else args.release,
            schema_version=last.schema_version if last else args.schema,
            config_digest=None,
            key=found.key or "",
            taken_at=found.taken_at or self._house.clock.now(),
            size_gib=found.size_gib,
            expires=date.fromisoformat(part["expires"]),
            operation_id=ctx.operation_id,
        )

    def _up(self, ctx: StepContext, stage: int, *, refresh: bool = False) -> None:
        """One of the two stages of its end. The firewall lets this one deletion pass, and no other."""
        args, database = thaw_args(ctx.payload), _database(ctx)
        suffix = database.suffix
        if all(d.suffix != suffix for d in args.databases):  # of a restore that never came to serve
            args = replace(args, databases=(*args.databases, replace(database, kept=True)))
        part: Any = ctx.payload.get("point")
        target = thaw_target(ctx.payload)
        self._house.ready(target)
        engine = self._house.engine(target)
        wanted_args = without(args, suffix, final=part["id"] if part else None)[stage]
        stack, today = self._house.stack(wanted_args), self._house.clock.now().date()
        name = f"database-{suffix}" if suffix else "database"
        allowed = Waiver(name, "delete", "provision", "its days after a restore are over", today)
        plan = engine.preview(stack, RunOptions(refresh=refresh, cancel=ctx.cancel, deadline=STACK_DEADLINE))
        # One that a dead process was making isn't in the state yet: it is taken over first.
        waivers, makes = ((allowed,), ()) if stage else ((), (name,))
        guard.check(self._house, ctx.tenant, target, stack, plan, waivers, makes=makes)
        options = RunOptions(
            refresh=refresh, progress=ctx.progress, cancel=ctx.cancel, deadline=STACK_DEADLINE, guard=ctx.guard
        )
        engine.up(stack, options)


def _database(ctx: StepContext) -> DatabaseArgs:
    """The database that ends."""
    return DatabaseArgs(**ctx.payload["database"])  # type: ignore[arg-type]
