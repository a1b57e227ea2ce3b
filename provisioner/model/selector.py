"""Which tenants a command means. The same everywhere: values of one kind are alternatives, kinds narrow each other."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

from provisioner.model.errors import UsageError
from provisioner.model.suggest import did_you_mean, suggest
from provisioner.model.tenant import Tenant


@dataclass(frozen=True, slots=True)
class Selector:
    """`tenants`: ids; `labels`: `key=value`, or `key` for any value. `all` says that no narrowing is meant."""

    tenants: tuple[str, ...] = ()
    rings: tuple[int, ...] = ()
    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    all: bool = False

    @property
    def narrows(self) -> bool:
        """Whether anything but `all` was said."""
        return any(getattr(self, f.name) for f in fields(self) if f.name != "all")

    def __str__(self) -> str:
        """As words of the command line."""
        words = [f"--{option} {value}" for option, values, _ in _kinds(self) for value in values]
        return " ".join(["--all"] * self.all + words)


def select(tenants: Iterable[Tenant], selector: Selector) -> list[Tenant]:
    """The selected tenants, in their order. Nobody is selected by a selector that says nothing.

    Raises UsageError for an id that isn't there, for `all` together with anything narrower, and where words that
    narrow select nobody: whoever says them means somebody.
    """
    everyone = list(tenants)
    if selector.all and selector.narrows:
        raise UsageError(f"{selector} contradicts itself", hint="leave --all out, or use nothing but --all")
    if not selector.narrows:
        return everyone if selector.all else []
    _known_ids(everyone, selector.tenants)
    left = everyone
    for option, values, of in _kinds(selector):
        if not values:
            continue
        matching = [t for t in left if not of(t).isdisjoint(values)]
        if not matching:
            raise UsageError(f"no tenant matches {selector}", hint=_why_nobody(everyone, option, values, of))
        left = matching
    return left


def _kinds(selector: Selector) -> list[tuple[str, Sequence[object], Callable[[Tenant], frozenset[object]]]]:
    """Each kind's option, its values, and what of a tenant they are compared with."""
    return [
        ("tenant", selector.tenants, lambda t: frozenset({t.id})),
        ("ring", selector.rings, lambda t: frozenset({t.ring})),
        ("tier", selector.tiers, lambda t: frozenset({t.tier})),
        ("region", selector.regions, lambda t: frozenset({t.region})),
        ("organization", selector.organizations, lambda t: frozenset({t.organization} - {None})),
        ("label", selector.labels, lambda t: frozenset({*t.labels, *(f"{k}={v}" for k, v in t.labels.items())})),
    ]


def _known_ids(everyone: Sequence[Tenant], ids: Sequence[str]) -> None:
    known = [t.id for t in everyone]
    unknown = [i for i in ids if i not in known]
    if unknown:
        listing = ", ".join(f"'{i}'" for i in unknown)
        raise UsageError(f"there is no tenant {listing} in the registry", hint=suggest(unknown[0], known, "tenants"))


def _why_nobody(
    everyone: Sequence[Tenant], option: str, values: Sequence[object], of: Callable[[Tenant], frozenset[object]]
) -> str:
    """A near miss of what tenants have, or which word left nobody over."""
    has = {str(value) for t in everyone for value in of(t)}
    missing = [str(v) for v in values if str(v) not in has]
    if not missing:
        return f"--{option} left nobody of those that the other words select; see `provision list`"
    near = did_you_mean(missing[0], has)
    return f"--{option}: {near}" if near else suggest(missing[0], has, f"{option}s of tenants")
