"""`provision forecast`: when a tenant's disk, database storage, connections and CPU run out, by what was measured.

What can't be told is unknown, with the reason; a tenant that can't be asked is an answer too. The newest answer is kept
as the tenant's fact `forecast`, for whoever only looks at the ledger.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from provisioner.model.cloud import Database, Metric, Reading
from provisioner.model.errors import ProvisionError
from provisioner.model.forecast.forecast import Forecast, Rules, Sample, Verdict, forecast
from provisioner.model.forecast.resources import Growth, Resource, connections, growth
from provisioner.model.json import JsonDict
from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Cloud
from provisioner.model.stack import metrics_namespace
from provisioner.model.tenant import CloudKind, Tenant
from provisioner.ops.house import House

FACT = "forecast"
_GIB = 1024**3
_COARSE, _MIDDLE, _FINE = 3600, 300, 60
# The sandbox may be told to measure faster than CloudWatch would.
_FINE_SANDBOX = 1
_MIDDLE_FOR, _FINE_FOR = timedelta(days=3), timedelta(hours=3)
_ENOUGH = 72  # hours, by which peaks can be compared
_STEADY, _PEAKS = Rules(), Rules(peaks=True)
_GONE = (None, Lifecycle.REQUESTED, Lifecycle.RETIRED)


@dataclass(frozen=True, slots=True)
class Outlook:
    """One resource of a tenant. `unit` of what is used and of the capacity; `grow`: the next step up."""

    resource: Resource
    unit: str
    forecast: Forecast
    grow: Growth | None


@dataclass(frozen=True, slots=True)
class TenantOutlook:
    """All that can run out at a tenant, in the order of `Resource`. `error`: why the cloud couldn't be asked."""

    tenant: str
    outlooks: tuple[Outlook, ...]
    error: ProvisionError | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """A metric, and how much is used at one of its values. `capacity` None: unknown. `absent`: why there is nothing
    that could be measured."""

    resource: Resource
    unit: str
    metric: Metric
    used: Callable[[float], float]
    capacity: float | None
    rules: Rules
    absent: str | None = None


def look(house: House, tenants: Sequence[Tenant], *, parallel: int = 8) -> list[TenantOutlook]:
    """One answer for each tenant, in the given order; each is recorded."""
    records = {r.id: r for r in house.records()}
    with ThreadPoolExecutor(max_workers=max(1, min(parallel, len(tenants)))) as pool:
        found = list(pool.map(lambda t: _look(house, t, records.get(t.id)), tenants))
    for outlook in found:
        if outlook.tenant in records:
            house.ledger.observe(outlook.tenant, FACT, fact(outlook))
    return found


def fact(outlook: TenantOutlook) -> JsonDict:
    """What the ledger keeps: what runs out first and when (None: nothing that is known does), until when nothing that
    is known does, and of what nothing is known."""
    ending = sorted((o for o in outlook.outlooks if o.forecast.at is not None), key=lambda o: _iso(o.forecast.at) or "")
    sure = [o.forecast.until for o in outlook.outlooks if o.forecast.verdict is Verdict.NOT_BEFORE and o.forecast.until]
    soonest = ending[0] if ending else None
    return {
        "resource": str(soonest.resource) if soonest else None,
        "at": _iso(soonest.forecast.at) if soonest else None,
        "earliest": _iso(soonest.forecast.earliest) if soonest else None,
        "latest": _iso(soonest.forecast.latest) if soonest else None,
        "not_before": _iso(min(sure)) if sure else None,
        "unknown": [str(o.resource) for o in outlook.outlooks if o.forecast.verdict is Verdict.UNKNOWN],
    }


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None


def _look(house: House, tenant: Tenant, record: TenantRecord | None) -> TenantOutlook:
    try:
        return TenantOutlook(tenant.id, tuple(_outlooks(house, tenant, record)))
    except ProvisionError as error:
        unknown = tuple(
            Outlook(r, "", Forecast(Verdict.UNKNOWN, why=error.message), growth(r, tenant.sizing)) for r in Resource
        )
        return TenantOutlook(tenant.id, unknown, error)


def _outlooks(house: House, tenant: Tenant, record: TenantRecord | None) -> list[Outlook]:
    reason = _silent(record)
    if reason is not None or record is None:
        unknown = Forecast(Verdict.UNKNOWN, why=reason)
        return [Outlook(r, "", unknown, growth(r, tenant.sizing)) for r in Resource]
    house.ready(tenant.target)
    cloud = house.cloud(tenant.target, tenant.region)
    questions = _questions(tenant, record, cloud)
    now = house.clock.now()
    fine = _FINE_SANDBOX if tenant.target.cloud is CloudKind.SANDBOX else _FINE
    measured = _measured(cloud, questions, now, fine)
    return [
        Outlook(q.resource, q.unit, _answer(q, readings, now), growth(q.resource, tenant.sizing))
        for q, readings in zip(questions, measured, strict=True)
    ]


def _silent(record: TenantRecord | None) -> str | None:
    if record is None or record.lifecycle in _GONE:
        return "there is nothing of it yet"
    return "it is suspended" if record.lifecycle is Lifecycle.SUSPENDED else None


def _measured(cloud: Cloud, questions: Sequence[_Question], now: datetime, fine: int) -> list[list[Reading]]:
    """By the hour, and more finely towards the end: what is young has few hours, and what has begun to run wild can't
    wait for an hour's mean. Peaks are of one kind all along: those of minutes are higher than those of hours."""
    end = now.astimezone(UTC)
    edge = end.replace(minute=0, second=0, microsecond=0)
    metrics = [q.metric for q in questions]
    coarse = cloud.readings(metrics, edge - _STEADY.back, end)
    middle = cloud.readings([replace(m, period=_MIDDLE) for m in metrics], edge - _MIDDLE_FOR, edge - _FINE_FOR)
    finely = cloud.readings([replace(m, period=fine) for m in metrics], edge - _FINE_FOR, end)
    found = []
    for question, hours, minutes, last in zip(questions, coarse, middle, finely, strict=True):
        if question.rules.peaks and len(hours) >= _ENOUGH:
            found.append(hours)
        else:
            found.append([*(r for r in hours if r.at < edge - _MIDDLE_FOR), *minutes, *last])
    return found


def _answer(question: _Question, readings: Sequence[Reading], now: datetime) -> Forecast:
    if question.absent is not None:
        return Forecast(Verdict.UNKNOWN, why=question.absent)
    samples = [Sample(r.at, question.used(r.value)) for r in readings]
    return forecast(samples, question.capacity, now, question.rules)


def _questions(tenant: Tenant, record: TenantRecord, cloud: Cloud) -> list[_Question]:
    machine, identifier = _id(record, "machine"), _id(record, "database")
    database = cloud.database(identifier) if identifier else None
    on_machine = {"InstanceId": machine or "-"}
    on_database = {"DBInstanceIdentifier": identifier or "-"}
    no_machine = None if machine else "no machine is known"
    no_database = None if database else "its database isn't there"
    sandbox = tenant.target.cloud is CloudKind.SANDBOX
    disk = float(tenant.sizing.root_disk_gib)
    storage = _storage(database, grows=not sandbox)
    allocated = float(database.storage_gib or 0) if database else 0.0
    most = connections(tenant.sizing.database_class, sandbox=sandbox)

    def asked(name: str, namespace: str, dimensions: Mapping[str, str], statistic: str = "Average") -> Metric:
        return Metric(namespace, name, dimensions, statistic, _COARSE)

    disk_metric = asked("disk_used_percent", metrics_namespace(tenant.id), {**on_machine, "path": "/"})
    free_metric = asked("FreeStorageSpace", "AWS/RDS", on_database)
    used_metric = asked("DatabaseConnections", "AWS/RDS", on_database, "Maximum")
    cpu_metric = asked("CPUUtilization", "AWS/EC2", on_machine)
    busy_metric = asked("CPUUtilization", "AWS/RDS", on_database)

    def part_of_disk(percent: float) -> float:
        return percent / 100 * disk

    def taken(free: float) -> float:
        return max(0.0, allocated - free / _GIB)

    return [
        _Question(Resource.DISK, "GiB", disk_metric, part_of_disk, disk, _STEADY, no_machine),
        _Question(Resource.STORAGE, "GiB", free_metric, taken, storage, _STEADY, no_database),
        _Question(Resource.CONNECTIONS, "", used_metric, float, most, _PEAKS, no_database),
        _Question(Resource.CPU, "%", cpu_metric, float, 100.0, _PEAKS, no_machine),
        _Question(Resource.DATABASE_CPU, "%", busy_metric, float, 100.0, _PEAKS, no_database),
    ]


def _id(record: TenantRecord, name: str) -> str | None:
    known = record.facts.get(name)
    found = known.value.get("id") if known else None
    return str(found) if found else None


def _storage(database: Database | None, *, grows: bool) -> float | None:
    """What the database's storage can come to: RDS enlarges it by itself up to its limit, the sandbox doesn't."""
    if database is None or not database.storage_gib:
        return None
    return float(max(database.storage_gib, (database.max_storage_gib or 0) if grows else 0))
