"""Many tenants drilled at once, as a table and as JSON.

    python -m benchmarks.drills [--tenants N] [--at-once N] [--json FILE]

Each drill really restores a snapshot into a quarantine of its own, reads all of it, starts the product on it, and
destroys it again. Ends with an error where a drill did not pass or anything of a quarantine is left.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, table
from tests.installation import Installation

PHASES = ("restore", "verify", "probe")
_SERVICES = ("ec2", "rds", "secretsmanager", "iam")


@dataclass(frozen=True, slots=True)
class Drilled:
    """What came of a fleet's drills. `rows` and `report`: as the commands print them. `most`: quarantines that stood at
    the same time, as far as was seen. `left`: what is still there of any."""

    seconds: float
    rows: list[dict[str, Any]]
    report: list[dict[str, Any]]
    page: str
    most: int
    left: list[str]


def fleet(installation: Installation, tenants: int) -> None:
    """Tenants, each with a recovery point."""
    installation.ok("sandbox", "start")
    installation.ok("new-tenant", "fleet-00", "--tier", "trial")
    rows = "".join(f"  fleet-{n:02}:\n    tier: trial\n    ring: {n % 4}\n" for n in range(1, tenants))
    text = installation.registry.read_text().rstrip("\n")
    installation.registry.write_text(f"{text}\n{rows}")
    _patiently(installation, "apply", "--all", "--yes", "--parallel", "4")
    _patiently(installation, "backup", "create", "--all", "--max-concurrency", "4")


def drill(installation: Installation, at_once: int, page: Path) -> Drilled:
    """Drill all tenants, write the report, and count what is left."""
    began = time.perf_counter()
    with _watching(installation) as seen:
        answer = _patiently(installation, "drill", "--all", "--max-concurrency", str(at_once), "-o", "json")
    seconds = time.perf_counter() - began
    report = installation.ok("drill", "report", "-o", "json", "--html", str(page)).json
    return Drilled(seconds, json.loads(answer), report, page.read_text(), max(seen), quarantined(installation))


def figures(done: Drilled, at_once: int) -> Iterator[Figure]:
    """The measurements."""
    count = len(done.rows)
    yield Figure(f"drills of {count} tenants, {at_once} at once", done.seconds, "s")
    yield Figure("for each tenant", done.seconds / count, "s")
    for phase in PHASES:
        yield Figure(f"{phase} of one drill, median", statistics.median(r["seconds"][phase] for r in done.rows), "s")
    slowest = max(r["rto_minutes"] for r in done.rows)
    yield Figure("time to recover, slowest", slowest * 60, "s")
    yield Figure("passed", sum(r["verdict"] == "passed" for r in done.rows), "drills", least=count)
    yield Figure("quarantines at the same time", done.most, "at the most", aim=at_once + 1)
    yield Figure("in the report, without a breach", sum(not r["breaches"] for r in done.report), "tenants", least=count)
    yield Figure("left of all quarantines", len(done.left), "resources", aim=1)


def quarantined(installation: Installation) -> list[str]:
    """What there is of any quarantine, asked of each service by tag; a machine that is terminated isn't."""
    by_tag = [{"Name": "tag:provision:purpose", "Values": ["drill"]}]
    ec2, rds, secrets, iam = (installation.client(service) for service in _SERVICES)
    reservations = ec2.describe_instances(Filters=by_tag)["Reservations"]
    machines = (i for r in reservations for i in r["Instances"] if i["State"]["Name"] != "terminated")
    found = [i["InstanceId"] for i in machines]
    for call, listing, key in (
        ("describe_vpcs", "Vpcs", "VpcId"),
        ("describe_subnets", "Subnets", "SubnetId"),
        ("describe_security_groups", "SecurityGroups", "GroupId"),
        ("describe_route_tables", "RouteTables", "RouteTableId"),
        ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        ("describe_volumes", "Volumes", "VolumeId"),
    ):
        found += [item[key] for item in getattr(ec2, call)(Filters=by_tag)[listing]]
    found += [d["DBInstanceIdentifier"] for d in rds.describe_db_instances()["DBInstances"] if _of_drill(d["TagList"])]
    found += [s["Name"] for s in secrets.list_secrets()["SecretList"] if _of_drill(s.get("Tags", []))]
    roles = (r["RoleName"] for page in iam.get_paginator("list_roles").paginate() for r in page["Roles"])
    return found + [r for r in roles if _of_drill(iam.list_role_tags(RoleName=r)["Tags"])]


def _of_drill(tags: list[dict[str, str]]) -> bool:
    return {"Key": "provision:purpose", "Value": "drill"} in tags


def _patiently(installation: Installation, *words: str) -> str:
    """A command that may take longer than a test would wait."""
    process = installation.start(*words)
    stdout, stderr = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"{words} ended with {process.returncode}:\n{stdout}\n{stderr[-4000:]}")
    return stdout


@contextmanager
def _watching(installation: Installation) -> Iterator[list[int]]:
    """How many quarantines there are, looked at twice a second."""
    ec2, seen, over = installation.client("ec2"), [0], threading.Event()
    by_tag = [{"Name": "tag:provision:purpose", "Values": ["drill"]}]

    def look() -> None:
        while not over.wait(0.5):
            seen.append(len(ec2.describe_vpcs(Filters=by_tag)["Vpcs"]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Measure, print the table on stderr and the JSON on stdout (or into a file)."""
    words = argparse.ArgumentParser(prog="python -m benchmarks.drills")
    words.add_argument("--tenants", type=int, default=20, help="tenants that are made and drilled (default 20)")
    words.add_argument("--at-once", type=int, default=4, help="drills at the same time (default 4)")
    words.add_argument("--json", type=Path, help="write the JSON here instead of stdout")
    said = words.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="provision-drills-"))
    installation = Installation(folder)
    try:
        fleet(installation, said.tenants)
        done = drill(installation, said.at_once, folder / "report.html")
    finally:
        installation.end()
        shutil.rmtree(folder, ignore_errors=True)
    measured = list(figures(done, said.at_once))
    text = json.dumps({"figures": [f.as_dict() for f in measured], "drills": done.rows}, indent=2) + "\n"
    if said.json:
        said.json.write_text(text)
    else:
        sys.stdout.write(text)
    sys.stderr.write(table(measured))
    if any(f.verdict == "MISSED" for f in measured):
        sys.exit(1)


if __name__ == "__main__":
    main()
