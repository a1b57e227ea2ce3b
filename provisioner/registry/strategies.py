"""What people write in the registry about rollouts: strategies, freezes and holds."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from provisioner.model.rollout.strategy import Gate, Strategy
from provisioner.registry import fields as f
from provisioner.registry.entry import RECORD, Entry
from provisioner.registry.policy import live

ROLLOUT = live("a rollout keeps the strategy that it was started with", "nothing: the next rollout has it")
FREEZE = live("a rollout keeps the freezes that it was started with, and reports others", "provision rollout pause")
HOLD = live(
    "plans leave the tenant out; a rollout that is under way keeps its plan, and reports it", "provision rollout skip"
)
_STRATEGY = Strategy()
_GATE = Gate()

Rings = Annotated[tuple[f.Ring, ...], Field(strict=False), AfterValidator(f.unique)]
Waves = Annotated[tuple[f.Wave, ...], Field(strict=False), AfterValidator(f.filled), AfterValidator(f.unique)]
Minutes = Annotated[tuple[Annotated[int, Field(ge=0, le=20160)], ...], Field(strict=False), AfterValidator(f.filled)]


class HoldEntry(Entry):
    """The customer declines rollouts. An expired one is ignored, with a warning."""

    until: Annotated[f.Date, HOLD] = Field(description="Last day on which it holds (UTC).")
    reason: Annotated[f.Words, RECORD] = Field(description="Why.")
    name: Annotated[f.Words, RECORD] = Field(description="Who asked for it.")


class FreezeEntry(Entry):
    """A time in which no rollout changes anybody."""

    begin: Annotated[f.Moment, FREEZE] = Field(
        alias="from", description="First day of it, or the time in UTC: 2027-01-31T18:00Z."
    )
    until: Annotated[f.Moment, FREEZE] = Field(description="Last day of it, or the time in UTC when it ends.")
    reason: Annotated[f.Words, RECORD] = Field(description="Why.")
    name: Annotated[f.Words, RECORD] = Field(description="Who ordered it.")
    rings: Annotated[Rings, FREEZE] = Field((), description="Rings that it holds for; without any: all of them.")


class GateEntry(Entry):
    """When a release may serve a tenant: enough right answers of the product's /healthz, over enough time."""

    samples: Annotated[int, Field(ge=1, le=1000), ROLLOUT] = Field(default=_GATE.samples, description="Answers asked.")
    good: Annotated[int, Field(ge=1, le=1000), ROLLOUT] = Field(
        default=_GATE.good, description="So many of them must be right, and the last one."
    )
    seconds: Annotated[int, Field(ge=0, le=86400), ROLLOUT] = Field(
        default=_GATE.seconds, description="Over how long they are spread."
    )
    warm_up: Annotated[int, Field(ge=1, le=3600), ROLLOUT] = Field(
        default=_GATE.warm_up, description="Seconds until the first answer has to be there."
    )
    settle: Annotated[int, Field(ge=0, le=3600), ROLLOUT] = Field(
        default=_GATE.settle, description="Seconds of the same look through the tenant's own address, after the switch."
    )


class StrategyEntry(Entry):
    """How a rollout goes through the fleet."""

    waves: Annotated[Waves, ROLLOUT] = Field(
        default=_STRATEGY.waves,
        description="Each is `ring N`; `N%`, that share of all tenants of the plan, rounded down, but at least one; or "
        "`rest`.",
    )
    bake_minutes: Annotated[Minutes, ROLLOUT] = Field(
        default=_STRATEGY.bake_minutes,
        description="How long each wave is watched before the next; the last number holds for all after it.",
    )
    max_concurrency: Annotated[int, Field(ge=1, le=1000), ROLLOUT] = Field(
        default=_STRATEGY.max_concurrency, description="Most tenants at once."
    )
    ramp: Annotated[bool, ROLLOUT] = Field(
        default=_STRATEGY.ramp, description="Each wave begins with 1 at once, then 2, 4, 8, as tenants succeed."
    )
    per_region: Annotated[int | None, Field(ge=1, le=1000), ROLLOUT] = Field(
        default=None, description="Most tenants at once in one region."
    )
    max_errors: Annotated[f.Errors, ROLLOUT] = Field(
        default=_STRATEGY.max_errors,
        description="Failures that a wave may have: a number, or a share of its tenants, rounded down. With more of "
        "them nothing new is begun, what is under way ends, and the rollout halts.",
    )
    max_errors_total: Annotated[f.Errors | None, ROLLOUT] = Field(
        default=None, description="The same of the whole rollout; without it: as max_errors, of all its tenants."
    )
    strict: Annotated[bool, ROLLOUT] = Field(
        default=_STRATEGY.strict,
        description="Never more at once than failures are left, plus one; with max_errors 0: one at a time.",
    )
    rehearse: Annotated[Literal["none", "first-wave", "all"], ROLLOUT] = Field(
        default=_STRATEGY.rehearse, description="Whose upgrade must be rehearsed before it is made."
    )
    max_wait_days: Annotated[int, Field(ge=1, le=366), ROLLOUT] = Field(
        default=_STRATEGY.max_wait_days, description="Who may not be changed within so many days is left out."
    )
    gate: Annotated[GateEntry, f.SECTION, ROLLOUT] = Field(
        default_factory=GateEntry, description="When a release may serve a tenant."
    )
