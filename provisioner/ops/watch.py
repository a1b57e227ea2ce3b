"""What a worker looks at by itself, so that `provision status` has something to say: health, alarms and forecasts of
each tenant; and what it does in the tenant's window: sizes that were asked for. Looks are told only where they fail."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from functools import partial

from provisioner.model.errors import ProvisionError
from provisioner.model.fleet.looks import forecast_due, watch_due
from provisioner.model.ledger import TenantRecord
from provisioner.model.ports import Progress
from provisioner.model.tenant import Tenant
from provisioner.ops import alarms, forecast, resize
from provisioner.ops.house import House, RegistryView
from provisioner.ops.lanes import NOTHING, Job
from provisioner.ops.notices import tell as telling
from provisioner.ops.operations import unfinished

_PROBE_SECONDS = 5.0


def of_fleet(house: House, registry: RegistryView) -> Iterator[Job]:
    """Where somebody is told, or something is left to be sent."""
    if registry.notices or house.ledger.notices(due=True, limit=1):
        yield Job(telling.FLEET, "notices", "in each round", partial(_tell, house, registry))


def of_active(
    house: House, registry: RegistryView, tenant: Tenant, record: TenantRecord, now: datetime
) -> Iterator[Job]:
    """Of a tenant that serves."""
    if _watch_due(record, now):
        yield Job(tenant.id, "watch", "health and alarms", partial(_watch, house, tenant))
    if _forecast_due(record, now):
        yield Job(tenant.id, "forecast", "it is due", partial(_forecast, house, tenant))
    if resize.due(registry, tenant, record, now):
        why = f"{resize.asked_of(record).words}, and its window is open"
        yield Job(tenant.id, "resize", why, partial(resize.carry_out, house, registry, tenant))


def of_cut_off(
    house: House, registry: RegistryView, tenant: Tenant, record: TenantRecord, now: datetime
) -> Iterator[Job]:
    """Of one whose `apply` has lost its process: where that was to resize it, it is gone on with."""
    waiting = unfinished(house, tenant.id, "apply") if resize.due(registry, tenant, record, now) else None
    if waiting is not None and house.ledger.lease(tenant.id) is None:
        why = f"{resize.asked_of(record).words}, and was cut off"
        yield Job(tenant.id, "resize", why, partial(resize.carry_out, house, registry, tenant))


def _watch_due(record: TenantRecord, now: datetime) -> bool:
    """The alarms' fact is of no look but this one."""
    fact = record.facts.get(alarms.FACT)
    return watch_due(fact.at if fact else None, now)


def _watch(house: House, tenant: Tenant, _: Progress) -> object:
    """Who is being changed is looked at later: half a change is no illness."""
    record = house.ledger.tenant(tenant.id)
    if record is None or not _watch_due(record, house.clock.now()) or house.ledger.lease(tenant.id) is not None:
        return NOTHING
    url = record.facts["url"].value.get("url") if "url" in record.facts else None
    if url:
        health = house.prober.probe(str(url), timeout=_PROBE_SECONDS)
        if house.ledger.lease(tenant.id) is None:
            house.ledger.observe(tenant.id, "health", dict(asdict(health)))
    alarms.look(house, tenant)
    return NOTHING


def _forecast_due(record: TenantRecord, now: datetime) -> bool:
    fact = record.facts.get(forecast.FACT)
    ends = (fact.value.get("earliest") or fact.value.get("at")) if fact else None
    return forecast_due(fact.at if fact else None, datetime.fromisoformat(str(ends)) if ends else None, now)


def _forecast(house: House, tenant: Tenant, _: Progress) -> object:
    """Somebody may have looked since."""
    record = house.ledger.tenant(tenant.id)
    if record is not None and _forecast_due(record, house.clock.now()):
        [found] = forecast.look(house, [tenant])
        if found.error is not None:
            raise found.error
    return NOTHING


def _tell(house: House, registry: RegistryView, _: Progress) -> object:
    told = telling.tell(house, registry)
    if told.trouble:
        raise ProvisionError("; ".join(told.trouble), hint="look at notices in the registry")
    return NOTHING
