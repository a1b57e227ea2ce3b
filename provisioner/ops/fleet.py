"""`provision status`: how the whole fleet stands, from registry and ledger alone; no cloud and no product is asked."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime

from provisioner.model.errors import ProvisionError
from provisioner.model.fleet.needs import Weight
from provisioner.model.fleet.standing import Standing, known, standing
from provisioner.model.fleet.work import Rolling, RollingStep, Task, Work
from provisioner.model.ledger import TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.ports import Ledger
from provisioner.model.rollout.states import OVER, RolloutStatus
from provisioner.model.tenant import Tenant
from provisioner.ops import alarms
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import CHANGING, UNFINISHED

PROBE_SECONDS = 3.0
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Fleet:
    """The fleet at one moment: who needs a person most comes first."""

    at: datetime
    tenants: list[Standing]
    rollouts: tuple[Rolling, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many tenants are of which weight."""
        counted = Counter(s.weight for s in self.tenants)
        return {w.word: counted[w] for w in sorted(Weight, reverse=True)}


def look(house: House, registry: RegistryView, tenants: Sequence[Tenant], *, orphans: bool = True) -> Fleet:
    """These tenants; with `orphans` also those that only the ledger knows."""
    now, work = house.clock.now(), house.work()
    everyone = set(registry.tenant_ids())
    named = {t.id for t in tenants}
    records = [r for r in house.records() if r.id in named or (orphans and r.id not in everyone)]
    offered = [version for version, release in registry.releases.items() if release.yanked is None]
    rows = [standing(one, offered, now) for one in known(tenants, records, work, orphans=orphans)]
    return Fleet(now, sorted(rows, key=lambda row: row.order), work.rollouts)


def probe(house: House, tenants: Sequence[Tenant]) -> None:
    """Ask the products of these tenants how they are, and the cloud for their alarms; record the answers. 16 at once.
    Where the cloud doesn't answer, the old answer stays, with its age."""
    urls = {r.id: r.facts["url"].value.get("url") for r in house.records() if "url" in r.facts and _serves(r)}

    def one(tenant: Tenant) -> None:
        if urls.get(tenant.id):
            health = house.prober.probe(str(urls[tenant.id]), timeout=PROBE_SECONDS)
            house.ledger.observe(tenant.id, "health", dict(asdict(health)))
            with suppress(ProvisionError):
                alarms.look(house, tenant)

    with ThreadPoolExecutor(max_workers=16) as pool:
        list(pool.map(one, tenants))


def work_of(ledger: Ledger) -> Work:
    """What is under way or was left, of any ledger."""
    tasks: dict[str, Task] = {}
    for tenant in sorted({o.tenant for o in ledger.operations(statuses=UNFINISHED, limit=_MANY)}):
        newest = next(iter(ledger.operations(tenant=tenant, kinds=CHANGING, limit=1)), None)
        if newest is not None and newest.status in UNFINISHED:
            busy = ledger.lease(tenant) is not None
            tasks[tenant] = Task(
                newest.id, newest.kind, tenant, newest.status, newest.started_at, busy, newest.error, newest.hint
            )
    open_ones = [s for s in RolloutStatus if s not in OVER]
    return Work(tasks, tuple(_rolling(ledger, r.id) for r in ledger.rollouts(statuses=open_ones, limit=_MANY)))


def _rolling(ledger: Ledger, rollout_id: str) -> Rolling:
    record = ledger.rollout(rollout_id)
    if record is None:
        raise LookupError(rollout_id)  # no rollout is ever deleted
    driven = ledger.lease(f"rollout/{record.id}") is not None
    steps = tuple(RollingStep(row.tenant, row.state, row.cause) for row in record.rows)
    plan = record.plan
    return Rolling(
        record.id,
        plan.work,
        plan.release,
        record.status,
        record.cause,
        record.hint,
        record.updated_at,
        driven,
        steps,
    )


def _serves(record: TenantRecord) -> bool:
    return record.lifecycle not in (Lifecycle.RETIRED, Lifecycle.SUSPENDED)
