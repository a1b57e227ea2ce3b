"""What IAM must be asked, by its simulation, to find a permission that is missing.

The simulation knows neither a session's tags nor any resource: a statement holds only for names as it has them, in a
context that meets its conditions. So each one is asked for itself, as nobody's tenant.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.model.deployer.documents import policies
from provisioner.model.deployer.place import CHECK, TENANT, Statement
from provisioner.model.tenant import Target

Key = tuple[str, tuple[str, ...]]
"""A condition key's type, as IAM calls it, and its values."""


@dataclass(frozen=True, slots=True)
class Question:
    """Whether all these actions are allowed on all these resources. `sid`: the statement that says so; `context`:
    the condition keys that are there."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    context: Mapping[str, Key]


@dataclass(frozen=True, slots=True)
class Answers:
    """Permissions that are missing, and those of which IAM didn't say; each as `action (sid)`, sorted."""

    missing: tuple[str, ...]
    untold: tuple[str, ...] = ()


def questions(target: Target) -> list[Question]:
    """One for each permission of the deployer. Raises UsageError for a target that isn't on AWS."""
    allowed = (p for document in policies(target).values() for p in document["Statement"] if p["Effect"] == "Allow")
    return [_question(permission, target.regions[0]) for permission in allowed]


def _question(permission: Statement, region: str) -> Question:
    context: dict[str, Key] = {
        "aws:PrincipalTag/tenant": ("string", (CHECK,)),
        "aws:RequestedRegion": ("string", (region,)),
        **dict(_meeting(permission.get("Condition", {}), region)),
    }
    resources = tuple(_arn(resource, region) for resource in permission["Resource"])
    return Question(permission["Sid"], tuple(permission["Action"]), resources, context)


def _meeting(condition: Mapping[str, Any], region: str) -> Iterator[tuple[str, Key]]:
    """Keys and values that meet a condition. What must be absent stays so."""
    for operator, keys in condition.items():
        kind = "boolean" if operator == "Bool" else "stringList" if ":" in operator else "string"
        for key, wanted in keys.items() if operator != "Null" else ():
            first = wanted[0] if isinstance(wanted, list) else wanted
            yield key, (kind, (first.replace(TENANT, CHECK).replace("*", region),))


def _arn(pattern: str, region: str) -> str:
    """A resource that the pattern means."""
    if pattern == "*":
        return pattern
    words = pattern.replace(TENANT, CHECK).split(":", 5)
    words[3] = words[3].replace("*", region)
    words[5] = words[5].replace("*/*", "instance/*").replace("*", "x").replace("?", "0")
    return ":".join(words)
