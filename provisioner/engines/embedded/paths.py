"""Property paths (`tags.Name`, `rules[0].port`, `a["b.c"]`, `rules[*]`) and what ignoreChanges does along them."""

import copy
import re
from typing import Any

from provisioner.engines.embedded.values import Props, is_secret, secret

Path = tuple[str | int, ...]

_ELEMENT = re.compile(r'\["((?:\\"|[^"])*)"\]|\[([^\]]*)\]|\.?([^.\[]+)')


def parse(text: str) -> Path:
    """Raises ValueError for what is no path."""
    elements: list[str | int] = []
    position = 0
    if text.startswith("."):
        raise ValueError(f"{text!r} must begin with a name or an index")
    while position < len(text):
        # Old providers write "a.[0]", which Pulumi tolerates.
        start = position + 1 if text.startswith(".[", position) else position
        match = _ELEMENT.match(text, start)
        if match is None:
            raise ValueError(f"{text!r} is no property path")
        quoted, index, name = match.groups()
        if quoted is not None:
            elements.append(quoted.replace('\\"', '"'))
        elif index is not None:
            elements.append("*" if index == "*" else int(index))
        else:
            elements.append(name)
        position = match.end()
    return tuple(elements)


def parse_all(texts: list[str]) -> list[Path]:
    """The paths among `texts`; what is no path can't match anything and is left out, as the real engine does."""
    paths = []
    for text in texts:
        try:
            paths.append(parse(text))
        except ValueError:
            continue
    return paths


def contains(path: Path, other: Path) -> bool:
    """Whether `other` is at or below `path`."""
    if len(other) < len(path):
        return False
    return all(mine in ("*", theirs) for mine, theirs in zip(path, other, strict=False))


def ignore_changes(news: Props, olds: Props, ignored: list[str]) -> Props:
    """`news` with every ignored path set back to what `olds` has there (`processIgnoreChanges`)."""
    if not ignored:
        return news
    result = copy.deepcopy(news)
    for path in parse_all(ignored):
        if path:
            _reset(path, olds, result, False, False)
    return result


def _reset(path: Path, old: Any, new: Any, old_secret: bool, new_secret: bool) -> bool:
    """Set `new` at `path` to what `old` has; False for a path that doesn't lead anywhere (PropertyPath.Reset)."""
    while is_secret(old):
        old, old_secret = old["value"], True
    while is_secret(new):
        new, new_secret = new["value"], True
    mark = old_secret and not new_secret
    key: Any = path[0]
    rest = path[1:]
    if key == "*":
        return _reset_all(rest, old, new, old_secret, new_secret)
    kind = list if isinstance(key, int) else dict
    if not rest:
        return _reset_leaf(key, old, new, mark)
    if not isinstance(old, kind) or not isinstance(new, kind):
        return not isinstance(old, kind) and not isinstance(new, kind)
    has_old, has_new = _has(old, key), _has(new, key)
    if not has_old or not has_new:
        return kind is dict and not has_old and not has_new
    return _reset(rest, old[key], new[key], old_secret, new_secret)


def _has(container: Any, key: Any) -> bool:
    return 0 <= key < len(container) if isinstance(key, int) else key in container


def _reset_leaf(key: Any, old: Any, new: Any, mark: bool) -> bool:
    if isinstance(key, int):
        if not isinstance(old, list) or not isinstance(new, list):
            return not isinstance(old, list) and not isinstance(new, list)
        if not _has(old, key) or not _has(new, key):
            return not _has(old, key) and not _has(new, key)
        new[key] = _marked(old[key], mark)
        return True
    if isinstance(old, dict) and key in old:
        if not isinstance(new, dict):
            return False
        new[key] = _marked(old[key], mark)
    elif isinstance(new, dict):
        new.pop(key, None)
    return True


def _reset_all(rest: Path, old: Any, new: Any, old_secret: bool, new_secret: bool) -> bool:
    mark = old_secret and not new_secret
    if isinstance(old, list) and isinstance(new, list):
        for index in range(min(len(old), len(new))):
            if not rest:
                new[index] = _marked(old[index], mark)
            elif not _reset(rest, old[index], new[index], old_secret, new_secret):
                return False
        return len(old) == len(new)
    if isinstance(old, dict) and isinstance(new, dict):
        if not rest:
            new.clear()
            new.update({key: _marked(value, mark) for key, value in old.items()})
            return True
        return all(key in new and _reset(rest, value, new[key], old_secret, new_secret) for key, value in old.items())
    return not rest and isinstance(new, list | dict)


def _marked(value: Any, mark: bool) -> Any:
    taken = copy.deepcopy(value)
    return secret(taken) if mark else taken
