"""What `provision worker` does: schedules, and what others handed over or left behind.

Several workers may run on one ledger. What is due is derived from the ledger alone, an operation's id from its
schedule, and its lease decides who does it: the loser finds it done, or held, and goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from provisioner.model.due import backup_due, drift_due, drill_due, scan_due, slot
from provisioner.model.json import digest
from provisioner.model.ledger import Fact, Operation, OperationStatus, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.patch.scan import FACT as PATCHES
from provisioner.model.ports import Progress
from provisioner.model.recovery import PointKind, PointStatus, Verdict
from provisioner.model.tenant import Tenant
from provisioner.ops import backup, drift, drill, offboard, prune, reaping, rest, watch
from provisioner.ops.allowed import due_day
from provisioner.ops.house import House, RegistryView
from provisioner.ops.lanes import NOTHING, Done, Job, Lanes, Patience
from provisioner.ops.operations import UNFINISHED, resume, unfinished
from provisioner.ops.operations import find as find_operation
from provisioner.ops.patch import look as patching
from provisioner.ops.rollout import find
from provisioner.ops.rollout.drive import drive

# RDS lets a database rest for seven days; before that the cloud needn't be asked.
RDS_STARTS_AFTER = timedelta(days=6, hours=12)
# A process that was started for it would have begun by then.
HANDED_OVER = timedelta(seconds=30)
_BEGUN = tuple(s for s in UNFINISHED if s is not OperationStatus.QUEUED)
# What a worker begins by itself; a backup is in `_of_active`, because it may have to begin anew.
_GONE_ON_WITH = ("drill", "rehearse", "reap", "prune", "end-database", "retire")


class Worker:
    """Looks again and again, while what is long goes on. `told` is called with each end and the seconds until the job
    is tried again (None where it didn't fail), from a thread of the job's own."""

    def __init__(
        self, house: House, progress: Progress, told: Callable[[Done, float | None], None], *, at_once: int = 4
    ) -> None:
        self._house = house
        self._patience = Patience(house.clock)
        self._lanes = Lanes(progress, lambda _, end: told(end, self._patience.note(end)), at_once=at_once)

    def look(self) -> None:
        """Begin what is due now and isn't left alone for a while."""
        jobs = due(self._house, self._house.registry().load())
        self._lanes.offer([job for job in jobs if self._patience.ready(job)])

    def stop(self) -> None:
        """Begin nothing more."""
        self._lanes.stop()


def tick(house: House, progress: Progress, *, at_once: int = 4) -> list[Done]:
    """Do all that is due now, and wait for it. What had nothing to do isn't told."""
    return _all(house, due(house, house.registry().load()), progress, at_once=at_once)


def reap(house: House, progress: Progress) -> list[Done]:
    """Go on with drills whose process is gone, and end the quarantines of goodbyes whose process is: what they made
    ends."""
    kinds = ("drill", "rehearse", "reap")
    return _all(house, [job for job in _left_behind(house) if job.what in kinds], progress, at_once=4)


def _all(house: House, jobs: Sequence[Job], progress: Progress, *, at_once: int) -> list[Done]:
    """In the order of the jobs. ^C asks every running operation to stop, and each stays resumable."""
    ends: dict[int, Done] = {}

    def told(job: Job, end: Done) -> None:
        ends[id(job)] = end

    lanes = Lanes(progress, told, at_once=at_once)
    try:
        lanes.offer(jobs)
        lanes.wait()
    except BaseException:
        lanes.stop()
        house.operations.close()
        raise
    found = [ends[id(job)] for job in jobs if id(job) in ends]
    return [end for end in found if end.outcome != "idle"]


def due(house: House, registry: RegistryView) -> list[Job]:
    """All that is due, by the ledger alone: the cloud is asked by jobs only. What was left behind comes first."""
    tenants, now = {t.id: t for t in registry.tenants()}, house.clock.now()
    jobs = _left_behind(house)
    jobs += _looked("rollouts", lambda: (_driven(house, record.id) for record in find.stranded(house)))
    jobs += _looked("notices", partial(watch.of_fleet, house, registry))
    for record in house.records():
        jobs += _looked(record.id, partial(_of, house, registry, tenants.get(record.id), record, now))
    return jobs


def _looked(tenant: str, look: Callable[[], Iterator[Job]]) -> list[Job]:
    """What a look finds. Where it fails, a job says so: what is due for the others is looked for all the same."""
    try:
        return list(look())
    except Exception as error:  # noqa: BLE001 - the job raises it
        return [Job(tenant, "look", "what is due couldn't be told", partial(_raise, error))]


def _raise(error: Exception, _: Progress) -> None:
    raise error


def _of(
    house: House, registry: RegistryView, tenant: Tenant | None, record: TenantRecord, now: datetime
) -> Iterator[Job]:
    if tenant is not None and record.lifecycle is Lifecycle.ACTIVE:
        yield from _of_active(house, registry, tenant, record, now)
    elif tenant is not None and record.lifecycle is Lifecycle.UPDATING:
        yield from watch.of_cut_off(house, registry, tenant, record, now)
    elif record.lifecycle is Lifecycle.SUSPENDED:
        yield from _of_suspended(house, registry, record, now)
    elif record.lifecycle is Lifecycle.RETIRED:
        yield from _of_retired(house, record, now)


def _left_behind(house: House) -> list[Job]:
    """Operations that were handed over and not begun, and what a worker begins by itself and didn't end: a quarantine
    must go, and so must what is half deleted."""
    queued = house.ledger.operations(statuses=(OperationStatus.QUEUED,), limit=200)
    old = [o for o in queued if house.clock.now() - o.started_at > HANDED_OVER]
    jobs = [_again(house, operation, "was handed over") for operation in old]
    for operation in house.ledger.operations(statuses=_BEGUN, kinds=_GONE_ON_WITH, limit=200):
        jobs += _looked(operation.tenant, partial(_of_begun, house, operation))
    for operation in reaping.left(house, "offboard"):
        if unfinished(house, operation.tenant, "reap") is None:
            why = f"offboarding {operation.id} left a quarantine, and nobody is at it"
            jobs.append(Job(operation.tenant, "reap", why, partial(_reap, house, operation.id)))
    return jobs


def _of_begun(house: House, operation: Operation) -> Iterator[Job]:
    beside = operation.kind in ("drill", "rehearse")
    subject = f"{operation.tenant}/{operation.kind}" if beside else operation.tenant
    if _is_ours(house, operation) and house.ledger.lease(subject) is None:
        yield _again(house, operation, "was begun, and nobody is at it")


def _driven(house: House, rollout_id: str) -> Job:
    """A rollout that was handed over, or whose driver is gone."""

    def run(progress: Progress) -> None:
        error = find.stopped(drive(house, rollout_id, progress))
        if error is not None:
            raise error

    return Job(rollout_id, "rollout", "nobody drives it", run)


def _reap(house: House, operation_id: str, progress: Progress) -> object:
    return None if reaping.reap(house, operation_id, progress) else NOTHING


def _is_ours(house: House, operation: Operation) -> bool:
    """A drill is, whoever began it, and the end of a quarantine. A destruction that an operator began, and a restore
    that one gives up, wait for that operator; and what something newer came after is over."""
    if operation.kind in ("drill", "rehearse", "reap"):
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
        if find_operation(house, operation.id).status not in UNFINISHED:
            return NOTHING  # another worker was faster
        return resume(house, operation.id, progress)

    return Job(operation.tenant, operation.kind, f"operation {operation.id} {why}", run)


def _of_active(
    house: House, registry: RegistryView, tenant: Tenant, record: TenantRecord, now: datetime
) -> Iterator[Job]:
    policy = tenant.backup
    if _backup_due(house, tenant, now):
        yield Job(tenant.id, "backup", f"every {policy.every_hours} h", partial(_back_up, house, registry, tenant))
    found = prune.look(house, tenant.id, policy)
    if found.gone or found.databases:
        yield Job(tenant.id, "prune", "retention", partial(_prune, house, registry, tenant))
    # A backup that is gone on with comes before it.
    if _drill_due(house, tenant, record.facts.get("drill"), now, PointStatus.AVAILABLE, PointStatus.CREATING):
        yield Job(tenant.id, "drill", f"every {policy.drill_days} days", partial(_prove, house, registry, tenant))
    if _drift_due(tenant, record.facts.get("drift"), now):
        yield Job(tenant.id, "drift", f"every {tenant.drift_hours} h", partial(_look, house, registry, tenant))
    if _scan_due(tenant, record, now):
        yield Job(tenant.id, "scan", f"every {tenant.patch.scan_hours} h", partial(_scan, house, tenant))
    yield from watch.of_active(house, registry, tenant, record, now)


def _drift_due(tenant: Tenant, last: Fact | None, now: datetime) -> bool:
    return drift_due(last.at if last else None, tenant.drift_hours, now)


def _look(house: House, registry: RegistryView, tenant: Tenant, _: Progress) -> object:
    """Somebody may have looked since. What is being changed is looked at when that has ended. A plan that the firewall
    would refuse was looked at all the same."""
    if not _drift_due(tenant, house.ledger.fact(tenant.id, "drift"), house.clock.now()):
        return NOTHING
    [found] = drift.look(house, registry, [tenant]).tenants
    if found.error is not None:
        raise found.error
    return NOTHING if found.standing == "skipped" else found


def _scan_due(tenant: Tenant, record: TenantRecord | None, now: datetime) -> bool:
    """For patches. A machine that is new is looked at once."""
    facts = record.facts if record else {}
    last, serving = facts.get(PATCHES), facts.get("machine")
    if serving is None:
        return False
    other = last is not None and last.value["machine"] != serving.value.get("id")
    return scan_due(last.at if last else None, tenant.patch.scan_hours, now, other_machine=other)


def _scan(house: House, tenant: Tenant, progress: Progress) -> object:
    """Somebody may have looked since. What is being changed is looked at when that has ended."""
    due_now = _scan_due(tenant, house.ledger.tenant(tenant.id), house.clock.now())
    if not due_now or house.ledger.lease(tenant.id) is not None:
        return NOTHING
    return patching.scan_one(house, tenant, progress)


def _backup_due(house: House, tenant: Tenant, now: datetime) -> bool:
    cut_off = _cut_off_backup(house, tenant.id) is not None
    return cut_off or backup_due(house.ledger.points(tenant=tenant.id), tenant.backup, now)


def _back_up(house: House, registry: RegistryView, tenant: Tenant, progress: Progress) -> object:
    """Somebody may have made one since the look."""
    now, policy, waiting = house.clock.now(), tenant.backup, _cut_off_backup(house, tenant.id)
    if not _backup_due(house, tenant, now):
        return NOTHING
    in_time = scheduled_id(tenant.id, "backup", slot(policy, now), timedelta(hours=policy.every_hours))
    operation_id = waiting.id if waiting else in_time
    return backup.create_one(house, registry, tenant, progress, kind=PointKind.SCHEDULED, operation_id=operation_id)


def _drill_due(house: House, tenant: Tenant, last: Fact | None, now: datetime, *has: PointStatus) -> bool:
    """`has`: what one of its recovery points must be."""
    if unfinished(house, tenant.id, "drill") is not None:
        return False
    verdict = Verdict(str(last.value["verdict"])) if last else None
    waits = drill_due(last.at if last else None, verdict, tenant.backup, now)
    return waits and any(p.status in has for p in drill.own_points(house, tenant.id))


def _prove(house: House, registry: RegistryView, tenant: Tenant, progress: Progress) -> object:
    """Somebody may have drilled it since the look. One that couldn't tell is tried again on another day: the id is of
    the day."""
    now, last = house.clock.now(), house.ledger.fact(tenant.id, "drill")
    if not _drill_due(house, tenant, last, now, PointStatus.AVAILABLE):
        return NOTHING
    operation_id = scheduled_id(tenant.id, "drill", int(now.timestamp()) // 86_400, timedelta(days=1))
    return drill.drill_one(house, registry, tenant, progress, operation_id=operation_id)


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
    if day is not None and day <= now.date():
        yield Job(record.id, "retire", f"its grace period ended on {day}", partial(_retire, house, record.id, day))
    elif record.id in registry.tenant_ids() and now - record.updated_at > RDS_STARTS_AFTER:
        why = "RDS started its database again"
        yield Job(record.id, "stop", why, partial(_stop_again, house, registry, record.id))


def _stop_again(house: House, registry: RegistryView, tenant_id: str, progress: Progress) -> object:
    return rest.stop_again(house, tenant_id, progress) if rest.awake(house, registry, tenant_id) else NOTHING


def _retire(house: House, tenant_id: str, day: date, progress: Progress) -> object:
    """It may have been brought back since the look."""
    if due_day(house.ledger.tenant(tenant_id)) != day:
        return NOTHING
    payload = offboard.propose_retire(house, tenant_id)
    goodbye = offboard.Goodbye(tenant_id, "retire", _retirement(tenant_id, day), payload, day)
    return offboard.carry_out(house, goodbye, progress)


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
