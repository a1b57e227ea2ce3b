"""Results as tables and lines, for a person."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import singledispatch
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from provisioner.cli.results import Intentions, OperationList, Table, TenantList
from provisioner.cli.sandbox_view import SandboxStatus
from provisioner.model.change import Plan, StepOp
from provisioner.model.drift.rules import Weight
from provisioner.model.ledger import Operation
from provisioner.ops.plan import Intention
from provisioner.ops.views import TenantView

if TYPE_CHECKING:
    from rich.console import Console


def age(when: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in the largest unit that fits: "12s", "5m", "3h", "8d"."""
    if when is None:
        return "never"
    seconds = max(0, int(((now or datetime.now(UTC)) - when).total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


_ROOM = 24
"""Columns that words need to be read well below each other."""


def grid(console: "Console", columns: Sequence[str], rows: Sequence[Sequence[Any]], *, words: bool = False) -> None:
    """A plain table: no frame, so that it can be cut with awk. Where it doesn't fit a terminal: a block of lines for
    each row, or, where the last column is `words`, these on several lines if that is enough."""
    texts = [["-" if cell in (None, "") else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    room = console.width - sum(widths[:-1]) - 2 * len(widths)
    if console.is_terminal and room < widths[-1] and not (words and room >= _ROOM):
        for row in texts:
            pairs(console, [(c, v) for c, v in zip(columns, row, strict=True) if v != "-"])
            console.print()
        return
    for number, row in enumerate([[c.upper() for c in columns], *texts]):
        before = "".join(f"{cell.ljust(width)}  " for cell, width in zip(row[:-1], widths, strict=False))
        _hanging(console, before, row[-1], style=None if number else "bold")


@singledispatch
def show(result: Any, console: "Console") -> None:
    """Print one kind of result for a person: where nothing else is said, a line for each of its fields."""
    if not dataclasses.is_dataclass(result):
        raise TypeError(f"no table for {type(result).__name__}")
    pairs(console, [(f.name, _cell(getattr(result, f.name))) for f in dataclasses.fields(result)])


@show.register(TenantList)
def _(result: TenantList, console: "Console") -> None:
    if not result.tenants:
        console.print("no tenants", markup=False)
        return
    columns = ["id", "state", "tier", "region", "ring", "release", "organization", "url"]
    rows = [_list_row(t) for t in result.tenants]
    grid(console, columns, rows)


@show.register(TenantView)
def _(result: TenantView, console: "Console") -> None:
    database = result.database
    where = f"{database['id']} at {database['address']}:{database['port']}" if database else None
    releases = f"desired {result.release.desired}, assigned {result.release.assigned}"
    known = [
        ("id", result.id),
        ("state", result.state + (f": {result.cause}" if result.cause else "")),
        ("url", result.url),
        ("health", f"{result.health.status}, {age(result.health.checked_at)} ago"),
        ("", result.health.detail),
        ("release", f"{releases}, observed {result.release.observed}"),
        ("tier", result.tier),
        ("where", f"target {result.target}, region {result.region}, ring {result.ring}"),
        ("organization", result.organization),
        ("labels", ", ".join(f"{k}={v}" for k, v in result.labels.items())),
        ("machine", result.machine.get("id")),
        ("database", where),
        *_recovery(result.recovery),
        ("drift", _drift(result.drift)),
        ("stack", f"{result.stack['name']}, {result.stack['resources']} resources" if result.stack else None),
        ("operation", f"{result.open_operation} is unfinished" if result.open_operation else None),
        ("lease", f"held by {result.holder}" if result.holder else None),
    ]
    pairs(console, known)


def _recovery(known: dict[str, Any]) -> list[tuple[str, Any]]:
    def ago(name: str) -> str:
        return f"{age(datetime.fromisoformat(known[name]))} ago" if name in known else "never"

    words = f"{known['point']}, {ago('taken_at')}" if "point" in known else "no recovery point"
    return [
        ("backup", f"{words}; last proven {ago('proven_at')}" if known else None),
        ("offboarding", f"may be retired from {known['retired_from']} on" if "retired_from" in known else None),
    ]


def _drift(known: dict[str, Any]) -> str | None:
    if not known:
        return None
    numbers = [f"{known[w.name.lower()]} {w}" for w in Weight if known.get(w.name.lower())]
    return f"{', '.join(numbers) or 'none'}, looked {age(datetime.fromisoformat(known['looked_at']))} ago"


@show.register(Intentions)
def _(result: Intentions, console: "Console") -> None:
    for intention in result.intentions:
        summary = _summary(intention.plan) if intention.plan else ""
        console.print(f"{intention.tenant}: {intention.verdict}: {intention.reason}{summary}", markup=False)
        _changes(console, intention)
        if intention.error is not None and intention.error.hint:
            console.print(f"  next: {intention.error.hint}", markup=False)


@show.register(OperationList)
def _(result: OperationList, console: "Console") -> None:
    rows = [[o.id, o.kind, o.tenant, o.status, age(o.started_at), _length(o), o.error] for o in result.operations]
    grid(console, ["id", "kind", "tenant", "status", "age", "took", "error"], rows)


@show.register(Operation)
def _(result: Operation, console: "Console") -> None:
    pairs(
        console,
        [
            ("id", result.id),
            ("what", f"{result.kind} {result.tenant} on target {result.target}"),
            ("status", result.status),
            ("started", f"{result.started_at:%Y-%m-%d %H:%M:%S} UTC, {age(result.started_at)} ago"),
            ("error", result.error),
            ("next", result.hint),
        ],
    )
    rows = [[s.name, s.status, s.attempts, _length(s), s.error] for s in result.steps]
    grid(console, ["step", "status", "attempts", "took", "error"], rows)


@show.register(Table)
def _(result: Table, console: "Console") -> None:
    grid(console, result.columns, [[row.get(c) for c in result.columns] for row in result.rows])


def pairs(console: "Console", known: Sequence[tuple[str, Any]]) -> None:
    """A line for each name and its value; those without one are left out."""
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        if value not in (None, ""):
            _hanging(console, f"{name:<{width}}  ", str(value))


def _hanging(console: "Console", before: str, words: str, *, style: str | None = None) -> None:
    """Words behind others. On a terminal they are broken below each other."""
    room = console.width - len(before)
    lines = words.splitlines() or [""]
    if console.is_terminal and room >= _ROOM:
        lines = [part for line in lines for part in wrap(line, room, break_on_hyphens=False) or [""]]
    for number, line in enumerate(lines):
        text = (before if number == 0 else " " * len(before)) + line
        console.print(text.rstrip(), style=style, markup=False, soft_wrap=not console.is_terminal or room >= _ROOM)


def _summary(plan: Plan) -> str:
    counts = [f"{n} {op}" for op, n in plan.summary().items() if op != StepOp.SAME]
    same = plan.summary().get(StepOp.SAME, 0)
    return f" ({', '.join([*counts, f'{same} same'])})"


_SIGNS = {StepOp.CREATE: "+", StepOp.UPDATE: "~", StepOp.DELETE: "-", StepOp.IMPORT: "="}


def _changes(console: "Console", intention: Intention) -> None:
    """Every change of a living stack; of a new one the count is enough."""
    if intention.plan is None or intention.verdict == "create":
        return
    for step in intention.plan.changes:
        paths = ", ".join(c.path + ("!" if c.replaces else "") for c in step.changes)
        sign = _SIGNS.get(step.op, "!")
        console.print(f"  {sign} {step.op} {step.type} {step.name}" + (f" [{paths}]" if paths else ""), markup=False)
    planned = {step.urn for step in intention.plan.changes}
    for difference in intention.drift or ():
        if difference.urn not in planned:
            words = f"{difference.type} {difference.name} [{difference.path}] is {difference.after}"
            console.print(f"  ! mend {words}, by hand", markup=False)


def _length(item: Any) -> str | None:
    return f"{(item.ended_at - item.started_at).total_seconds():.1f}s" if item.ended_at else None


def _list_row(t: TenantView) -> list[Any]:
    return [t.id, t.state, t.tier, t.region, t.ring, t.release.assigned or t.release.desired, t.organization, t.url]


@show.register(SandboxStatus)
def _(result: SandboxStatus, console: "Console") -> None:
    if not result.running:
        console.print("the sandbox is not running", markup=False)
        return
    for name, value in result.detail.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            console.print(f"{name}:", markup=False)
            columns = list(dict.fromkeys(key for row in value for key in row))
            grid(console, columns, [[_cell(row.get(c)) for c in columns] for row in value])
        else:
            console.print(f"{name}: {_cell(value)}", markup=False)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {'unknown' if v is None else v}" for k, v in value.items())
    return value
