"""CloudWatch's rules for alarms: the tables of its documentation, and what is said."""

import json
from dataclasses import replace

import pytest

from provisioner.sandbox.alarms.judge import ALARM, OK, UNKNOWN, Rule, Verdict, judge

NOW = 1_000_000.0
RULE = Rule("disk", "Average", 60.0, 3, 3, "GreaterThanOrEqualToThreshold", 85.0, "missing")
POLICIES = ("missing", "ignore", "breaching", "notBreaching")
BEFORE = "as before"


def judged(points: str, rule: Rule = RULE, before: str = BEFORE) -> Verdict:
    """`points`, the oldest first: 0 is fine, X is bad, - is missing."""
    values = {"0": 10.0, "X": 90.0}
    samples = [
        (NOW - 60.0 * age - 5.0, values[point]) for age, point in enumerate(reversed(points.split())) if point != "-"
    ]
    return judge(rule, samples, NOW, before)


@pytest.mark.parametrize(
    ("needed", "points", "states"),
    [
        (3, "0 - X - X", (OK, OK, OK, OK)),
        (3, "- - - - 0", (OK, OK, OK, OK)),
        (3, "- - - - -", (UNKNOWN, BEFORE, ALARM, OK)),
        (3, "0 X X - X", (ALARM, ALARM, ALARM, ALARM)),
        (3, "- - X - -", (ALARM, BEFORE, ALARM, OK)),
        (2, "0 - X - X", (ALARM, ALARM, ALARM, ALARM)),
        (2, "0 0 X 0 X", (ALARM, ALARM, ALARM, ALARM)),
        (2, "0 - X - -", (OK, OK, ALARM, OK)),
        (2, "- - - - 0", (OK, OK, ALARM, OK)),
        (2, "- - - X -", (ALARM, BEFORE, ALARM, OK)),
        (3, "- - - - X", (BEFORE, BEFORE, ALARM, OK)),
    ],
)
def test_the_tables_of_the_documentation(needed: int, points: str, states: tuple[str, ...]) -> None:
    found = [judged(points, replace(RULE, needed=needed, missing=policy)).state for policy in POLICIES]
    assert tuple(found) == states


@pytest.mark.parametrize(
    ("comparison", "threshold", "states"),
    [
        ("GreaterThanOrEqualToThreshold", 90.0, (OK, ALARM)),
        ("GreaterThanThreshold", 90.0, (OK, OK)),
        ("LessThanThreshold", 10.0, (OK, OK)),
        ("LessThanOrEqualToThreshold", 10.0, (ALARM, OK)),
    ],
)
def test_comparisons(comparison: str, threshold: float, states: tuple[str, str]) -> None:
    rule = replace(RULE, comparison=comparison, threshold=threshold)
    assert (judged("0 0 0", rule).state, judged("X X X", rule).state) == states


@pytest.mark.parametrize(
    ("statistic", "value"), [("Average", 4.0), ("Minimum", 1.0), ("Maximum", 9.0), ("Sum", 12.0), ("SampleCount", 3.0)]
)
def test_statistics_of_a_period(statistic: str, value: float) -> None:
    rule = replace(RULE, statistic=statistic, periods=1, needed=1, threshold=value)
    samples = [(NOW - 60.0, 1000.0), (NOW - 59.0, 1.0), (NOW - 30.0, 2.0), (NOW, 9.0)]
    assert json.loads(judge(rule, samples, NOW, OK).data)["recentDatapoints"] == [value]
    assert judge(rule, samples, NOW, OK).state == ALARM
    assert judge(replace(rule, threshold=value + 0.1), samples, NOW, OK).state == OK


def test_it_says_why() -> None:
    said = judged("0 X X X").reason
    assert said == (
        "Threshold Crossed: 3 out of the last 3 datapoints [90, 90, 90] were greater than or equal to the "
        "threshold (85) (minimum 3 for ALARM; newest first)."
    )
    assert "no datapoints were received for 3 periods" in judged("- - -").reason


def test_what_it_cannot_tell() -> None:
    assert RULE.supported
    assert not replace(RULE, statistic="p99").supported
    assert not replace(RULE, comparison="GreaterThanUpperThreshold").supported
