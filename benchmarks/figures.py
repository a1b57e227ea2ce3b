"""The figures, each measured from outside."""

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner.ledger.store import open_ledger
from provisioner.model.clock import SystemClock
from provisioner.model.json import JsonDict
from provisioner.model.lifecycle import Lifecycle
from tests.installation import COMMAND, Installation

BARE = """
import typer
app = typer.Typer()
@app.command()
def one(name: str = "x") -> None: "One."
@app.command()
def two(name: str = "x") -> None: "Two."
app()
"""

_NOW = datetime.now(UTC).isoformat()
FACTS: dict[str, JsonDict] = {
    "backup": {"point": "x", "taken_at": _NOW},
    "drill": {"verdict": "passed", "proven_at": _NOW},
    "drift": {"changes": 0, "regression": 0, "outage": 0, "unknown": 0, "harmless": 0, "planned": 0},
    "forecast": {"resource": "disk", "at": "2027-03-01T00:00:00+00:00", "earliest": "2027-02-01T00:00:00+00:00"},
    "alarms": {"firing": [], "silent": [], "of": 7},
    "patch": {"critical": 1, "important": 3, "deadline_missed": 0, "pending_reboot": False, "next_deadline": None},
}
"""What a worker would have seen of each tenant on paper."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. `aim`: it should stay under that; `least`: it should reach that; 0: there is no such aim."""

    name: str
    value: float
    unit: str
    aim: float = 0.0
    least: float = 0.0

    @property
    def wanted(self) -> str:
        """The aim in words."""
        return f"under {self.aim:g}" if self.aim else f"at least {self.least:g}" if self.least else "-"

    @property
    def verdict(self) -> str:
        """Whether the aim was met."""
        if not self.aim and not self.least:
            return ""
        return "met" if (self.value < self.aim if self.aim else self.value >= self.least) else "MISSED"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "verdict": self.verdict}


def table(figures: Iterable[Figure]) -> str:
    """For people."""
    rows = [(f.name, f"{f.value:.2f} {f.unit}", f.wanted, f.verdict) for f in figures]
    widths = [max(len(r[i]) for r in rows) for i in range(4)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows) + "\n"


def cheap(folder: Path, runs: int) -> Iterator[Figure]:
    """What needs no sandbox: start-up against a bare Typer app, and `list` of a thousand tenants."""
    bare, helped = [], []
    for _ in range(runs):  # in turns, so that both see the same machine
        bare.append(wall([sys.executable, "-c", BARE, "--help"]))
        helped.append(wall([*COMMAND, "--help"]))
    yield Figure("--help", statistics.median(helped), "s")
    yield Figure("--help / bare Typer --help", statistics.median(helped) / statistics.median(bare), "times", 2.0)
    thousand = Installation(folder)
    fleet_on_paper(thousand, 1000)
    times = [wall([*COMMAND, "list", "-o", "json"], thousand.environment()) for _ in range(runs)]
    yield Figure("list, 1,000 tenants", statistics.median(times), "s", 0.6)
    times = [wall([*COMMAND, "status"], thousand.environment()) for _ in range(runs)]
    yield Figure("status, 1,000 tenants", statistics.median(times), "s", 1.0)


def on_sandbox(installation: Installation, fleet: int) -> Iterator[Figure]:
    """What a warm sandbox gives: a tenant, a fleet, and no-ops; and what it costs in memory."""
    installation.ok("sandbox", "start")
    installation.ok("new-tenant", "warm", "--tier", "trial")
    before = _memory(installation)
    seconds, client = _measured(installation, "new-tenant", "acme", "--tier", "trial")
    yield Figure("new-tenant, warm sandbox, to healthy", seconds, "s", 8.0)
    yield Figure("memory of the client (new-tenant, peak)", client, "MB", 200.0)
    seconds, _ = _measured(installation, "new-tenant", "beta", "--tier", "standard")
    yield Figure("new-tenant, standard tier", seconds, "s")
    _entries(installation, fleet - 3)
    seconds, client = _measured(installation, "apply", "--all", "--yes")
    yield Figure(f"apply, {fleet - 3} new tenants", seconds, "s")
    yield Figure("memory of the client (apply of the fleet, peak)", client, "MB")
    grown = (_memory(installation) - before) / (fleet - 1)
    yield Figure("memory of daemon, database and product for each tenant (PSS)", grown, "MB", 80.0)
    seconds, _ = _measured(installation, "apply", "acme", "--yes")
    yield Figure("no-op apply of 1 tenant", seconds, "s", 1.5)
    seconds, _ = _measured(installation, "apply", "--all", "--yes")
    yield Figure(f"no-op apply of {fleet} tenants", seconds, "s", 5.0 if fleet >= 50 else 0.0)
    seconds, _ = _measured(installation, "apply", "acme", "--yes", "--refresh")
    yield Figure("apply --refresh of 1 tenant, nothing to do", seconds, "s")


def wall(words: list[str], environment: dict[str, str] | None = None) -> float:
    """Seconds of one command that must succeed."""
    began = time.perf_counter()
    subprocess.run(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _measured(installation: Installation, *words: str) -> tuple[float, float]:
    """Seconds and peak memory (MB) of one command that must succeed."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, *words], env=installation.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    words_said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status != 0:
        raise SystemExit(f"{words} failed:\n{words_said}")
    return seconds, usage.ru_maxrss / 1024


def _memory(installation: Installation) -> float:
    """PSS of the daemon and of all that it started, in MB: those that name its home."""
    mark = str(installation.home)
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            named = mark in (folder / "cmdline").read_bytes().decode(errors="replace")
            if named or mark in str((folder / "cwd").readlink()):
                found = re.search(r"^Pss:\s+(\d+) kB", (folder / "smaps_rollup").read_text(), re.MULTILINE)
                total += int(found[1]) / 1024 if found else 0.0
        except OSError:
            continue
    return total


def _entries(installation: Installation, count: int) -> None:
    """Tenants written into the registry by hand, as an import would."""
    rows = "".join(f"  fleet-{n:04}:\n    tier: trial\n    ring: {n % 4}\n" for n in range(count))
    text = installation.registry.read_text().rstrip("\n")
    installation.registry.write_text(f"{text}\n{rows}")


def fleet_on_paper(installation: Installation, tenants: int) -> None:
    """Tenants in the registry and, with facts, in the ledger; none of them exists."""
    text = installation.registry.read_text().replace("max_tenants: 50", f"max_tenants: {tenants}")
    installation.registry.write_text(re.sub(r"^tenants: *\{\} *$", "tenants:", text, flags=re.MULTILINE))
    _entries(installation, tenants)
    installation.home.mkdir(parents=True)
    ledger = open_ledger(f"sqlite:///{installation.home / 'ledger.db'}", SystemClock())
    for n in range(tenants):
        tenant = f"fleet-{n:04}"
        ledger.ensure_tenant(tenant, "sandbox")
        ledger.set_lifecycle(tenant, Lifecycle.PROVISIONING)
        ledger.assign_release(tenant, "1.0.0")
        ledger.observe(tenant, "url", {"url": f"http://127.20.{n // 250}.{n % 250 + 1}:8080"})
        ledger.observe(tenant, "health", {"status": "healthy", "release": "1.0.0"})
        ledger.observe(tenant, "machine", {"id": f"i-{n:017x}"})
        for name, value in FACTS.items():
            ledger.observe(tenant, name, value)
        ledger.set_lifecycle(tenant, Lifecycle.ACTIVE)
    ledger.close()
