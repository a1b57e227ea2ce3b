"""How an alarm stands, by its measurements: CloudWatch's rules, with missing data as each alarm treats them. Pure."""

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

OK, ALARM, UNKNOWN = "OK", "ALARM", "INSUFFICIENT_DATA"
_MORE = 2
"""Periods beyond those that an alarm counts, in which CloudWatch looks for data where some are missing."""

_COMPARE: Mapping[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
    "Sum": sum,
    "SampleCount": len,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """An alarm's words, as PutMetricAlarm has them. `period` in seconds of the sandbox; `series`: what it looks at."""

    series: str
    statistic: str
    period: float
    periods: int
    needed: int
    comparison: str
    threshold: float
    missing: str

    @property
    def supported(self) -> bool:
        """Whether the sandbox can tell."""
        return self.statistic in _STATISTICS and self.comparison in _COMPARE

    @property
    def reach(self) -> float:
        """Seconds that it looks back."""
        return self.period * (self.periods + _MORE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A state, and why: for people and, as JSON, for programs."""

    state: str
    reason: str
    data: str


def judge(rule: Rule, samples: Sequence[tuple[float, float]], now: float, before: str) -> Verdict:
    """`samples`: time and value within `rule.reach` before `now`; `before`: the state until now."""
    points = [_point(rule, samples, now - age * rule.period) for age in range(rule.periods + _MORE)]  # newest first
    known = [(age, value) for age, value in enumerate(points) if value is not None][: rule.periods]
    compare, words = _COMPARE[rule.comparison]
    bad = [(age, value) for age, value in known if compare(value, rule.threshold)]
    state = _state(rule, known, bad, before)
    shown = ", ".join(f"{value:g}" for _, value in known)
    if not known:
        reason = (
            f"Insufficient Data: no datapoints were received for {rule.periods} periods; treated as {rule.missing}."
        )
    else:
        counted = f"{len(bad)} out of the last {len(known)} datapoints [{shown}] were {words}"
        reason = f"Threshold Crossed: {counted} the threshold ({rule.threshold:g})"
        reason += f" (minimum {rule.needed} for ALARM; newest first)."
    data = {
        "version": "1.0",
        "queryDate": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "statistic": rule.statistic,
        "period": rule.period,
        "recentDatapoints": [value for _, value in reversed(known)],
        "threshold": rule.threshold,
    }
    return Verdict(state, reason, json.dumps(data))


def _point(rule: Rule, samples: Sequence[tuple[float, float]], end: float) -> float | None:
    values = [value for at, value in samples if end - rule.period < at <= end]
    return float(_STATISTICS[rule.statistic](values)) if values else None


def _state(rule: Rule, known: Sequence[tuple[int, float]], bad: Sequence[tuple[int, float]], before: str) -> str:
    """By how many of the known points (age in periods, value) are bad."""
    if not known:
        return {"breaching": ALARM, "notBreaching": OK, "ignore": before}.get(rule.missing, UNKNOWN)
    lacking = rule.periods - len(known)
    if len(bad) + (lacking if rule.missing == "breaching" else 0) >= rule.needed:
        return ALARM
    if not lacking or rule.missing in {"breaching", "notBreaching"} or len(bad) < len(known):
        return OK
    # All that is known is bad, and it is too little: not before it has been so for as long as the alarm asks for.
    oldest = known[-1][0] + 1
    return ALARM if rule.missing != "ignore" and oldest >= rule.needed else before
