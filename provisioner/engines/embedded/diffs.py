"""What a provider says about a difference, and what options of a resource make of it."""

from dataclasses import dataclass, replace
from typing import Final

from provisioner.engines.embedded import paths, values
from provisioner.engines.embedded.values import Props
from provisioner.model.change import PropertyChange

_INIT_ERROR: Final = "#initerror"


@dataclass(frozen=True, slots=True)
class Diff:
    """A provider's answer. `kinds`: path -> PropertyDiff.Kind, whose odd numbers mean replacement; None without it."""

    some: bool
    unknown: bool = False
    replaces: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    kinds: dict[str, int] | None = None
    delete_before_replace: bool = False

    @property
    def replace(self) -> bool:
        """Whether it takes another object."""
        return bool(self.replaces) or any(kind & 1 for kind in (self.kinds or {}).values())

    def changes(self) -> tuple[PropertyChange, ...]:
        """What changes, for people."""
        paths = {key: key in self.replaces for key in self.changed}
        if self.kinds:
            paths = {path: bool(kind & 1) for path, kind in self.kinds.items()}
        flagged = {path.split(".")[0].split("[")[0] for path, replaces in paths.items() if replaces}
        paths.update({key: True for key in self.replaces if key not in flagged})
        return tuple(PropertyChange(path, replaces) for path, replaces in sorted(paths.items()))


NO_DIFF: Final = Diff(False)


def compared(diff: Diff, olds: Props, news: Props, ignored: list[str]) -> Diff:
    """A provider that can't tell leaves it to the inputs (`diffResource`)."""
    if not diff.unknown:
        return diff
    before, after = values.plain(olds), values.plain(paths.ignore_changes(news, olds, ignored))
    changed = tuple(
        sorted(k for k in {*before, *after} if before.get(k) != after.get(k) or (k in before) != (k in after))
    )
    return replace(diff, some=bool(changed), unknown=False, changed=changed or diff.changed)


def with_replace_on_changes(diff: Diff, replace_on_changes: list[str], init_errors: bool) -> Diff:
    """Changes at or below these paths replace; init errors are a path of their own (`applyReplaceOnChanges`)."""
    if not replace_on_changes or not (diff.some or init_errors):
        return diff
    wanted = paths.parse_all(replace_on_changes)

    def matches(path: str) -> bool:
        return any(paths.contains(w, p) for p in paths.parse_all([path]) for w in wanted)

    kinds = diff.kinds
    if kinds is not None:
        kinds = {path: kind | 1 if matches(path) else kind for path, kind in kinds.items()}
    replaces = tuple(dict.fromkeys([*diff.replaces, *(key for key in diff.changed if matches(key))]))
    some = diff.some
    if init_errors and matches(_INIT_ERROR):
        replaces, some = (*replaces, _INIT_ERROR), True
    return replace(diff, some=some, replaces=replaces, kinds=kinds)
