"""What `provision resize` does and prints."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner.cli.ask import confirm
from provisioner.cli.framework import Session
from provisioner.cli.progress import progress
from provisioner.cli.rolling import operator
from provisioner.cli.running import tell_callers
from provisioner.model import prices
from provisioner.model.rollout.windows import shown
from provisioner.model.tenant import Tenant
from provisioner.ops import resize
from provisioner.ops.apply import apply
from provisioner.ops.desired import check_ledger
from provisioner.ops.plan import plan


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: settings with their values."""

    tenant: str
    settings: Mapping[str, str | int]
    reason: str


@dataclass(frozen=True, slots=True)
class Resized:
    """How it stands. `when`: now, or the time of the window; `usd`: what it costs more a month, None where unknown."""

    tenant: str
    state: str
    settings: dict[str, Any]
    when: str | None = None
    usd: float | None = None
    next: str | None = None


def resized(session: Session, wanted: Wanted, *, now: bool, dry_run: bool) -> Resized:
    """Check, ask, write the registry; then apply it, where it may be now."""
    house = session.app
    registry = house.registry().load()
    tenant = registry.tenant(wanted.tenant)
    check_ledger(house, tenant)
    settings = resize.propose(house, tenant, wanted.settings)
    slot = resize.slot(registry, tenant, house.clock.now())
    at_once = now or (slot.at is not None and slot.at <= house.clock.now())
    when = "now" if at_once else shown(slot.at, tenant.time_zone) if slot.at else slot.why
    usd = _costs(tenant, settings)
    if dry_run:
        return Resized(tenant.id, "would be resized", settings, when, usd)
    tell_callers(session, [tenant])
    words = ", ".join(f"{k} {getattr(tenant.sizing, k)} -> {v}" for k, v in settings.items())
    confirm(f"Resize {tenant.id} ({words}), {when}?", yes=session.yes)
    resize.ask(house, tenant, settings, operator(), wanted.reason)
    if not at_once:
        hint = f"provision worker applies it then; sooner: provision resize {tenant.id} ... --now"
        return Resized(tenant.id, "waits for its window", settings, when, usd, hint)
    registry = house.registry().load()
    with progress() as sink:
        done = apply(house, plan(house, registry, [registry.tenant(tenant.id)]), sink)
    resize.finish(house, tenant.id, done)
    return Resized(tenant.id, "resized", settings, when, usd, f"provision show {tenant.id}")


def _costs(tenant: Tenant, settings: Mapping[str, str | int]) -> float | None:
    before = prices.total(prices.monthly(tenant.sizing))
    after = prices.total(prices.monthly(replace(tenant.sizing, **settings)))  # type: ignore[arg-type]
    return None if before is None or after is None else round(after - before, 2)
