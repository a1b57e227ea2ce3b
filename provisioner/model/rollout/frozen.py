"""A plan of a rollout, as it is frozen when the rollout starts: plain values, JSON both ways, a digest."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from provisioner.model.json import Json, JsonDict, digest
from provisioner.model.rollout.strategy import Gate, Strategy
from provisioner.model.rollout.verdict import Migration, Undo
from provisioner.model.rollout.windows import earliest
from provisioner.model.tenant import Freeze, Window

Work = Literal["upgrade", "patch"]
"""What a rollout does with its tenants."""


class Why(StrEnum):
    """Why a tenant is left out of a plan."""

    THERE = "already there"
    NEWER = "newer"
    PINNED = "pinned"
    HELD = "held"
    OTHER_CHANNEL = "other channel"
    OTHER_TARGET = "other target"
    TOO_OLD = "too old"
    NO_IMAGE = "no image"
    WINDOW = "window"
    FROZEN = "frozen"
    SICK = "sick before"
    SUSPENDED = "suspended"
    RETIRED = "retired"
    FAILED = "failed"
    BUSY = "busy"
    ABSENT = "not there yet"


@dataclass(frozen=True, slots=True)
class PlannedTenant:
    """One step. `earliest`: before that it can't be its turn, if all before it goes well; `reason`: why not earlier.
    `migration` and `undo`: of all releases that the step goes over. `verdict`: what undoing it takes and loses.
    `mends`: it is ill, and that doesn't keep it from being moved. `os_release`: where patches come with another
    machine, what that is to be on; None where they are installed, and in an upgrade."""

    id: str
    ring: int
    region: str
    from_release: str
    migration: Migration
    undo: Undo
    earliest: datetime
    reason: str
    verdict: str
    window: Window | None = None
    time_zone: str = "UTC"
    mends: bool = False
    os_release: str | None = None


@dataclass(frozen=True, slots=True)
class Wave:
    """A batch. `name`: as the strategy has it; `bake_minutes`: how long it is watched before the next one begins."""

    number: int
    name: str
    bake_minutes: int
    tenants: tuple[PlannedTenant, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tenant that was selected and isn't moved. `detail`: the reason in words, with what helps."""

    id: str
    why: Why
    detail: str


@dataclass(frozen=True)
class RolloutPlan:
    """Who is moved to a release, or patched, in which waves, under which rules. `release`: what is rolled out; of
    patches a name for people, and what only a release has is None then. `release_digest`: of the release as the
    registry had it; `channel`: moves when the last wave is done (None: none does, and `stays` says why), and was at
    `channel_from`; `of_channel`: whose followers are moved. `there` and `behind`: how many of the followers are on the
    release already, and how many are left out for another reason. `now`: neither windows nor freezes are waited for."""

    release: str
    release_digest: str | None
    schema_version: int | None
    target: str
    channel: str | None
    channel_from: str | None
    of_channel: str | None
    stays: str | None
    there: int
    behind: int
    strategy: Strategy
    freezes: tuple[Freeze, ...]
    made_at: datetime
    waves: tuple[Wave, ...]
    left_out: tuple[LeftOut, ...]
    work: Work = "upgrade"
    now: bool = False

    @cached_property
    def digest(self) -> str:
        """Of everything in it: two plans of one digest are the same."""
        return digest(self.json())

    @cached_property
    def tenants(self) -> dict[str, PlannedTenant]:
        """All that are moved, by id, in order."""
        return {t.id: t for wave in self.waves for t in wave.tenants}

    @property
    def what(self) -> str:
        """`to 1.1.0`, or `of patches-2026-11-25`."""
        return f"to {self.release}" if self.work == "upgrade" else f"of {self.release}"

    @property
    def moved(self) -> str:
        """What is done to its tenants: `moved to 1.1.0`, or `patched`."""
        return f"moved to {self.release}" if self.work == "upgrade" else "patched"

    @property
    def reached(self) -> str:
        """How those are with whom all went well: `on 1.1.0`, or `patched`."""
        return f"on {self.release}" if self.work == "upgrade" else "patched"

    def goal(self, tenant: str) -> str:
        """The release that a tenant is on when its step is done."""
        return self.release if self.work == "upgrade" else self.tenants[tenant].from_release

    def wave_of(self, tenant: str) -> Wave:
        """The wave of a tenant that is moved. Raises KeyError for any other."""
        return self._wave_of[tenant]

    def when(self, tenant: str) -> JsonDict:
        """The rules of time of one step, for its operation's payload; `legal` reads them."""
        planned = self.tenants[tenant]
        return {
            "window": _json(planned.window),
            "zone": planned.time_zone,
            "ring": planned.ring,
            "freezes": _json(self.freezes),
        }

    def json(self) -> JsonDict:
        """For a ledger, a workflow's input, and people's scripts."""
        return {name: _json(value) for name, value in _values(self)}

    @classmethod
    def of(cls, raw: Any) -> "RolloutPlan":
        """The plan that this JSON was made of."""
        return cls(
            **{
                **raw,
                "strategy": _strategy(raw["strategy"]),
                "freezes": tuple(map(_freeze, raw["freezes"])),
                "made_at": datetime.fromisoformat(raw["made_at"]),
                "waves": tuple(map(_wave, raw["waves"])),
                "left_out": tuple(LeftOut(item["id"], Why(item["why"]), item["detail"]) for item in raw["left_out"]),
            }
        )

    @cached_property
    def _wave_of(self) -> dict[str, Wave]:
        return {t.id: wave for wave in self.waves for t in wave.tenants}


def why_not_now(when: Any, now: datetime) -> str | None:
    """Why a step may not be made at this moment, by its rules of time; None where it may."""
    window, freezes = _window(when["window"]), tuple(map(_freeze, when["freezes"]))
    slot = earliest(now, window, when["zone"], when["ring"], freezes)
    return None if slot.at == now else slot.why


def _values(item: Any) -> Iterator[tuple[str, Any]]:
    return ((f.name, getattr(item, f.name)) for f in fields(item))


def _json(value: Any) -> Json:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _json(inner) for name, inner in _values(value)}
    return str(value) if isinstance(value, StrEnum) else value


def _strategy(raw: Any) -> Strategy:
    lists = {name: tuple(raw[name]) for name in ("waves", "bake_minutes")}
    return Strategy(**{**raw, **lists, "gate": Gate(**raw["gate"])})


def _freeze(raw: Any) -> Freeze:
    times = {name: datetime.fromisoformat(raw[name]) for name in ("start", "end")}
    return Freeze(**{**raw, **times, "rings": tuple(raw["rings"])})


def _wave(raw: Any) -> Wave:
    return Wave(raw["number"], raw["name"], raw["bake_minutes"], tuple(map(_tenant, raw["tenants"])))


def _tenant(raw: Any) -> PlannedTenant:
    values = {"earliest": datetime.fromisoformat(raw["earliest"]), "window": _window(raw["window"])}
    return PlannedTenant(**{**raw, **values})


def _window(raw: Any) -> Window | None:
    return Window(**{**raw, "days": tuple(raw["days"])}) if raw else None
