"""What a restored database must show: each finding by itself."""

from copy import deepcopy
from typing import Any

import pytest

from provisioner.model.cloud import Health
from provisioner.model.recovery import Verdict
from provisioner.ops.checks import Check, Expected, database_checks, product_check, verdict_of
from tests.unit.ops.fake_cloud import SOUND

EXPECTED = Expected("acme", 1, "17", rows={"notes": 100, "people": 10}, rows_schema=1)


def judged(expected: Expected = EXPECTED, **parts: Any) -> dict[str, Check]:
    seen = {**deepcopy(SOUND), **parts}
    return {c.name: c for c in database_checks(seen, expected)}


def value(part: str, **changes: Any) -> dict[str, Any]:
    return {part: {"value": {**SOUND[part]["value"], **changes}, "error": ""}}


def test_a_sound_one_has_no_finding() -> None:
    checks = judged()
    assert list(checks) == ["login", "version", "sentinel", "schema", "rows", "amcheck"]
    assert all(c.ok for c in checks.values())


@pytest.mark.parametrize(
    ("name", "parts", "words"),
    [
        ("login", value("connection", tls=None), "not encrypted"),
        ("login", {"connection": {"value": None, "error": "timeout expired"}}, "timeout expired"),
        ("version", value("connection", server_version="16.4"), "PostgreSQL 16.4, not 17"),
        ("sentinel", {"sentinel": {"value": None, "error": ""}}, "there is no sentinel row"),
        ("sentinel", {"sentinel": {"value": None, "error": "relation does not exist"}}, "does not exist"),
        ("sentinel", value("sentinel", tenant="beta"), "of tenant beta"),
        ("schema", value("sentinel", schema_version=2), "schema 2"),
        ("rows", {"rows": {"value": {}, "error": ""}}, "no tables"),
        ("rows", {"rows": {"value": {"notes": 49, "people": 10}, "error": ""}}, "notes: 49 of 100"),
        ("rows", {"rows": {"value": {"notes": 100}, "error": ""}}, "people: 0 of 10"),
        ("rows", {"rows": {"value": None, "error": "invalid page in block 0"}}, "invalid page"),
        ("amcheck", {"amcheck": {"code": 2, "text": "heap table notes, block 0"}}, "block 0"),
    ],
)
def test_each_finding_fails(name: str, parts: dict[str, Any], words: str) -> None:
    checks = judged(**parts)
    assert checks[name].ok is False
    assert words in checks[name].detail
    assert verdict_of(list(checks.values())) is Verdict.FAILED


def test_what_could_not_be_looked_at_is_inconclusive() -> None:
    checks = judged(amcheck={"code": 1, "text": "could not connect"})
    assert checks["amcheck"].ok is None
    checks = judged(amcheck={"code": 2, "text": "ERROR:  permission denied for function bt_index_check"})
    assert checks["amcheck"].ok is None
    assert verdict_of(list(checks.values())) is Verdict.INCONCLUSIVE
    assert verdict_of([]) is Verdict.INCONCLUSIVE


def test_a_drill_before_of_another_schema_is_no_measure() -> None:
    other = Expected("acme", 1, "17", rows={"old": 100}, rows_schema=2)
    assert judged(other)["rows"].ok
    assert judged(Expected("acme", 1, "17"))["rows"].ok


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (Health("unhealthy", detail="schema 1"), "unhealthy: schema 1"),
        (Health("healthy", "1.0.0", 1, "beta"), "tenant is beta, not acme"),
        (Health("healthy", "1.1.0", 1, "acme"), "release is 1.1.0, not 1.0.0"),
        (Health("healthy", "1.0.0", 2, "acme"), "schema_version is 2, not 1"),
    ],
)
def test_the_product_must_be_the_right_one_and_well(health: Health, words: str) -> None:
    check = product_check(health, EXPECTED, "1.0.0")
    assert check.ok is False
    assert words in check.detail


def test_a_product_that_serves_is_good() -> None:
    assert product_check(Health("healthy", "1.0.0", 1, "acme"), EXPECTED, "1.0.0").ok
