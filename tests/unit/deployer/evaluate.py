"""IAM's rules, as far as our documents use them: names with wildcards and variables, conditions, denials."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Context = Mapping[str, str | list[str]]
"""Condition keys that are there, with their value or (for keys that have several) values."""


def allowed(statements: Iterable[Mapping[str, Any]], action: str, resource: str, context: Context) -> bool:
    """Whether they let somebody do it: one that allows, and none that denies."""
    effects = {s["Effect"] for s in statements if applies(s, action, resource, context)}
    return effects == {"Allow"}


def applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    """Whether a statement is about this at all. A trust policy names no resource: it is one's own."""
    return (
        any(_like(action, a) for a in _listed(statement["Action"]))
        and any(_fits(resource, r, context) for r in _listed(statement.get("Resource", "*")))
        and all(
            _holds(operator, context.get(key), [v for w in _listed(wanted) for v in _filled(w, context)])
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, found: str | list[str] | None, wanted: list[str]) -> bool:
    if operator == "Null":
        return (found is None) is (wanted == ["true"])
    some, _, compare = operator.rpartition(":")
    compare, if_exists, _ = compare.partition("IfExists")
    negated = "Not" in compare
    if found is None:
        return bool(if_exists) or negated or some == "ForAllValues"
    one = _like if compare.startswith(("Arn", "StringLike")) else _same
    one = _same_letters if compare.endswith("IgnoreCase") else one
    answers = [any(one(value, w) for w in wanted) is not negated for value in _listed(found)]
    return any(answers) if some == "ForAnyValue" else all(answers)


def _fits(resource: str, pattern: str, context: Context) -> bool:
    return any(_like(resource, p) for p in _filled(pattern, context))


def _filled(text: str, context: Context) -> list[str]:
    """The text with its variables' values; nothing where one of them isn't there."""
    names = re.findall(r"\$\{([^}]+)\}", text)
    if any(n not in context for n in names):
        return []
    for name in names:
        text = text.replace(f"${{{name}}}", str(context[name]))
    return [text]


def _like(value: str, pattern: str) -> bool:
    return bool(re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), value))


def _same(value: str, other: str) -> bool:
    return value == other


def _same_letters(value: str, other: str) -> bool:
    return value.casefold() == other.casefold()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
