"""What a restored database must show before it counts as proven. Pure: it judges what scripts on the machine said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from provisioner.model.cloud import Health
from provisioner.model.json import JsonDict
from provisioner.model.recovery import Verdict

ROW_FLOOR = 0.5
"""A table that has less than this part of the rows of the drill before is a finding: data doesn't halve by itself."""

_STATE = re.compile(r"(?:ERROR|FATAL|PANIC):\s+([0-9A-Z]{5}): ")
_FATAL = re.compile(r"(?:FATAL|PANIC):\s+(.*)")
_DAMAGED = ("XX", "3D", "3F", "42P01", "42703", "58P01")
"""How SQLSTATE begins where the data is damaged, or isn't what it must be: internal errors and corruption, a missing
database, schema, table, column or file. All others are the server's, the network's or ours: nothing was looked at."""
_BROKEN = re.compile(
    r'invalid page|could not (?:open|read|access) |corrupt|cache lookup failed|database "\S+" does not'
)
"""The same in the words with which a server refuses a login: SQLSTATE isn't told there."""

_REFUSED = re.compile(
    r"permission denied|canceling statement|terminating connection|server closed the connection|connection to server"
    r"|could not connect|too many clients|out of (?:shared )?mem|No space left on device|is not (?:available|installed)"
    r"|could not open extension control file|function \S*(?:bt_index|verify_heapam)\S*\(.*\) does not exist"
)
"""What pg_amcheck says where it did not look, and not what it found."""
_REMARK = re.compile(r"NOTICE|WARNING|pg_amcheck: warning")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `ok` None: it could not be told."""

    name: str
    ok: bool | None
    detail: str

    def json(self) -> JsonDict:
        """As it stands in evidence."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Expected:
    """What must be found. `rows` and `rows_schema`: tables with their rows in the drill before, and its schema version;
    None where there was none."""

    tenant: str
    schema_version: int
    database_version: str
    rows: Mapping[str, int] | None = None
    rows_schema: int | None = None


def database_checks(seen: Mapping[str, Any], expected: Expected) -> list[Check]:
    """From the answer of `templates/verify.sh.j2`."""
    connection, sentinel, rows = (seen[part] for part in ("connection", "sentinel", "rows"))
    return [
        _tls(connection),
        _version(connection, expected.database_version),
        *_sentinel(sentinel, expected),
        _rows(rows, expected),
        _amcheck(seen["amcheck"]),
    ]


def product_check(health: Health, expected: Expected, release: str) -> Check:
    """From the product's own answer on the restored database."""
    wanted = {"tenant": expected.tenant, "release": release, "schema_version": expected.schema_version}
    if health.status != "healthy":
        return Check("product", False, f"{health.status}: {health.detail}")
    wrong = [f"{k} is {getattr(health, k)}, not {v}" for k, v in wanted.items() if getattr(health, k) != v]
    return Check("product", not wrong, "; ".join(wrong) or f"release {release} serves on it")


def verdict_of(checks: Sequence[Check]) -> Verdict:
    """Failed where anything is wrong; inconclusive where something could not be told; passed else."""
    if any(c.ok is False for c in checks):
        return Verdict.FAILED
    if not checks or any(c.ok is None for c in checks):
        return Verdict.INCONCLUSIVE
    return Verdict.PASSED


def newest_write(seen: Mapping[str, Any]) -> datetime | None:
    """When the newest sentinel row was written (UTC); None without one."""
    row = seen["sentinel"]["value"]
    return datetime.fromisoformat(row["written_at"]).astimezone(UTC) if row else None


def _tls(connection: Mapping[str, Any]) -> Check:
    if connection["value"] is None:
        return Check("login", _unread(connection["error"]), connection["error"] or "no answer")
    version = connection["value"]["tls"]
    return Check("login", bool(version), f"with {version}" if version else "the connection is not encrypted")


def _version(connection: Mapping[str, Any], wanted: str) -> Check:
    if connection["value"] is None:
        return Check("version", None, "the login failed")
    found = str(connection["value"]["server_version"]).split()[0]
    same = found == wanted or found.startswith(f"{wanted}.")
    return Check("version", same, f"PostgreSQL {found}" + ("" if same else f", not {wanted}"))


def _sentinel(sentinel: Mapping[str, Any], expected: Expected) -> list[Check]:
    row = sentinel["value"]
    if row is None and sentinel["error"]:
        return [Check("sentinel", _unread(sentinel["error"]), sentinel["error"])]
    if row is None:
        return [Check("sentinel", False, "there is no sentinel row")]
    owner, schema = row["tenant"], row["schema_version"]
    return [
        Check("sentinel", owner == expected.tenant, f"the data is of tenant {owner}, written at {row['written_at']}"),
        Check("schema", schema == expected.schema_version, f"the sentinel says schema {schema}"),
    ]


def _rows(rows: Mapping[str, Any], expected: Expected) -> Check:
    found = rows["value"]
    if found is None:
        return Check("rows", _unread(rows["error"]), rows["error"] or "no answer")
    if not found:
        return Check("rows", False, "the product has no tables")
    others = rows.get("unlisted") or {"tables": 0, "rows": 0}
    total = f"{sum(found.values()) + others['rows']} rows in {len(found) + others['tables']} tables"
    if others["tables"]:
        total += f", of which the {len(found)} largest are listed and compared"
    if expected.rows is None or expected.rows_schema != expected.schema_version:
        return Check("rows", True, f"{total}; no drill before to compare with")
    # One that isn't listed has no more rows than the smallest that is.
    most, missing = (min(found.values()), "too few to be listed") if others["tables"] else (-1, "0")
    short = [
        f"{table}: {found.get(table, missing)} of {before}"
        for table, before in sorted(expected.rows.items())
        if found.get(table, most) < before * ROW_FLOOR
    ]
    return Check("rows", not short, f"{total}" if not short else f"fewer than before: {', '.join(short[:10])}")


def _amcheck(seen: Mapping[str, Any]) -> Check:
    """pg_amcheck exits with 0 where all is sound, 1 where it could not look, and 2 where it found damage, or where the
    server refused to look: that says nothing about the data. Each complaint is a line, and lines of its own below it
    that are indented."""
    code, text = seen["code"], seen["text"]
    if code == 0:
        return Check("amcheck", True, "tables and indexes are sound")
    complaints = [c for c in re.split(r"\n(?!\s)", text) if c.strip() and not _REMARK.match(c)]
    damage = [c for c in complaints if not _REFUSED.search(c)]
    # What it found comes first, however much it could not look at.
    words = " ".join("\n".join(damage or complaints).split())[:1000] or f"pg_amcheck ended with {code}"
    return Check("amcheck", False if code == 2 and damage else None, words)


def _unread(error: str) -> bool | None:
    """What an error says about the data that could not be read: False where it is damaged; None where nothing."""
    state = _STATE.search(error)
    if state is not None:
        return False if state[1].startswith(_DAMAGED) else None
    fatal = _FATAL.search(error)
    return False if fatal is not None and _BROKEN.search(fatal[1]) else None
