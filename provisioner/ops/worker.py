"""What `provision worker` does: schedules, and what others handed over or left behind.

Several workers may run on one ledger. What is due is derived from the ledger alone, an operation's id from its
schedule, and its lease decides who does it: the loser finds it done, or held, and goes on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial

from provisioner.model.due import backup_due, drill_due, slot
from provisioner.model.errors import LeaseHeldError, ProvisionError
from provisioner.model.json import digest
from provisioner.model.ledger import Operation, OperationStatus, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Progress
from provisioner.model.recovery import PointKind
from provisioner.model.tenant import Tenant
from provisioner.ops import backup, drill, offboard, prune, rest
from provisioner.ops.allowed import due_day
from provisioner.ops.house import House, RegistryView
from provisioner.ops.many import each
from provisioner.ops.operations import UNFINISHED, find, resume, unfinished

# RDS lets a database rest for seven days; before that the cloud needn't be asked.
RDS_STARTS_AFTER = timedelta(days=6, hours=12)
# A process that was started for it would have begun by then.
HANDED_OVER = timedelta(seconds=30)
_BEGUN = tuple(s for s in UNFINISHED if s is not OperationStatus.QUEUED)
# What a worker begins by itself; a backup is in `_of_active`, because it may have to begin anew.
_GONE_ON_WITH = ("drill", "prune", "end-database", "retire")


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is due for a tenant, and why."""

    tenant: str
    what: str
    why: str
    run: Callable[[Progress], object]


@dataclass(frozen=True, slots=True)
class Done:
    """How a job ended. `outcome`: done, held (somebody else is at it), or failed, with the error's words."""

    tenant: str
    what: str
    outcome: str
    detail: str


def tick(house: House, progress: Progress, *, at_once: int = 4) -> list[Done]:
    """Do all that is due now, several tenants at once; a tenant's jobs one after the other."""
    registry = house.registry().load()
    jobs = list(due(house, registry))
    tenants = list(dict.fromkeys(j.tenant for j in jobs))

    def one(tenant: str) -> list[Done]:
        return [_done(job, progress) for job in jobs if job.tenant == tenant]

    return [done for row in each(house, tenants, one, at_once=at_once) for done in row]


def reap(house: House, progress: Progress) -> list[Done]:
    """Go on with drills whose process is gone: what they made ends with them."""
    jobs = [job for job in _left_behind(house, house.clock.now()) if job.what == "drill"]
    return each(house, jobs, lambda job: _done(job, progress), at_once=4)


def due(house: House, registry: RegistryView) -> Iterator[Job]:
    """All that is due, in the order in which it is done: what was left behind comes first."""
    tenants, now = {t.id: t for t in registry.tenants()}, house.clock.now()
    records = house.records()
    yield from _left_behind(house, now)
    for record in records:
        tenant = tenants.get(record.id)
        if tenant is not None and record.lifecycle is Lifecycle.ACTIVE:
            yield from _of_active(house, registry, tenant, record, now)
        elif record.lifecycle is Lifecycle.SUSPENDED:
            yield from _of_suspended(house, registry, record, now)
        elif record.lifecycle is Lifecycle.RETIRED:
            yield from _of_retired(house, record, now)


def _left_behind(house: House, now: datetime) -> Iterator[Job]:
    """Operations that were handed over and not begun, and what a worker begins by itself and didn't end: a quarantine
    must go, and so must what is half deleted."""
    for operation in house.ledger.operations(statuses=(OperationStatus.QUEUED,), limit=200):
        if now - operation.started_at > HANDED_OVER:
            yield _again(house, operation, "was handed over")
    for operation in house.ledger.operations(statuses=_BEGUN, kinds=_GONE_ON_WITH, limit=200):
        subject = f"{operation.tenant}/drill" if operation.kind == "drill" else operation.tenant
        if _is_ours(house, operation) and house.ledger.lease(subject) is None:
            yield _again(house, operation, "was begun, and nobody is at it")


def _is_ours(house: House, operation: Operation) -> bool:
    """A drill is, whoever began it. A destruction that an operator began, and a restore that one gives up, wait for
    that operator; and what something newer came after is over."""
    if operation.kind == "drill":
        return True
    newest = unfinished(house, operation.tenant, operation.kind)
    if newest is None or newest.id != operation.id:
        return False
    if operation.kind != "retire":
        return prune.own(operation)
    record = house.ledger.tenant(operation.tenant)
    fact = record.facts.get("offboarding") if record else None
    day = fact.value.get("due") if fact else None
    return day is not None and operation.id == _retirement(operation.tenant, date.fromisoformat(str(day)))


def _again(house: House, operation: Operation, why: str) -> Job:
    def run(progress: Progress) -> object:
        if find(house, operation.id).status in UNFINISHED:  # else another worker was faster
            resume(house, operation.id, progress)
        return None

    return Job(operation.tenant, operation.kind, f"operation {operation.id} {why}", run)


def _of_active(
    house: House, registry: RegistryView, tenant: Tenant, record: TenantRecord, now: datetime
) -> Iterator[Job]:
    policy, points = tenant.backup, house.ledger.points(tenant=tenant.id)
    waiting = _cut_off_backup(house, tenant.id)
    if waiting is not None or backup_due(points, policy, now):
        in_time = scheduled_id(tenant.id, "backup", slot(policy, now), timedelta(hours=policy.every_hours))
        operation_id = waiting.id if waiting else in_time
        make = partial(backup.create_one, house, registry, tenant, kind=PointKind.SCHEDULED, operation_id=operation_id)
        yield Job(tenant.id, "backup", f"every {policy.every_hours} h", make)
    found = prune.look(house, tenant.id, policy)
    if found.gone or found.databases:
        yield Job(tenant.id, "prune", "retention", partial(_prune, house, registry, tenant))
    fact, under_way = record.facts.get("drill"), unfinished(house, tenant.id, "drill")
    if points and under_way is None and drill_due(fact.at if fact else None, policy, now):
        number = int(now.timestamp()) // (policy.drill_days * 86_400)
        operation_id = scheduled_id(tenant.id, "drill", number, timedelta(days=policy.drill_days))
        prove = partial(drill.drill_one, house, registry, tenant, operation_id=operation_id)
        yield Job(tenant.id, "drill", f"every {policy.drill_days} days", prove)


def _cut_off_backup(house: House, tenant_id: str) -> Operation | None:
    """A recovery point that is only begun is none, and makes the schedule believe that there is one."""
    waiting = unfinished(house, tenant_id, "backup")
    idle = waiting is not None and waiting.status in _BEGUN and house.ledger.lease(tenant_id) is None
    return waiting if idle else None


def _prune(house: House, registry: RegistryView, tenant: Tenant, progress: Progress) -> None:
    for done in prune.prune(house, registry, [tenant], progress):
        if done.error is not None:
            raise done.error


def _of_suspended(house: House, registry: RegistryView, record: TenantRecord, now: datetime) -> Iterator[Job]:
    day = due_day(record)
    known = record.id in registry.tenant_ids()
    if known and now - record.updated_at > RDS_STARTS_AFTER and _awake(house, registry, record.id):
        why = "RDS started its database again"
        yield Job(record.id, "stop", why, lambda progress: rest.stop_again(house, record.id, progress))
    if day is not None and day <= now.date():

        def retire(progress: Progress) -> object:
            if due_day(house.ledger.tenant(record.id)) != day:
                return None  # it was brought back since the worker looked
            payload = offboard.propose_retire(house, record.id)
            goodbye = offboard.Goodbye(record.id, "retire", _retirement(record.id, day), payload, day)
            return offboard.carry_out(house, goodbye, progress)

        yield Job(record.id, "retire", f"its grace period ended on {day}", retire)


def _awake(house: House, registry: RegistryView, tenant_id: str) -> bool:
    """Whether it must be stopped again. Where the cloud doesn't say, the job asks once more, and tells why it can't."""
    try:
        return rest.awake(house, registry, tenant_id)
    except Exception:  # noqa: BLE001 - what is due for the others is looked for all the same
        return True


def _of_retired(house: House, record: TenantRecord, now: datetime) -> Iterator[Job]:
    points = house.ledger.points(tenant=record.id)
    if any(p.expires is not None and p.expires < now.date() for p in points):
        yield Job(
            record.id,
            "prune",
            "the last recovery point of a retired tenant has expired",
            lambda progress: prune.prune_retired(house, record.id, progress),
        )


def scheduled_id(tenant: str, kind: str, number: int, period: timedelta) -> str:
    """The id of a schedule's operation: the same for every worker, sorted by time as any other."""
    milliseconds = int(number * period.total_seconds() * 1000)
    return f"{milliseconds:011x}{digest([tenant, kind, number])[:6]}"


def _retirement(tenant: str, day: date) -> str:
    return scheduled_id(tenant, "retire", day.toordinal(), timedelta(days=1))


def _done(job: Job, progress: Progress) -> Done:
    try:
        job.run(progress)
    except LeaseHeldError as error:
        return Done(job.tenant, job.what, "held", error.message)
    except ProvisionError as error:
        return Done(job.tenant, job.what, "failed", error.message)
    except Exception as error:  # noqa: BLE001 - one tenant's trouble must not stop the others' backups; it is told
        return Done(job.tenant, job.what, "failed", f"{type(error).__name__}: {error}")
    return Done(job.tenant, job.what, "done", job.why)
