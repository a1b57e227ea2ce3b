"""A tenant's disk fills at a steady rate: the forecast has the date within its interval, and the tenant comes first."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.installation import Installation, only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600), only_exhaustive]

KIB = 1024
STEP_MIB = 16
SECONDS = 150
TENANTS = ("acme", "beta", "gamma")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Three tenants on a sandbox that measures each second."""
    made = Installation(tmp_path_factory.mktemp("filling"))
    made.ok("sandbox", "start", PROVISION_SANDBOX_METER_SECONDS="1")
    for tenant in TENANTS:
        made.ok("new-tenant", tenant, "--tier", "trial")
    yield made
    made.end()


def grown(file: Path, seconds: float) -> tuple[datetime, float]:
    """Let it grow by a step each second: really, though nothing is written. When that ended, and MiB a second."""
    began, size = time.monotonic(), 0
    with file.open("wb") as out:
        while (passed := time.monotonic() - began) < seconds:
            wanted = int(passed) * STEP_MIB
            if wanted > size:
                os.posix_fallocate(out.fileno(), size * KIB * KIB, (wanted - size) * KIB * KIB)
                size = wanted
            time.sleep(0.05)
    return datetime.now(UTC), size / seconds


def test_the_date_is_in_the_interval_and_the_tenant_comes_first(measured: Installation) -> None:
    shown: Any = measured.show("beta")
    root = measured.home / "sandbox" / "machines" / shown["machine"]["id"] / "root"
    time.sleep(20)
    ended, rate = grown(root / "filling", SECONDS)
    rows = measured.ok("forecast", "--all", "-o", "json").json
    disk = next(r for r in rows if (r["tenant"], r["resource"]) == ("beta", "disk"))
    left = (disk["capacity"] - disk["used"]) * KIB / rate
    right = ended + timedelta(seconds=left)
    earliest, latest = datetime.fromisoformat(disk["earliest"]), datetime.fromisoformat(disk["latest"])
    assert earliest <= right <= latest, disk
    found = measured.ok("status", "-o", "json").json
    first = found["tenants"][0]
    assert (first["id"], first["needs"][0]["key"], first["weight"]) == ("beta", "capacity-disk", "now")
    assert first["needs"][0]["next"] == "provision resize beta --disk 30"
