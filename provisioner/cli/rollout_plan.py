"""The plan of a rollout as a result: a table, JSON, and Markdown for a pull request."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from provisioner.cli.markdown import LONGEST, document, folded, markdown, named, table, words
from provisioner.cli.plain import plain
from provisioner.cli.results import exit_code
from provisioner.cli.tables import grid, pairs, show
from provisioner.model.errors import ExitCode
from provisioner.model.rollout.frozen import RolloutPlan, Wave
from provisioner.model.rollout.groups import Group, steps, summary, verdict_of
from provisioner.model.rollout.progress import wave_name
from provisioner.model.rollout.verdict import age
from provisioner.model.rollout.windows import shown
from provisioner.ops.rollout.previews import Previews

if TYPE_CHECKING:
    from rich.console import Console

_UNDOS = {
    "code-only": "undone by itself, nothing is lost",
    "needs-restore": "going back needs a restore, which loses what was written since: it stops and asks",
    "one-way": "only goes forward",
}
_PATCHED = {"one-way": "patches stay; only a restore brings the machine of before back, with its data"}


@dataclass(frozen=True, slots=True)
class Planned:
    """What a rollout would do. `previews`: where they were asked for."""

    plan: RolloutPlan
    previews: Previews | None = None

    @property
    def exit_code(self) -> ExitCode:
        """The one code that all failed previews share, or 1."""
        return exit_code(failure.error for failure in (self.previews.failures if self.previews else ()))


def headline(plan: RolloutPlan) -> str:
    """How many, in how many waves, and under which rules."""
    hasty = f", hasty: {plan.strategy.hasty}" if plan.strategy.hasty else ""
    who = f"{_count(len(plan.tenants), 'tenant')} in {_count(len(plan.waves), 'wave')}"
    return f"{who}, {len(plan.left_out)} left out (strategy {plan.strategy.name}{hasty})"


def channel_words(plan: RolloutPlan) -> str | None:
    """Whether a channel moves, and why not; None where that isn't asked."""
    if plan.of_channel is None:
        return None
    if plan.channel is not None:
        return f"{plan.channel} moves to {plan.release} when the last wave is done"
    return f"{plan.of_channel} stays where it is: {plan.stays}"


def undo_words(plan: RolloutPlan) -> list[str]:
    """What going back takes, and for how many."""
    counted = Counter(str(t.undo) for t in plan.tenants.values())
    meanings = _UNDOS | (_PATCHED if plan.work == "patch" else {})
    return [
        f"{_count(counted[undo], 'tenant')} {undo}: {meaning}" for undo, meaning in meanings.items() if counted[undo]
    ]


def left_words(plan: RolloutPlan) -> str:
    """How many are left out for which reason."""
    return ", ".join(f"{n} {why}" for why, n in Counter(str(item.why) for item in plan.left_out).most_common())


def show_short(planned: Planned, console: "Console") -> None:
    """What is about to be begun: no tenant by itself."""
    plan = planned.plan
    pairs(
        console,
        [
            ("rollout", f"{plan.what} on target {plan.target}: {headline(plan)}"),
            ("channel", channel_words(plan)),
            ("steps", summary(steps(plan)) if plan.waves else None),
            ("undo", "\n".join(undo_words(plan))),
            ("left out", left_words(plan)),
        ],
    )
    if plan.waves:
        console.print()
        grid(console, ["wave", "tenants", "not before", "then"], [_wave_row(w) for w in plan.waves], words=True)


@show.register(Planned)
def _(result: Planned, console: "Console") -> None:
    plan = result.plan
    show_short(result, console)
    if plan.waves:
        _show_groups(console, "steps", steps(plan), plan)
        rows = [
            [wave.number, t.id, t.ring, t.from_release, f"{shown(t.earliest)}: {t.reason}"]
            for wave in plan.waves
            for t in wave.tenants
        ]
        console.print()
        grid(console, ["wave", "tenant", "ring", "from", "not before"], rows, words=True)
    if plan.left_out:
        console.print()
        rows = [[item.id, item.why, item.detail] for item in plan.left_out]
        grid(console, ["left out", "why", "in words"], rows, words=True)
    if result.previews is not None:
        _show_groups(console, "previews", result.previews.groups)
        for failure in result.previews.failures:
            console.print()
            known = [("failed", _ids(failure.tenants)), ("", failure.error.message), ("next", failure.error.hint)]
            pairs(console, known)


def _show_groups(console: "Console", title: str, groups: Sequence[Group], plan: RolloutPlan | None = None) -> None:
    console.print()
    console.print(f"{title}: {summary(tuple(groups))}", markup=False, soft_wrap=True)
    for group in groups:
        told = group.differs or [f"{name}: {value}" for name, value in group.facts] or ["nothing changes"]
        verdict = [verdict_of(plan, group)] if plan else []
        pairs(console, [(f"  {len(group.tenants)}", "\n".join([_ids(group.tenants), *told, *verdict]))])


def _wave_row(wave: Wave) -> list[Any]:
    first = min(t.earliest for t in wave.tenants)
    return [f"{wave.number} ({wave.name})", len(wave.tenants), shown(first), _then(wave)]


def _then(wave: Wave) -> str:
    return f"watched for {age(timedelta(minutes=wave.bake_minutes))}" if wave.bake_minutes else ""


def _ids(tenants: Sequence[str], most: int = 10) -> str:
    return ", ".join(tenants[:most]) + (f" and {len(tenants) - most} more" if len(tenants) > most else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


@plain.register
def _(value: Planned) -> Any:
    previews = value.previews
    return {
        **value.plan.json(),
        "digest": value.plan.digest,
        "groups": _plain_groups(steps(value.plan)),
        "previews": None
        if previews is None
        else {
            "groups": _plain_groups(previews.groups),
            "failures": [
                {"tenants": list(f.tenants), "error": f.error.message, "next": f.error.hint} for f in previews.failures
            ],
        },
    }


def _plain_groups(groups: Sequence[Group]) -> Any:
    return [{"tenants": list(g.tenants), "facts": dict(g.facts), "differs": list(g.differs)} for g in groups]


@markdown.register(Planned)
def _(result: Planned) -> str:
    plan = result.plan
    head = f"{headline(plan)}, target {plan.target}, plan {plan.digest[:12]}"
    parts = [
        f"### Rollout {words(plan.what)}",
        words(head),
    ]
    channel = channel_words(plan)
    parts += [words(f"Channel {channel}.")] if channel else []
    if plan.waves:
        rows = [[words(wave_name(w)), named([t.id for t in w.tenants]), _when(w), words(_then(w))] for w in plan.waves]
        parts.append(table(["wave", "tenants", "not before", "then"], rows, LONGEST // 6))
        parts += _markdown_groups("Steps", steps(plan), plan)
    if result.previews is not None:
        parts += _markdown_groups("Previews", result.previews.groups)
        parts += [
            f"**Failed** {named(f.tenants)}: {words(f.error.message[:500])}" for f in result.previews.failures[:5]
        ]
    if plan.waves:
        rows = [
            [str(w.number), f"`{t.id}`", words(t.from_release), shown(t.earliest), words(t.reason), words(t.verdict)]
            for w in plan.waves
            for t in w.tenants
        ]
        columns = ["wave", "tenant", "from", "not before", "why", "verdict"]
        parts.append(folded(f"All {len(plan.tenants)} tenants", table(columns, rows, LONGEST // 4)))
    if plan.left_out:
        rows = [[f"`{item.id}`", words(item.why), words(item.detail)] for item in plan.left_out]
        title = f"Left out: {words(left_words(plan))}"
        parts.append(folded(title, table(["tenant", "why", "in words"], rows, LONGEST // 6)))
    return document(parts)


def _markdown_groups(title: str, groups: Sequence[Group], plan: RolloutPlan | None = None) -> list[str]:
    rows = []
    for group in groups:
        told = [*(group.differs or [f"{name}: {value}" for name, value in group.facts] or ["nothing changes"])]
        told += [verdict_of(plan, group)] if plan else []
        rows.append([named(group.tenants), "<br>".join(words(line) for line in told[:20])])
    table_ = table(["tenants", "what"], rows, LONGEST // 6)
    return [f"**{title}: {summary(tuple(groups))}**", table_ if rows else ""]


def _when(wave: Wave) -> str:
    return shown(min(t.earliest for t in wave.tenants))
