"""What AWS-RunPatchBaseline finds and does on a disk."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.sandbox.packages import agent
from provisioner.sandbox.packages.agent import REBOOT, Disk, Order, carry_out, older
from tests.unit.sandbox_packages.conftest import records

Machine = Callable[..., Disk]
Json = dict[str, Any]


def run(
    feed: Json,
    disk: Disk,
    operation: str,
    reboot: str = "NoReboot",
    *,
    rebooted: bool = False,
    hooks: Json | None = None,
) -> tuple[int, dict[str, str]]:
    """Exit code, and states by package."""
    code = carry_out(Order(operation, reboot, feed, hooks or {}), disk, rebooted=rebooted)
    return code, {row["KBId"].removesuffix(".x86_64"): row["State"] for row in disk.report()["rows"]}


@pytest.mark.parametrize(
    ("one", "other"),
    [("8.4.0", "8.10.0"), ("9.8", "9.8p1"), ("9.8p1", "9.8p2"), ("2024a", "2024b"), ("1.9p1", "1.9.1")],
)
def test_versions_have_an_order(one: str, other: str) -> None:
    assert older(one, other)
    assert not older(other, one)
    assert not older(one, one)


def test_a_scan_tells_what_is_missing_and_changes_nothing(feed: Json, machine: Machine) -> None:
    disk = machine(curl="8.3.0", kernel="6.1.10", telnet="0.17", bash="5", own="1")
    code, states = run(feed, disk, "Scan")
    assert code == 0
    assert states == {
        "bash": "InstalledOther",
        "curl": "Missing",
        "kernel": "Installed",
        "own": "InstalledOther",
        "telnet": "InstalledRejected",
    }
    curl = next(row for row in disk.report()["rows"] if row["KBId"] == "curl.x86_64")
    assert (curl["Title"], curl["Severity"], curl["CVEIds"]) == ("curl.x86_64:8.10.0", "Critical", "CVE-1,CVE-2")
    assert records(disk)["curl"] == "8.3.0"
    assert disk.report()["not_applicable"] == 1, "sudo isn't installed"


def test_an_installation_installs_all_that_is_missing_and_nothing_rejected(feed: Json, machine: Machine) -> None:
    disk = machine(curl="8.3.0", kernel="6.1.9", telnet="0.17")
    assert run(feed, disk, "Scan")[0] == 0
    assert disk.report()["no_reboot_install_at"] is None
    code, states = run(feed, disk, "Install")
    assert code == 0
    assert states == {"curl": "Installed", "kernel": "InstalledPendingReboot", "telnet": "InstalledRejected"}
    assert records(disk) == {"curl": "8.10.0", "kernel": "6.1.10", "telnet": "0.17"}
    assert (disk.payload("kernel", "6.1.10") / "boot/vmlinuz").read_text() == "new"
    assert disk.report()["no_reboot_install_at"] is not None
    after = Disk(disk.root, "boot-2")
    assert run(feed, after, "Scan")[1]["kernel"] == "Installed"
    assert after.report()["no_reboot_install_at"] is not None


def test_a_package_that_fails_leaves_the_old_one_and_the_others_are_installed(
    feed: Json, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = machine(sudo="1.9.5p2", curl="8.3.0")
    code, states = run(feed, disk, "Install")
    assert (code, states) == (1, {"curl": "Installed", "sudo": "Failed"})
    assert records(disk) == {"curl": "8.10.0", "sudo": "1.9.5p2"}
    assert not disk.payload("sudo", "1.9.6").exists()
    assert "failed sudo 1.9.6: its script ended with 3: disk is full" in capsys.readouterr().err
    assert run(feed, disk, "Scan")[1]["sudo"] == "Missing"


def test_reboot_if_needed_asks_for_it_once_and_remembers_what_failed(feed: Json, machine: Machine) -> None:
    disk = machine(kernel="6.1.9", sudo="1.9.5p2")
    code, states = run(feed, disk, "Install", "RebootIfNeeded")
    assert (code, states["kernel"]) == (REBOOT, "InstalledPendingReboot")
    started = disk.report()["started"]
    code, states = run(feed, Disk(disk.root, "boot-2"), "Install", "RebootIfNeeded", rebooted=True)
    assert (code, states) == (1, {"kernel": "Installed", "sudo": "Failed"})
    assert disk.report()["started"] == started
    feed["packages"]["sudo"][1]["install"] = ""
    assert run(feed, Disk(disk.root, "boot-2"), "Install", "RebootIfNeeded")[0] == 0


def test_hooks_run_at_their_moments_and_one_that_fails_stops_the_installation(feed: Json, machine: Machine) -> None:
    disk = machine(curl="8.3.0", kernel="6.1.9")
    log = disk.root / "log"
    hooks = {name: f"echo {name} >> log" for name in ("before", "after", "exit")}
    assert run(feed, disk, "Scan", hooks=hooks)[0] == 0
    assert not log.exists()
    assert run(feed, disk, "Install", "RebootIfNeeded", hooks=hooks)[0] == REBOOT
    assert log.read_text() == "before\nafter\n"
    assert run(feed, Disk(disk.root, "boot-2"), "Install", "RebootIfNeeded", rebooted=True, hooks=hooks)[0] == 0
    assert log.read_text() == "before\nafter\nexit\n"
    other = machine(curl="8.3.0")
    assert run(feed, other, "Install", hooks={**hooks, "before": "exit 4"})[0] == 1
    assert records(other)["curl"] == "8.3.0"
    assert log.read_text().endswith("exit\nexit\n")


class KilledError(BaseException):
    """Where a test kills."""


@pytest.mark.parametrize("at", ["record", "payload", "shell"])
def test_killed_half_way_the_rest_is_missing_and_nothing_is_half(
    feed: Json, machine: Machine, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    disk = machine(bash="5", curl="8.3.0", kernel="6.1.9")

    def killed(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if any("kernel" in str(value) for value in (*args, *kwargs.values())):
            raise KilledError
        return original(*args, **kwargs)

    owner, name = {"record": (Disk, "record"), "payload": (Path, "write_text"), "shell": (agent, "shell")}[at]
    original = getattr(owner, name)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, lambda *args, **kwargs: killed(original, *args, **kwargs))
        with pytest.raises(KilledError):
            run(feed, disk, "Install")
    assert records(disk) == {"bash": "5", "curl": "8.10.0", "kernel": "6.1.9"}
    assert run(feed, disk, "Scan")[1] == {"bash": "InstalledOther", "curl": "Installed", "kernel": "Missing"}
    assert run(feed, disk, "Install")[1]["kernel"] == "InstalledPendingReboot"
    assert {folder.name for folder in (disk.root / agent.PAYLOADS).iterdir()} == {"curl-8.10.0", "kernel-6.1.10"}


def test_what_an_old_version_brought_goes_with_it(feed: Json, machine: Machine) -> None:
    disk = machine(curl="8.3.0")
    feed["packages"]["curl"].pop()
    assert run(feed, disk, "Install")[0] == 0
    feed["packages"]["curl"].append({"version": "8.10.0", "reboot": False, "files": {}, "install": ""})
    assert run(feed, disk, "Install")[1] == {"curl": "Installed"}
    assert [folder.name for folder in (disk.root / agent.PAYLOADS).iterdir()] == ["curl-8.10.0"]
    shutil.rmtree(disk.root / agent.PAYLOADS)
    assert run(feed, disk, "Scan")[1] == {"curl": "Installed"}
