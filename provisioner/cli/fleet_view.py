"""What `provision status` prints: who needs a person first, each fact with its age."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from provisioner.cli.plain import plain
from provisioner.cli.tables import age, grid, show
from provisioner.model.drift.rules import Weight as Drift
from provisioner.model.fleet.needs import Weight
from provisioner.model.fleet.standing import Standing
from provisioner.model.fleet.work import Rolling
from provisioner.model.rollout.states import RolloutStatus
from provisioner.ops.fleet import Fleet

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = [
    "id",
    "needs",
    "state",
    "release",
    "health",
    "patched",
    "proven",
    "until full",
    "drift",
    "alarms",
    "open",
    "why",
]
_WORTH_SAYING = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class FleetView:
    """The fleet at one moment; with `needing` only who needs a person."""

    fleet: Fleet
    needing: bool = False

    @property
    def rows(self) -> list[Standing]:
        """Those that are shown."""
        return [s for s in self.fleet.tenants if s.needs or not self.needing]


def changed(before: FleetView | None, after: FleetView) -> list[str]:
    """What is new since the last look, a line for each."""
    old = _lines(before) if before else {}
    new = _lines(after)
    begun = [line for place, line in new.items() if place not in old]
    return begun + [f"over: {line}" for place, line in old.items() if place not in new]


def stranded_words(rolling: Rolling) -> str:
    """A rollout that nobody drives is never silent."""
    return (
        f"rollout {rolling.id} {rolling.what} is {rolling.status}, and nobody drives it (last seen "
        f"{rolling.updated_at:%Y-%m-%d %H:%M} UTC): provision rollout resume {rolling.id}"
    )


def _lines(view: FleetView) -> dict[tuple[str, str], str]:
    lines = {(s.id, n.key): f"{s.id}: {n.weight.word}: {n.why}" for s in view.fleet.tenants for n in s.needs}
    return lines | {(r.id, r.status): f"rollout {r.id} is {r.status}: {r.cause}" for r in view.fleet.rollouts}


@show.register(FleetView)
def _(result: FleetView, console: "Console") -> None:
    fleet = result.fleet
    counts = ", ".join(f"{n} {word}" for word, n in fleet.counts.items() if n)
    console.print(f"{len(fleet.tenants)} tenant(s)" + (f": {counts}" if counts else ""), markup=False)
    for rolling in fleet.rollouts:
        console.print(_rollout(rolling), markup=False, soft_wrap=True)
    if not result.rows:
        return
    console.print()
    grid(console, _COLUMNS, [_cells(s, fleet.at) for s in result.rows], words=True)
    first = next((s.needs[0].next for s in result.rows if s.needs and s.needs[0].next), None)
    if first and result.rows[0].weight > Weight.LATER:
        console.print(f"\nnext: {first}", markup=False, soft_wrap=True)


def _rollout(rolling: Rolling) -> str:
    moved = sum(s.state == "succeeded" for s in rolling.steps)
    words = f"rollout {rolling.id} {rolling.what}: {rolling.status}, {moved} of {len(rolling.steps)} are there"
    if rolling.stranded:
        return f"{words}; nobody drives it: provision rollout resume {rolling.id}"
    if rolling.status in (RolloutStatus.PAUSED, RolloutStatus.HALTED):
        return f"{words}; {rolling.cause}: {rolling.hint or f'provision rollout status {rolling.id}'}"
    return words


def _cells(row: Standing, now: datetime) -> list[Any]:
    why = row.needs[0].why if row.needs else None
    more = f" (and {len(row.needs) - 1} more)" if len(row.needs) > 1 else ""
    return [
        row.id,
        row.weight.word if row.needs else None,
        row.state,
        _release(row),
        _aged(row.health, row.seen.get("health"), now),
        _patched(row, now),
        age(row.proven_at, now),
        _full(row, now),
        _aged(_drift(row), row.seen.get("drift"), now),
        _aged(", ".join(row.firing) or "none" if "alarms" in row.seen else "unknown", row.seen.get("alarms"), now),
        row.task.kind if row.task else row.step if row.rollout else None,
        f"{why}{more}" if why else None,
    ]


def _aged(words: str, seen: datetime | None, now: datetime) -> str:
    return f"{words} ({age(seen, now)})" if seen else words


def _release(row: Standing) -> str | None:
    if row.assigned is None or not row.behind:
        return row.assigned
    return f"{row.assigned} ({row.behind} behind)" if row.behind > 0 else f"{row.assigned} ({-row.behind} ahead)"


def _patched(row: Standing, now: datetime) -> str:
    if "patch" not in row.seen:
        return "unknown"
    left = [f"{n} {word}" for word in ("critical", "important") if (n := row.patches.get(word))]
    ago = age(row.patched_at, now) if row.patched_at else "not yet"
    return _aged(f"{ago}, {' '.join(left)} open" if left else ago, row.seen["patch"], now)


def _full(row: Standing, now: datetime) -> str:
    seen = row.seen.get("forecast")
    if row.full_at is not None:
        left = row.full_at - now
        words = f"{row.resource} {_span(left)}" if left > timedelta() else f"{row.resource} full"
    elif row.not_before is not None and row.not_before - now >= _WORTH_SAYING:
        words = f"over {_span(row.not_before - now)}"
    else:
        words = "unknown"
    return _aged(words, seen, now)


def _span(left: timedelta) -> str:
    hours = max(0, int(left.total_seconds() // 3600))
    return f"{hours}h" if hours < 72 else f"{hours // 24}d"


def _drift(row: Standing) -> str:
    if not row.drift:
        return "unknown"
    found = [f"{n} {w.name.lower()}" for w in Drift if (n := row.drift.get(w.name.lower()))]
    return " ".join(found) or "none"


@plain.register
def _(value: FleetView) -> Any:
    fleet = value.fleet
    return {
        "at": plain(fleet.at),
        "counts": fleet.counts,
        "rollouts": [{**plain(r), "steps": len(r.steps), "stranded": r.stranded} for r in fleet.rollouts],
        "tenants": [_plain(s) for s in value.rows],
    }


def _plain(row: Standing) -> Any:
    needs = [{**plain(n), "weight": n.weight.word} for n in row.needs]
    return {**plain(row), "weight": row.weight.word, "needs": needs}
