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


def unread(part: str, error: str) -> dict[str, Any]:
    return {part: {"value": None, "error": error}}


DENIED = 'btree index "product.product.a":\n    ERROR:  permission denied for function bt_index_check'
REMARK = 'NOTICE:  extension "amcheck" already exists, skipping'
TORN = """btree index "product.product.b":
    ERROR:  heap tuple (0,1) from table "b" lacks matching index tuple within index "b"
    HINT:  Retrying verification using the function bt_index_parent_check() might provide a more specific error."""
MISSING = """btree index "product.product.b":
    ERROR:  function public.bt_index_check(index := regclass, heapallindexed := boolean) does not exist"""


def test_a_sound_one_has_no_finding() -> None:
    checks = judged()
    assert list(checks) == ["login", "version", "sentinel", "schema", "rows", "amcheck"]
    assert all(c.ok for c in checks.values())


@pytest.mark.parametrize(
    ("name", "parts", "words"),
    [
        ("login", value("connection", tls=None), "not encrypted"),
        ("login", unread("connection", 'FATAL:  database "product" does not exist'), "does not exist"),
        ("login", unread("connection", 'FATAL:  could not open file "global/1262": No such file'), "global/1262"),
        ("version", value("connection", server_version="16.4"), "PostgreSQL 16.4, not 17"),
        ("sentinel", {"sentinel": {"value": None, "error": ""}}, "there is no sentinel row"),
        ("sentinel", unread("sentinel", 'ERROR:  42P01: relation "provision.sentinel" does not exist'), "not exist"),
        ("sentinel", unread("sentinel", "ERROR:  XX001: invalid page in block 0 of relation base/5/1"), "invalid page"),
        ("sentinel", value("sentinel", tenant="beta"), "of tenant beta"),
        ("schema", value("sentinel", schema_version=2), "schema 2"),
        ("rows", {"rows": {"value": {}, "error": ""}}, "no tables"),
        ("rows", {"rows": {"value": {"notes": 49, "people": 10}, "error": ""}}, "notes: 49 of 100"),
        ("rows", {"rows": {"value": {"notes": 100}, "error": ""}}, "people: 0 of 10"),
        ("rows", unread("rows", "psql:<stdin>:5: ERROR:  XX001: invalid page in block 0"), "invalid page"),
        ("rows", unread("rows", "ERROR:  58P01: could not open file base/5/16400: No such file"), "could not open"),
        ("amcheck", {"amcheck": {"code": 2, "text": "heap table notes, block 0"}}, "block 0"),
        ("amcheck", {"amcheck": {"code": 2, "text": f"{REMARK}\n{DENIED}\n{TORN}"}}, "lacks matching index tuple"),
    ],
)
def test_each_finding_fails(name: str, parts: dict[str, Any], words: str) -> None:
    checks = judged(**parts)
    assert checks[name].ok is False
    assert words in checks[name].detail
    assert verdict_of(list(checks.values())) is Verdict.FAILED


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("login", unread("connection", "psql: error: connection to server at x failed: timeout expired")),
        ("login", unread("connection", 'FATAL:  password authentication failed for user "provision"')),
        ("login", unread("connection", 'root certificate file "/etc/provision/rds-ca.pem" does not exist')),
        ("login", unread("connection", "FATAL:  the database system is starting up")),
        ("login", unread("connection", "")),
        ("sentinel", unread("sentinel", "ERROR:  42501: permission denied for schema provision")),
        ("sentinel", unread("sentinel", "could not translate host name")),
        ("rows", unread("rows", "ERROR:  57014: canceling statement due to statement timeout")),
        ("rows", unread("rows", "ERROR:  53200: out of shared memory")),
        ("amcheck", {"amcheck": {"code": 1, "text": "could not connect"}}),
        ("amcheck", {"amcheck": {"code": 127, "text": "sh: pg_amcheck: not found"}}),
        ("amcheck", {"amcheck": {"code": 2, "text": f"{REMARK}\n{DENIED}"}}),
        ("amcheck", {"amcheck": {"code": 2, "text": MISSING}}),
        ("amcheck", {"amcheck": {"code": 2, "text": 'ERROR:  extension "amcheck" is not available'}}),
        ("amcheck", {"amcheck": {"code": 2, "text": ""}}),
    ],
)
def test_what_could_not_be_looked_at_is_inconclusive(name: str, parts: dict[str, Any]) -> None:
    checks = judged(**parts)
    assert checks[name].ok is None
    assert verdict_of(list(checks.values())) is Verdict.INCONCLUSIVE


def test_nothing_at_all_is_inconclusive() -> None:
    assert verdict_of([]) is Verdict.INCONCLUSIVE


def test_of_many_tables_the_largest_are_compared() -> None:
    listed = {"value": {"notes": 100}, "error": "", "unlisted": {"tables": 3000, "rows": 500}}
    found = judged(rows=listed)["rows"]
    assert found.ok, "the other table has less than the smallest that is listed"
    assert found.detail == "600 rows in 3001 tables, of which the 1 largest are listed and compared"
    gone = Expected("acme", 1, "17", rows={"notes": 100, "people": 201}, rows_schema=1)
    found = judged(gone, rows=listed)["rows"]
    assert (found.ok, found.detail) == (False, "fewer than before: people: too few to be listed of 201")


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
