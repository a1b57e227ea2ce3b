"""Faults at the wire, by rule: what a cloud does to its clients on a bad day."""

import re
from dataclasses import asdict, dataclass, fields
from itertools import count
from threading import Lock
from typing import Any

from provisioner.sandbox.errors import Reply, error
from provisioner.sandbox.identify import Call

KINDS = {
    "throttle": "refused before it is carried out, with the service's code for too many requests",
    "error": "refused before it is carried out, with an internal error (500), or the rule's status and code",
    "no-capacity": "refused before it is carried out: the zone has no capacity",
    "lost-reply": "carried out, then answered with an internal error (500)",
    "reset": "carried out, then the connection is cut without an answer",
    "hang": "not carried out; no answer for `seconds`, then the connection is cut",
    "latency": "carried out `seconds` later",
}
_THROTTLING = {
    "ec2": (503, "RequestLimitExceeded"),
    "s3": (503, "SlowDown"),
}
_NO_CAPACITY = {
    "ec2": (500, "InsufficientInstanceCapacity"),
    "rds": (400, "InsufficientDBInstanceCapacity"),
}


class BadRuleError(ValueError):
    """A rule that says nothing, or something unknown."""


@dataclass(slots=True)
class Rule:
    """Which calls fail and how: the `start`-th to `stop`-th call that matches (from 1; `stop` None: all that follow).

    `service` is boto3's name; `operation` a regular expression for the whole name; `contains` a part of path, query
    or body; `tenant` a tenant's id as a whole word in them, or the tenant tagged on an EC2 resource they name.
    """

    kind: str
    service: str | None = None
    operation: str = ".*"
    contains: str | None = None
    tenant: str | None = None
    start: int = 1
    stop: int | None = None
    seconds: float = 60.0
    status: int | None = None
    code: str | None = None
    id: str = ""
    matched: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise BadRuleError(f"kind {self.kind!r} is none of {', '.join(KINDS)}")
        if self.start < 1 or (self.stop is not None and self.stop < self.start):
            raise BadRuleError(f"start {self.start} to stop {self.stop} holds no call")
        if self.seconds < 0:
            raise BadRuleError("seconds can't be negative")
        try:
            re.compile(self.operation)
        except re.error as problem:
            raise BadRuleError(f"operation {self.operation!r} is no regular expression: {problem}") from None

    @property
    def carried_out(self) -> bool:
        """Whether the call takes effect."""
        return self.kind in ("lost-reply", "reset", "latency")

    def as_dict(self) -> dict[str, Any]:
        """For the control API."""
        return asdict(self)

    def reply(self, call: Call) -> Reply:
        """What the client gets instead of the answer, for the kinds that answer at all."""
        status, code = 500, "InternalError" if call.service in ("ec2", "s3") else "InternalFailure"
        if self.kind == "throttle":
            status, code = _THROTTLING.get(call.service, (400, _throttling_code(call)))
        elif self.kind == "no-capacity":
            status, code = _NO_CAPACITY.get(call.service, (500, "InsufficientCapacity"))
        return error(
            call, self.status or status, self.code or code, f"{self.kind} of {call}: fault {self.id} of the sandbox"
        )


class Faults:
    """The rules of a daemon. They don't outlive it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rules: dict[str, Rule] = {}
        self._numbers = count(1)

    def add(self, data: dict[str, Any]) -> str:
        """Add a rule and return its id. Raises BadRuleError."""
        allowed = {f.name for f in fields(Rule)} - {"id", "matched"}
        if unknown := sorted(set(data) - allowed):
            raise BadRuleError(f"a rule has no {', '.join(unknown)}; it has {', '.join(sorted(allowed))}")
        if "kind" not in data:
            raise BadRuleError(f"a rule needs a kind: {', '.join(KINDS)}")
        rule = Rule(**data)
        with self._lock:
            rule.id = f"fault-{next(self._numbers)}"
            self._rules[rule.id] = rule
        return rule.id

    def all(self) -> list[dict[str, Any]]:
        """The rules with how often each one matched, oldest first."""
        with self._lock:
            return [r.as_dict() for r in self._rules.values()]

    def clear(self, rule_id: str | None = None) -> None:
        """Forget one rule, or all of them."""
        with self._lock:
            if rule_id is None:
                self._rules.clear()
            else:
                self._rules.pop(rule_id, None)

    def strike(self, call: Call) -> Rule | None:
        """The first rule that hits this call. Every rule that matches counts it."""
        if not self._rules:
            return None
        with self._lock:
            hit = None
            for rule in self._rules.values():
                if _matches(rule, call):
                    rule.matched += 1
                    if hit is None and rule.start <= rule.matched <= (rule.stop or rule.matched):
                        hit = rule
            return hit


def _matches(rule: Rule, call: Call) -> bool:
    return (
        rule.service in (None, call.service)
        and re.fullmatch(rule.operation, call.operation) is not None
        and (rule.contains is None or rule.contains in call.text)
        and (rule.tenant is None or _is_of(rule.tenant, call))
    )


def _is_of(tenant: str, call: Call) -> bool:
    text = call.text
    if re.search(rf"(?<![a-z0-9]){re.escape(tenant)}(?![a-z0-9])", text):
        return True
    from moto.ec2.models import ec2_backends

    from provisioner.sandbox.info import ACCOUNT

    tags = ec2_backends[ACCOUNT][call.region].tags if call.service == "ec2" else {}
    ids = re.findall(r"\b[a-z]+-[0-9a-f]{8,17}\b", text)
    return any(tags.get(i, {}).get("provision:tenant") == tenant for i in ids)


def _throttling_code(call: Call) -> str:
    return "ThrottlingException" if "json" in call.protocol else "Throttling"
