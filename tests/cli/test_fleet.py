"""`status`, `skew`, `metrics` and `resize` as they are typed: words, JSON, exit codes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from provisioner.cli.fleet_view import FleetView, changed
from provisioner.cli.framework import Selection, Session, Shared
from provisioner.cli.looking import watched
from provisioner.ops.fleet import Fleet as Found
from tests.cli.rollouts import Fleet, Steps


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    made = Fleet(tmp_path, monkeypatch)
    yield made
    made.ledger.close()


def fills_up(fleet: Fleet, tenant: str, hours: float) -> None:
    at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
    fleet.ledger.observe(tenant, "forecast", {"resource": "disk", "at": at, "earliest": at})


def test_who_needs_a_person_comes_first_with_the_next_command(fleet: Fleet) -> None:
    fills_up(fleet, "gamma", 30)
    fleet.ledger.observe("beta", "health", {"status": "healthy", "release": "1.0.0"})
    found = fleet.json("status")
    assert [t["id"] for t in found["tenants"]] == ["gamma", "acme", "beta", "pinned"]
    assert found["counts"] == {"now": 1, "soon": 0, "later": 0, "well": 3}
    first = found["tenants"][0]
    assert (first["weight"], first["resource"], first["needs"][0]["topic"]) == ("now", "disk", "capacity")
    assert first["seen"]["forecast"]
    said = fleet.ok("status").stdout
    assert "4 tenant(s): 1 now, 3 well" in said
    assert "disk 29h (0s)" in said
    assert "next: provision resize gamma --disk" in said
    assert "healthy (0s)" in said
    assert "unknown" in said, "what nobody has looked at isn't fine"
    assert [t["id"] for t in fleet.json("status", "--needing")["tenants"]] == ["gamma"]
    assert [t["id"] for t in fleet.json("status", "--ring", "0")["tenants"]] == ["acme"]


def test_watched_tells_each_change_once(fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    session, looks = Session(Shared()), 0

    def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            fills_up(fleet, "gamma", 30)
        elif looks == 3:
            fleet.ledger.observe("gamma", "forecast", {"resource": None, "at": None})
        elif looks == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(type(session.app.clock), "sleep", lambda _, seconds: sleep(seconds))
    with pytest.raises(typer.Exit) as ended:
        watched(session, Selection(), needing=False, probe=False, interval=1)
    assert ended.value.exit_code == 130
    lines = [line for line in capsys.readouterr().err.splitlines() if "gamma" in line]
    assert [line.partition(" by ")[0] for line in lines] == [
        "gamma: now: its disk may run out",
        "over: gamma: now: its disk may run out",
    ]


def test_nothing_new_is_no_line() -> None:
    empty = FleetView(Found(datetime.now(UTC), []))
    assert changed(None, empty) == changed(empty, empty) == []


def test_a_halted_rollout_stands_above_all(fleet: Fleet) -> None:
    Steps.causes["acme"] = "it does not start"
    fleet.ok("rollout", "start", "1.1.0", "--yes", code=3)
    found = fleet.json("status")
    (rollout,) = found["rollouts"]
    assert (rollout["status"], rollout["steps"], rollout["stranded"]) == ("halted", 3, False)
    assert found["tenants"][0]["id"] == "acme"
    said = fleet.ok("status").stdout
    assert "to 1.1.0: halted, 0 of 3 are there; " in said
    assert "is failed in rollout" in said


def test_skew_says_who_why_and_since_when(fleet: Fleet) -> None:
    assert fleet.json("skew") == []
    assert "all are on the main line" in fleet.ok("skew").stdout
    fleet.edit(
        "  acme:\n    ring: 0\n", "  acme:\n    ring: 0\n    hold: {until: 2999-01-01, reason: audit, name: Jane}\n"
    )
    Steps.causes["gamma"] = "it does not start"
    fleet.ok("rollout", "start", "1.1.0", "--yes", code=3)
    fleet.edit('stable: "1.0.0"', 'stable: "1.1.0"')
    found = {row["tenant"]: row for row in fleet.json("skew")}
    assert {t: row["cause"] for t, row in found.items()} == {"acme": "hold", "gamma": "failed", "pinned": "pin"}
    assert "it does not start" in found["gamma"]["detail"]
    assert found["gamma"]["next"].startswith("provision rollout retry-failed gamma --rollout ")
    assert found["pinned"]["since"] == found["acme"]["since"] == fleet.json("rollout", "status", code=3)["started_at"]
    assert "1 behind" in fleet.ok("skew").stdout


def test_metrics_on_stdout_and_into_a_file(fleet: Fleet, tmp_path: Path) -> None:
    assert 'provision_tenants{state="active"} 4.0' in fleet.ok("metrics").stdout
    path = tmp_path / "fleet.prom"
    fleet.ok("metrics", "--textfile", str(path))
    assert 'provision_tenants{state="active"} 4.0' in path.read_text()
    assert "--textfile" in fleet.ok("metrics", "--textfile", str(tmp_path / "no" / "x.prom"), code=1).stderr


def test_resize_waits_for_the_window_and_is_in_the_registry_at_once(fleet: Fleet) -> None:
    never = '    window: {days: [mon], start: "00:00", hours: 1}\n    time_zone: UTC\n'
    if datetime.now(UTC).weekday() == 0:
        never = never.replace("mon", "thu")
    fleet.edit("  beta:\n", "  beta:\n" + never)
    refused = fleet.ok("resize", "beta", "--disk", "10", "--yes", code=6)
    assert "EBS never shrinks a disk" in refused.stderr
    assert "overrides" not in fleet.registry.read_text()
    assert fleet.json("resize", "beta", "--disk", "40", "--dry-run")["state"] == "would be resized"
    assert "overrides" not in fleet.registry.read_text()
    fleet.ok("resize", "beta", "--disk", "40", code=2)
    assert "overrides" not in fleet.registry.read_text(), "nobody confirmed it"
    for gib in (40, 40, 60):
        found = fleet.json("resize", "beta", "--disk", str(gib), "--yes", "--reason", "its uploads grow")
        assert found["state"] == "waits for its window"
    written = fleet.registry.read_text()
    assert written.count("setting: root_disk_gib") == 1
    assert "value: 60" in written
    assert "reason: its uploads grow" in written
    fact = fleet.ledger.fact("beta", "resize")
    assert fact is not None
    assert fact.value["settings"] == {"root_disk_gib": 60}
    assert "0:00 UTC" in found["when"]
