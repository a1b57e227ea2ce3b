"""How a tenant stands: what is known of it with the age of each fact, and what of it needs a person. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from provisioner.model.fleet.needs import Need, Weight
from provisioner.model.fleet.rules import needs_of
from provisioner.model.fleet.work import Rolling, RollingStep, Task, Work
from provisioner.model.ledger import Fact, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.tenant import Tenant
from provisioner.model.versions import version_key

_LAST = float("inf")
_PATCHES = ("critical", "important", "medium", "low", "pending_reboot", "deadline_missed", "next_deadline")


@dataclass(frozen=True, slots=True)
class Known:
    """All that is on record of one tenant. Of `tenant` and `record` one may be missing: it was never made, or the
    registry doesn't have it any more."""

    id: str
    tenant: Tenant | None
    record: TenantRecord | None
    task: Task | None = None
    rolling: tuple[Rolling, RollingStep] | None = None

    @property
    def lifecycle(self) -> Lifecycle:
        """Where it is in its life."""
        return self.record.lifecycle if self.record else Lifecycle.REQUESTED

    def fact(self, name: str) -> Fact | None:
        """What was seen last."""
        return self.record.facts.get(name) if self.record else None

    def value(self, name: str) -> Mapping[str, Any]:
        """The same without its age; empty where nothing was seen."""
        fact = self.fact(name)
        return fact.value if fact else {}

    def moment(self, name: str, key: str) -> datetime | None:
        """A time within a fact."""
        text = self.value(name).get(key)
        return datetime.fromisoformat(str(text)) if text else None


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of `provision status`. `behind`: releases between the one that it is on and the one that it should be on
    (negative: it is ahead; None: it can't be told). `patched_at`, `proven_at`: when it was patched, and when a restore
    was proven; `full_at`: when the first of its resources runs out, at the earliest; `seen`: when each fact was seen.
    """

    id: str
    state: str
    tier: str | None
    ring: int | None
    target: str | None
    desired: str | None
    assigned: str | None
    observed: str | None
    behind: int | None
    health: str
    detail: str | None
    patched_at: datetime | None
    patches: Mapping[str, Any]
    proven_at: datetime | None
    backed_up_at: datetime | None
    resource: str | None
    full_at: datetime | None
    not_before: datetime | None
    drift: Mapping[str, Any]
    firing: tuple[str, ...]
    task: Task | None
    rollout: str | None
    step: str | None
    seen: Mapping[str, datetime]
    needs: tuple[Need, ...]

    @property
    def weight(self) -> Weight:
        """Of its most urgent need."""
        return self.needs[0].weight if self.needs else Weight.WELL

    @property
    def order(self) -> tuple[tuple[int, int], float, str]:
        """Who needs a person most comes first; of those who need one for the same, whose time runs out first."""
        first = self.needs[0].order if self.needs else (0, 0)
        return first, self.full_at.timestamp() if self.full_at else _LAST, self.id


def known(
    tenants: Sequence[Tenant], records: Sequence[TenantRecord], work: Work, *, orphans: bool = True
) -> Iterator[Known]:
    """The tenants in their order, then those that only the ledger knows. Who is retired isn't there any more."""
    by_id = {r.id: r for r in records}
    steps = {step.tenant: (rolling, step) for rolling in work.rollouts for step in rolling.steps}
    for tenant in tenants:
        record = by_id.get(tenant.id)
        if record is None or record.lifecycle is not Lifecycle.RETIRED:
            yield Known(tenant.id, tenant, record, work.tasks.get(tenant.id), steps.get(tenant.id))
    if orphans:
        named = {t.id for t in tenants}
        for record in records:
            if record.id not in named and record.lifecycle is not Lifecycle.RETIRED:
                yield Known(record.id, None, record, work.tasks.get(record.id), steps.get(record.id))


def standing(known: Known, releases: Sequence[str], now: datetime) -> Standing:
    """One tenant. `releases`: versions that somebody may be brought to."""
    tenant, record = known.tenant, known.record
    health, forecast, patch = known.value("health"), known.value("forecast"), known.value("patch")
    desired = tenant.desired_release if tenant else None
    assigned = record.assigned_release if record else None
    rolling, step = known.rolling or (None, None)
    return Standing(
        id=known.id,
        state=str(known.lifecycle),
        tier=tenant.tier if tenant else None,
        ring=tenant.ring if tenant else None,
        target=record.target if record else tenant.target.name if tenant else None,
        desired=desired,
        assigned=assigned,
        observed=health.get("release"),
        behind=behind(assigned, desired, releases),
        health=str(health.get("status", "unknown")),
        detail=health.get("detail"),
        patched_at=known.moment("patch", "patched_at"),
        patches={k: patch[k] for k in _PATCHES if k in patch},
        proven_at=known.moment("drill", "proven_at"),
        backed_up_at=known.moment("backup", "taken_at"),
        resource=forecast.get("resource"),
        full_at=known.moment("forecast", "earliest") or known.moment("forecast", "at"),
        not_before=known.moment("forecast", "not_before"),
        drift=dict(known.value("drift")),
        firing=tuple(str(a["name"]) for a in known.value("alarms").get("firing", ())),
        task=known.task,
        rollout=rolling.id if rolling else None,
        step=str(step.state) if step else None,
        seen={name: fact.at for name, fact in record.facts.items()} if record else {},
        needs=tuple(sorted(needs_of(known, now), key=lambda need: need.order)),
    )


def behind(on: str | None, wanted: str | None, releases: Sequence[str]) -> int | None:
    """How many releases one is behind another; negative: ahead."""
    if on is None or wanted is None:
        return None
    low, high = sorted((version_key(on), version_key(wanted)))
    between = sum(low < version_key(r) <= high for r in releases)
    return between if version_key(on) <= version_key(wanted) else -between
