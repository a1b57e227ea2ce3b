"""Where a rollout is, as a result: a table and JSON, and in words what has changed since the last look."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from provisioner.cli.plain import plain
from provisioner.cli.rollout_plan import channel_words
from provisioner.cli.tables import age, grid, pairs, show
from provisioner.model.errors import CancelledError, ExitCode, ProvisionError
from provisioner.model.ledger import Lease
from provisioner.model.rollout.frozen import Wave
from provisioner.model.rollout.progress import Row, told
from provisioner.model.rollout.record import RolloutRecord
from provisioner.model.rollout.states import DRIVEN, RolloutStatus, StepState
from provisioner.model.rollout.verdict import age as span
from provisioner.model.rollout.windows import shown
from provisioner.ops.house import House
from provisioner.ops.rollout.find import find, lease_of, stopped

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A rollout at one moment. `driver`: who drives it, None where nobody does; `edits`: what the registry says
    otherwise since it was started; `failure`: why the command didn't bring it to a good end."""

    record: RolloutRecord
    driver: Lease | None = None
    edits: tuple[str, ...] = ()
    wide: bool = False
    failure: ProvisionError | None = None

    @property
    def exit_code(self) -> ExitCode:
        """3 where it waits for a person, 8 where it was aborted."""
        return self.failure.exit_code if self.failure else ExitCode.DONE

    @property
    def stranded(self) -> bool:
        """It should go on, and nobody drives it."""
        return self.record.status in DRIVEN and self.driver is None


@dataclass(frozen=True, slots=True)
class RolloutList:
    """Rows of `rollout list`."""

    rollouts: list[RolloutView]


def look(house: House, rollout_id: str | None, **more: Any) -> RolloutView:
    """A rollout as it is now; see `find`."""
    record = find(house, rollout_id)
    return RolloutView(record, house.ledger.lease(lease_of(record.id)), **more)


def unwell(record: RolloutRecord) -> ProvisionError | None:
    """Why it didn't come to a good end, with the next command; None where it did, or still may."""
    if record.status is RolloutStatus.ABORTED:
        said = f"rollout {record.id} {record.plan.what} was {record.cause or 'aborted'}"
        return CancelledError(said, hint=record.hint)
    return stopped(record)


def who(lease: Lease) -> str:
    """Its holder."""
    return f"{lease.holder.user}@{lease.holder.host}, process {lease.holder.pid}"


def changed(before: RolloutView | None, after: RolloutView) -> list[str]:
    """What is new since the last look, a line for each."""
    old = {row.tenant: row for row in before.record.rows} if before else {}
    rows = [row for row in after.record.rows if before and old.get(row.tenant) != row]
    lines = [_told(row) for row in rows]
    if before is None or _where(before) != _where(after):
        lines.append(_where(after))
    if after.stranded and not (before and before.stranded):
        lines.append(f"nobody drives it: provision rollout resume {after.record.id}, or a worker, goes on with it")
    return lines


def _where(view: RolloutView) -> str:
    record = view.record
    return f"rollout {record.id} is {record.status}" + (f": {record.cause}" if record.cause else "")


def _told(row: Row) -> str:
    return told(row) if row.cause else f"{row.tenant} {row.state}"


@show.register(RolloutView)
def _(result: RolloutView, console: "Console") -> None:
    record = result.record
    plan = record.plan
    hasty = f", hasty: {plan.strategy.hasty}" if plan.strategy.hasty else ""
    moves = channel_words(plan)
    pairs(
        console,
        [
            ("id", record.id),
            ("release", f"{plan.release} on target {plan.target} (strategy {plan.strategy.name}{hasty})"),
            ("status", record.status),
            ("cause", record.cause),
            ("asked", "; ".join(_wishes(record))),
            ("next", _next(result)),
            ("driver", _driver(result)),
            ("until", shown(record.until) if record.until and record.status in DRIVEN else None),
            ("channel", moves),
            ("started", f"by {record.by}, {age(record.started_at)} ago"),
        ],
    )
    if plan.waves:
        console.print()
        rows = [_wave_row(record, wave) for wave in plan.waves]
        grid(console, ["wave", "tenants", "then", "of them"], rows, words=True)
    rows = [_tenant_row(record, row) for row in record.rows if result.wide or not _plain_sailing(row)]
    if rows:
        console.print()
        grid(console, ["tenant", "wave", "state", "for", "cause"], rows, words=True)


@show.register(RolloutList)
def _(result: RolloutList, console: "Console") -> None:
    if not result.rollouts:
        console.print("no rollouts", markup=False)
        return
    rows = [
        [v.record.id, v.record.status, age(v.record.started_at), v.record.by, v.record.cause] for v in result.rollouts
    ]
    grid(console, ["id", "status", "age", "by", "cause"], rows, words=True)


def _next(view: RolloutView) -> str | None:
    return f"provision rollout resume {view.record.id}" if view.stranded else view.record.hint


def _driver(view: RolloutView) -> str | None:
    if view.driver is not None:
        return f"{who(view.driver)}, for {age(view.driver.acquired_at)}"
    return "nobody: it is stranded, or waits for a worker" if view.stranded else None


def _wishes(record: RolloutRecord) -> Iterator[str]:
    """What operators asked for, and what isn't followed yet."""
    wishes = record.wishes
    if wishes.pause is not None and record.status in DRIVEN:
        yield f"to pause it, {wishes.pause}"
    if wishes.abort is not None and record.status is not RolloutStatus.ABORTED:
        yield f"to abort it, {wishes.abort}"
    for verb, tenants in (("skip", wishes.skip), ("retry", wishes.retry)):
        if tenants:
            yield f"to {verb} {', '.join(sorted(tenants))}"


def _wave_row(record: RolloutRecord, wave: Wave) -> list[Any]:
    then = f"watched {span(timedelta(minutes=wave.bake_minutes))}" if wave.bake_minutes else ""
    counted = _counts(record, wave)
    return [f"{wave.number} ({wave.name})", len(wave.tenants), then, ", ".join(f"{n} {s}" for s, n in counted.items())]


def _counts(record: RolloutRecord, wave: Wave) -> dict[str, int]:
    """How many of a wave are in which state, in the order of the states."""
    ids = {t.id for t in wave.tenants}
    counted = Counter(row.state for row in record.rows if row.tenant in ids)
    return {str(state): counted[state] for state in StepState if counted[state]}


def _plain_sailing(row: Row) -> bool:
    """Nothing is to be said of it."""
    return row.state is StepState.SUCCEEDED or (row.state is StepState.WAITING and row.cause is None)


def _tenant_row(record: RolloutRecord, row: Row) -> list[Any]:
    since = age(row.ended_at) if row.ended_at else None
    return [row.tenant, record.plan.wave_of(row.tenant).number, row.state, since, row.cause]


@plain.register
def _(value: RolloutView) -> Any:
    record, plan = value.record, value.record.plan
    return {
        **_summary(value),
        "edits": list(value.edits),
        "asked": plain(list(_wishes(record))),
        "waves": [
            {
                "number": w.number,
                "name": w.name,
                "bake_minutes": w.bake_minutes,
                "tenants": len(w.tenants),
                "counts": _counts(record, w),
            }
            for w in plan.waves
        ],
        "tenants": [_plain_tenant(record, row) for row in record.rows],
        "plan": plan.json(),
    }


@plain.register
def _(value: RolloutList) -> Any:
    return [_summary(view) for view in value.rollouts]


def _summary(view: RolloutView) -> dict[str, Any]:
    record, plan = view.record, view.record.plan
    driver = view.driver
    return {
        "id": record.id,
        "release": plan.release,
        "work": plan.work,
        "target": plan.target,
        "status": str(record.status),
        "cause": record.cause,
        "next": _next(view),
        "until": plain(record.until),
        "driver": {"who": who(driver), "since": plain(driver.acquired_at)} if driver else None,
        "stranded": view.stranded,
        "channel": plan.channel,
        "strategy": plan.strategy.name,
        "by": record.by,
        "started_at": plain(record.started_at),
        "updated_at": plain(record.updated_at),
        "digest": plan.digest,
    }


def _plain_tenant(record: RolloutRecord, row: Row) -> dict[str, Any]:
    """Its row, and what was planned of it."""
    planned = record.plan.tenants[row.tenant]
    names = ("ring", "region", "from_release", "migration", "undo")
    return {
        **{f.name: plain(getattr(row, f.name)) for f in fields(row)},
        "wave": record.plan.wave_of(row.tenant).number,
        **{name: getattr(planned, name) for name in names},
    }
