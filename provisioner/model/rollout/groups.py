"""Identical steps, and identical previews, told together: "97 same, 3 different", and in what those differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provisioner.model.change import Plan
from provisioner.model.rollout.frozen import RolloutPlan

Facts = Mapping[str, str]
"""What is compared, by name."""


@dataclass(frozen=True, slots=True)
class Group:
    """Tenants of which all facts are the same. `differs`: in what from the largest group; empty for that one."""

    tenants: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    differs: tuple[str, ...] = ()


def grouped(facts: Mapping[str, Facts]) -> tuple[Group, ...]:
    """The largest group first: it is the norm. Of two as large the one of the first tenant is."""
    alike: dict[frozenset[tuple[str, str]], list[str]] = {}
    for tenant, own in facts.items():
        alike.setdefault(frozenset(own.items()), []).append(tenant)
    groups = sorted(alike.values(), key=len, reverse=True)
    norm: Facts = facts[groups[0][0]] if groups else {}
    return tuple(
        Group(tuple(tenants), tuple(facts[tenants[0]].items()), tuple(_differences(facts[tenants[0]], norm)))
        for tenants in groups
    )


def summary(groups: tuple[Group, ...]) -> str:
    """`97 same, 3 different`."""
    if not groups:
        return "none"
    different = sum(len(group.tenants) for group in groups[1:])
    return f"{len(groups[0].tenants)} same" + (f", {different} different" if different else "")


def steps(plan: RolloutPlan) -> tuple[Group, ...]:
    """The plan's steps by what each of them is; their times are their own."""
    return grouped(
        {t.id: {"from": t.from_release, "migration": t.migration, "undo": t.undo} for t in plan.tenants.values()}
    )


def changes(preview: Plan) -> Facts:
    """What a preview would change, as facts: each resource by type and name, and what happens to it."""
    found: dict[str, list[str]] = {}
    for step in preview.changes:
        paths = ", ".join(sorted(c.path + ("!" if c.replaces else "") for c in step.changes))
        found.setdefault(f"{step.type} {step.name}", []).append(str(step.op) + (f" [{paths}]" if paths else ""))
    return {name: " + ".join(ops) for name, ops in sorted(found.items())}


def verdict_of(plan: RolloutPlan, group: Group) -> str:
    """What undoing takes in a group of steps: without the age of each tenant's own recovery point."""
    return plan.tenants[group.tenants[0]].verdict.split(" (", 1)[0]


def _differences(own: Facts, norm: Facts) -> Iterator[str]:
    for name in [*own, *(name for name in norm if name not in own)]:
        if own.get(name) != norm.get(name):
            yield f"{name}: {own.get(name, 'nothing')} (the others: {norm.get(name, 'nothing')})"
