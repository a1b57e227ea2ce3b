"""A tenant's disk fills at a steady rate: the forecast has the date within its interval, and the tenant comes first."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
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


class Filling:
    """A file that grows by a step each second while the body runs: really, though nothing is written."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.began = datetime.now(UTC)

    def __enter__(self) -> "Filling":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        began, size = time.monotonic(), 0
        with self._file.open("wb") as out:
            while not self._over.wait(0.05):
                wanted = int(time.monotonic() - began) * STEP_MIB
                if wanted > size:
                    os.posix_fallocate(out.fileno(), size * KIB * KIB, (wanted - size) * KIB * KIB)
                    size = wanted


def disk_of(measured: Installation, tenant: str) -> Any:
    rows = measured.ok("forecast", "--all", "-o", "json").json
    return next(r for r in rows if (r["tenant"], r["resource"]) == (tenant, "disk"))


def test_the_date_is_in_the_interval_and_the_tenant_comes_first(measured: Installation) -> None:
    shown: Any = measured.show("beta")
    root = measured.home / "sandbox" / "machines" / shown["machine"]["id"] / "root"
    time.sleep(20)
    before = disk_of(measured, "beta")
    with Filling(root / "filling") as filling:
        time.sleep(SECONDS)
        disk = disk_of(measured, "beta")
        found = measured.ok("status", "-o", "json").json
    left = (before["capacity"] - before["used"]) * KIB / STEP_MIB
    right = filling.began + timedelta(seconds=left)
    earliest, latest = datetime.fromisoformat(disk["earliest"]), datetime.fromisoformat(disk["latest"])
    assert earliest <= right <= latest, (right, disk)
    assert latest - earliest < timedelta(seconds=left / 2), "an interval that says something"
    first = found["tenants"][0]
    assert (first["id"], first["needs"][0]["key"], first["weight"]) == ("beta", "capacity-disk", "now")
    assert first["needs"][0]["next"] == "provision resize beta --disk 30"
