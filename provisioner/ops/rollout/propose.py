"""`provision rollout plan`: who would be moved to a release, by registry and ledger alone. Nothing is changed here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.model.errors import RefusedError, UsageError
from provisioner.model.ledger import Fact, TenantRecord
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.rollout.candidate import Candidate
from provisioner.model.rollout.frozen import RolloutPlan, Why
from provisioner.model.rollout.plan import Request, plan
from provisioner.model.suggest import suggest
from provisioner.model.tenant import Tenant
from provisioner.model.versions import version_key
from provisioner.ops.house import House, RegistryView
from provisioner.ops.operations import stuck


@dataclass(frozen=True, slots=True)
class Words:
    """What an operator says. `channel`: whose followers are moved (None: the default one's); `fast`: the reason for
    short bake times; `whole`: all tenants were meant, so that the channel may move when all is done;
    `mend`: who is ill is moved, too."""

    release: str
    channel: str | None = None
    strategy: str | None = None
    fast: str | None = None
    whole: bool = True
    mend: bool = False


def propose(house: House, registry: RegistryView, tenants: Sequence[Tenant], words: Words) -> RolloutPlan:
    """The plan. Raises UsageError for an unknown release, channel or strategy, RefusedError for a yanked release."""
    channel = words.channel or registry.default_channel
    if channel not in registry.channels:
        raise UsageError(f"there is no channel '{channel}'", hint=suggest(channel, registry.channels, "channels"))
    strategy = registry.strategy(words.strategy)
    request = Request(
        release=registry.release(words.release),
        releases=registry.releases,
        target=registry.default_target.name,
        channel=channel,
        strategy=strategy.fast(words.fast) if words.fast else strategy,
        freezes=registry.freezes,
        stays=_stays(registry, channel, words),
        channel_from=registry.channels[channel],
        mend=words.mend,
    )
    return plan(request, candidates(house, tenants), house.clock.now())


def _stays(registry: RegistryView, channel: str, words: Words) -> str | None:
    """Why the channel isn't moved: new tenants of all targets would land where it is."""
    if not words.whole:
        return "only selected tenants are moved"
    if version_key(registry.channels[channel]) >= version_key(words.release):
        return f"it is at {registry.channels[channel]}"
    here = registry.default_target.name
    others = [t for t in registry.tenants() if t.target.name != here and t.channel == channel and t.pin is None]
    if others:
        where = ", ".join(sorted({t.target.name for t in others}))
        return f"{len(others)} of its followers are on {where}; when they are moved, too, set channels/{channel}"
    return None


def check(found: RolloutPlan) -> None:
    """Raise RefusedError where there is nothing to do."""
    if found.waves or (found.channel and any(item.why is Why.THERE for item in found.left_out)):
        return
    reasons = sorted({str(item.why) for item in found.left_out})
    look = f"provision rollout plan {found.release}" if found.work == "upgrade" else "provision patch plan"
    stays = f", and channel {found.of_channel} stays where it is: {found.stays}" if found.stays else ""
    raise RefusedError(
        f"nobody would be {found.moved} ({', '.join(reasons) or 'no tenant was selected'}){stays}; nothing was changed",
        hint=f"why, of each tenant: {look}",
    )


def candidates(house: House, tenants: Sequence[Tenant]) -> list[Candidate]:
    """With what the ledger has of them."""
    records = {r.id: r for r in house.records()}
    return [_candidate(house, t, records.get(t.id)) for t in tenants]


def _candidate(house: House, tenant: Tenant, record: TenantRecord | None) -> Candidate:
    facts = record.facts if record else {}
    left = record is not None and record.lifecycle is Lifecycle.FAILED and stuck(house, tenant.id) is not None
    return Candidate(tenant, record, _sick(facts.get("health")), _newest(facts.get("backup")), left)


def _sick(health: Fact | None) -> str | None:
    """By its last answer."""
    if health is None or health.value.get("status") == "healthy":
        return None
    detail = health.value.get("detail")
    return f"was {health.value.get('status')} at {health.at:%Y-%m-%d %H:%M} UTC" + (f" ({detail})" if detail else "")


def _newest(backup: Fact | None) -> datetime | None:
    taken = backup.value.get("taken_at") if backup else None
    return datetime.fromisoformat(str(taken)) if taken else None
