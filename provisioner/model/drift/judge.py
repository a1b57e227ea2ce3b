"""From differences to findings: spelled alike, judged by the table, and grouped across the fleet. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from provisioner.model.change import HIDDEN, Difference, Plan, Step, StepOp
from provisioner.model.drift.rules import GONE, RULES, Rule, Weight
from provisioner.model.json import Json, JsonDict, canonical

ORDER = tuple(Weight)
NOBODY_KNOWS = "no rule knows it"
UNTOLD = "what it was and what it is now can't be told"
_UNTOLD = ((None, None), (HIDDEN, HIDDEN))
_REPLACING = {StepOp.REPLACE, StepOp.CREATE_REPLACEMENT, StepOp.DELETE_REPLACED}


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference, judged. `path`: with dots, as the table has it."""

    type: str
    name: str
    path: str
    before: Json
    after: Json
    weight: Weight
    why: str


@dataclass(frozen=True, slots=True)
class Group:
    """The same finding, and the tenants that have it."""

    finding: Finding
    tenants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sorted:
    """A preview taken apart. `drift`: what somebody changed by hand; `planned`: what the registry, or a newer program,
    now wants otherwise."""

    drift: tuple[Difference, ...] = ()
    planned: tuple[Step, ...] = ()


def sort_out(plan: Plan, by_hand: Sequence[Difference], *, pending: bool) -> Sorted:
    """What is drift of a preview that looked at the cloud, and what isn't. `by_hand`: what was looked up beside it.
    `pending`: the registry or the program was changed since the last apply.

    What drift explains, its mending brings along. What it doesn't explain is planned where something is pending; where
    nothing is, the state itself isn't what was applied: somebody read the drift into it, or edited it. A difference
    that a plan of the same wishes does nothing about is none."""
    changing = {step.urn for step in plan.changes}
    differing = [d for d in plan.drift if pending or not d.path or d.urn in changing]
    found = (*_spelled(differing), *by_hand)
    rest = tuple(step for step in plan.changes if not _explained(step, plan.drift))
    if pending:
        return Sorted(found, rest)
    follows = any(not d.path for d in plan.drift) or any(s.op in _REPLACING for s in plan.changes)
    if found and follows:
        return Sorted(found)
    return Sorted((*found, *_spelled(d for step in rest for d in _unexplained(step))))


def judge(difference: Difference, rules: Sequence[Rule] = RULES) -> Finding:
    """By the first rule that fits; unknown where none does, or where neither value can be told."""
    path = dotted(difference.path) or GONE
    known = difference.before, difference.after
    if path != GONE and known in _UNTOLD:
        return Finding(difference.type, difference.name, path, None, None, Weight.UNKNOWN, UNTOLD)
    rule = next((r for r in rules if r.fits(difference.type, path, *known)), None)
    weight, why = (rule.weight, rule.why) if rule else (Weight.UNKNOWN, NOBODY_KNOWS)
    return Finding(difference.type, difference.name, path, *known, weight, why)


def findings(differences: Iterable[Difference]) -> tuple[Finding, ...]:
    """Each judged, the worst first."""
    return tuple(sorted(map(judge, differences), key=_rank))


def groups(found: Mapping[str, Sequence[Finding]]) -> tuple[Group, ...]:
    """Identical findings of several tenants as one; the worst first, and of these what most have. Two are identical
    where kind, name, property and both values are."""
    tenants: dict[str, list[str]] = {}
    firsts: dict[str, Finding] = {}
    for tenant, its in found.items():
        for finding in its:
            key = canonical([finding.type, finding.name, finding.path, finding.before, finding.after])
            firsts.setdefault(key, finding)
            if tenant not in tenants.setdefault(key, []):
                tenants[key].append(tenant)
    made = [Group(firsts[key], tuple(names)) for key, names in tenants.items()]
    return tuple(sorted(made, key=lambda g: (_rank(g.finding)[0], -len(g.tenants), *_rank(g.finding)[1:])))


def counts(found: Sequence[Finding]) -> JsonDict:
    """What the ledger keeps of a look: how many in all, and of each weight."""
    by_weight = Counter(f.weight for f in found)
    return {"changes": len(found), **{weight.name.lower(): by_weight[weight] for weight in Weight}}


def dotted(path: str) -> str:
    """A path of Pulumi's with dots alone: `tags["a:b"]` is `tags.a:b`, `rules[0].x` is `rules.0.x`."""
    return path.replace('["', ".").replace('"]', "").replace("[", ".").replace("]", "").lstrip(".")


def _rank(finding: Finding) -> tuple[int, str, str, str]:
    return ORDER.index(finding.weight), finding.type, finding.name, finding.path


def _root(path: str) -> str:
    """The property that a path begins with. A resource's tags have two names: with the stack's own, and without."""
    root = dotted(path).partition(".")[0]
    return "tags" if root == "tagsAll" else root


def _explained(step: Step, drift: Sequence[Difference]) -> bool:
    """Whether a step does no more than to mend what differs."""
    own = [d for d in drift if d.urn == step.urn]
    if any(not d.path for d in own):
        return True
    known = {_root(d.path) for d in own}
    return bool(known) and all(_root(change.path) in known for change in step.changes)


def _unexplained(step: Step) -> Iterator[Difference]:
    about = step.type, step.name, step.urn
    paths = [change.path for change in step.changes] or [f"({step.op})"]
    yield from (Difference(*about, path) for path in paths)


def _spelled(differences: Iterable[Difference]) -> Iterator[Difference]:
    """Alike, whatever engine and provider said: tags once, by key; parameters of a database by name."""
    listed = list(differences)
    tagged = {d.urn for d in listed if _first(d.path) == "tagsAll"}
    for difference in listed:
        first = _first(difference.path)
        if first == "tags" and difference.urn in tagged:
            continue
        if first == "tagsAll":
            difference = replace(difference, path="tags" + difference.path.removeprefix("tagsAll"))  # noqa: PLW2901
        if difference.path == "tags":
            yield from _each(difference, _mapping(difference.before), _mapping(difference.after))
        elif difference.path == "parameters":
            yield from _each(difference, _named(difference.before), _named(difference.after))
        elif isinstance(difference.before, Mapping) and isinstance(difference.after, Mapping):
            # The cloud may say more than was asked for.
            asked = difference.before
            yield from _each(difference, asked, {k: v for k, v in difference.after.items() if k in asked})
        else:
            yield difference


def _first(path: str) -> str:
    return dotted(path).partition(".")[0]


def _each(difference: Difference, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    """One for each key that differs; the whole where none does, for something was said to differ."""
    keys = [k for k in sorted(before.keys() | after.keys()) if before.get(k) != after.get(k)]
    if not keys:
        yield difference
    for key in keys:
        path = f"{difference.path}.{key}" if key.isidentifier() else f'{difference.path}["{key}"]'
        yield replace(difference, path=path, before=before.get(key), after=after.get(key))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _named(value: Any) -> dict[str, Any]:
    """The values of a database's parameters by their names."""
    entries = value if isinstance(value, list) else []
    return {str(e["name"]): e.get("value") for e in entries if isinstance(e, Mapping) and "name" in e}
