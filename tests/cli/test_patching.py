"""`provision patch ...`, from the words to exit code, stdout and stderr. No cloud: a step ends as the test says."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from provisioner.model.patch.scan import Patch, Scan, fact
from tests.cli.rollouts import IDS, Fleet, Steps
from tests.unit.ops.fake_patches import package


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    made = Fleet(tmp_path, monkeypatch)
    yield made
    made.ledger.close()


def scanned(fleet: Fleet, tenant: str, *patches: Patch, days: int = 0) -> None:
    """Of the machine that serves; what is missing was seen so many days ago, too."""
    fleet.ledger.observe(tenant, "machine", {"id": "i-1", "suffix": ""})
    now = datetime.now(UTC)
    before = fact(Scan("pb-1", now - timedelta(days=days), 100, patches), None, "i-1", "ami-1")
    fleet.ledger.observe(tenant, "patch", fact(Scan("pb-1", now, 100, patches), before, "i-1", "ami-1"))


def test_a_plan_has_waves_and_reasons_and_moves_no_channel(fleet: Fleet) -> None:
    scanned(fleet, "beta")
    shown = fleet.ok("patch", "plan").stdout
    assert "3 tenants in 2 waves, 1 left out (strategy quick)" in shown
    assert re.search(r"^beta +already there +nothing was missing when it was scanned", shown, re.MULTILINE)
    assert "patches stay; only a restore brings the machine of before back" in shown
    assert "channel" not in shown
    planned = fleet.json("patch", "plan")
    assert (planned["work"], planned["channel"], planned["release"][:8]) == ("patch", None, "patches-")
    assert "pinned" in {t["id"] for wave in planned["waves"] for t in wave["tenants"]}, "a pin is of the release"
    text = fleet.ok("patch", "plan", "--output", "markdown").stdout
    assert text.startswith("### Rollout of patches-")
    assert "Channel" not in text


def test_it_is_a_rollout_with_its_verbs(fleet: Fleet) -> None:
    Steps.causes["acme"] = "package x of acme couldn't be installed: exit 1"
    answer = fleet.ok("patch", "install", "--yes", code=3)
    assert "acme failed: package x of acme couldn't be installed: exit 1" in answer.stderr
    [begun] = fleet.ledger.rollouts()
    assert fleet.states() == {"acme": "failed", "beta": "waiting", "gamma": "waiting", "pinned": "waiting"}
    shown = fleet.json("rollout", "status", code=3)
    assert (shown["work"], shown["status"]) == ("patch", "halted")
    Steps.causes.clear()
    fleet.ok("rollout", "retry-failed")
    assert set(fleet.states().values()) == {"succeeded"}
    assert {record.assigned_release for record in fleet.ledger.tenants()} == {"1.0.0"}
    refused = fleet.ok("rollout", "rollback", begun.id, "--yes", code=6)
    assert "patches can't be taken back" in refused.stderr
    assert 'stable: "1.0.0"' in fleet.registry.read_text()


def test_somebody_must_say_yes(fleet: Fleet) -> None:
    assert "--yes" in fleet.ok("patch", "install", code=2).stderr
    assert fleet.ledger.rollouts() == []
    assert "belong together" in fleet.ok("patch", "install", "--fast", code=2).stderr


def test_a_report_is_exit_6_where_a_deadline_was_missed(fleet: Fleet, tmp_path: Path) -> None:
    for tenant in IDS:
        scanned(fleet, tenant)
    assert {row["breaches"] for row in fleet.json("patch", "report")} == {""}
    scanned(fleet, "acme", package("openssl", cve="CVE-2026-1"), days=8)
    page, sheet = tmp_path / "report.html", tmp_path / "report.csv"
    words = ("patch", "report", "--html", str(page), "--csv", str(sheet))
    [acme, *others] = fleet.json(*words, code=6)
    assert "1 past the deadline: openssl:1.0-2 (critical, missing" in acme["breaches"]
    assert (acme["critical"], acme["open"][0]["cves"]) == (1, ["CVE-2026-1"])
    assert all(row["breaches"] == "" for row in others)
    assert "past the deadline" in page.read_text()
    assert len(sheet.read_text().splitlines()) == 5
    fleet.ok("patch", "report", "beta")
    fleet.edit(
        "  acme:\n",
        "  acme:\n    patch_exceptions:\n"
        "      - {advisory: CVE-2026-1, reason: no fix, name: Jane, expires: 2999-01-01}\n",
    )
    fleet.ok("patch", "report")


def test_of_whom_nothing_is_known_is_exit_6(fleet: Fleet) -> None:
    [row] = fleet.json("patch", "report", "acme", code=6)
    assert (row["breaches"], row["critical"], row["scanned"]) == ("it was never scanned", None, "never")


def test_what_can_not_wait_needs_a_reason(fleet: Fleet) -> None:
    fleet.edit("    ring: 0\n", '    ring: 0\n    window: {days: [mon], start: "02:00", hours: 1}\n')
    assert "belong together" in fleet.ok("patch", "plan", "--now", code=2).stderr
    planned = fleet.json("patch", "plan", "--now", "--reason", "CVE-2026-1")
    [acme] = planned["waves"][0]["tenants"]
    assert (acme["id"], acme["window"], planned["strategy"]["hasty"]) == ("acme", None, "CVE-2026-1")
