"""What may be asked of Patch Manager's documents, what a feed may say, and what is read of a machine's report."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from moto.core.exceptions import ServiceException

from provisioner.model.errors import SandboxError
from provisioner.sandbox.packages import documents, feed
from provisioner.sandbox.packages.agent import REPORT, Disk, Order, carry_out
from provisioner.sandbox.packages.report import Patched, chosen, read, state
from tests.unit.sandbox_packages.conftest import FEED, records

PLAIN, HOOKED = "AWS-RunPatchBaseline", "AWS-RunPatchBaselineWithHooks"
INSTALL = {"Operation": ["Install"], "RebootOption": ["NoReboot"]}


class Document:
    """As moto keeps a document of one's own."""

    def __init__(self, action: str) -> None:
        self.mainSteps = [{"action": action, "inputs": {"runCommand": ["echo drained", "exit 0"]}}]

    def get_default_version(self) -> "Document":
        return self


def test_the_script_runs_where_nothing_of_ours_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: Callable[..., Disk]
) -> None:
    (tmp_path / "feed.json").write_text(json.dumps(FEED))
    monkeypatch.setenv(feed.VARIABLE, str(tmp_path / "feed.json"))
    disk = machine(curl="8.3.0")
    own = {"drain": Document("aws:runShellScript")}
    text = documents.text(HOOKED, {**INSTALL, "PreInstallHookDocName": ["drain"]}, own)
    (tmp_path / "script").write_text(text)
    done = subprocess.run(
        [sys.executable, "-I", tmp_path / "script"],
        env={"SANDBOX_ROOT": str(disk.root), "SANDBOX_BOOT": "b", "SANDBOX_ROUND": "0", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "drained\ninstalled curl 8.10.0 (was 8.3.0)\n"
    assert records(disk) == {"curl": "8.10.0"}


@pytest.mark.parametrize(
    ("document", "parameters", "code"),
    [
        (PLAIN, {}, "InvalidParameters"),
        (PLAIN, {"Operation": ["Uninstall"]}, "InvalidParameters"),
        (PLAIN, {"Operation": ["Scan"], "RebootOption": ["Never"]}, "InvalidParameters"),
        (PLAIN, {"Operation": ["Scan"], "commands": ["true"]}, "InvalidParameters"),
        (PLAIN, {**INSTALL, "PreInstallHookDocName": ["drain"]}, "InvalidParameters"),
        (PLAIN, {**INSTALL, "InstallOverrideList": ["s3://list"]}, "NotSupportedBySandbox"),
        (HOOKED, {**INSTALL, "PreInstallHookDocName": ["nowhere"]}, "InvalidDocument"),
        (HOOKED, {**INSTALL, "PreInstallHookDocName": ["other"]}, "NotSupportedBySandbox"),
    ],
)
def test_what_cannot_be_asked_for(document: str, parameters: dict[str, list[str]], code: str) -> None:
    with pytest.raises(ServiceException) as caught:
        documents.text(document, parameters, {"other": Document("aws:runPowerShellScript")})
    assert caught.value.code == code


def test_what_can_be_asked_for() -> None:
    assert '"reboot_option": "RebootIfNeeded"' in documents.text(PLAIN, {"Operation": ["Install"]}, {})
    asked = {**INSTALL, "SnapshotId": ["1"], "OnExitHookDocName": ["AWS-Noop"]}
    assert '"hooks": {"exit": ""}' in documents.text(HOOKED, asked, {})


def test_the_feed_that_ships_is_one() -> None:
    found = feed.load()
    assert {a.severity for a in found.advisories} == {"Critical", "Important", "Medium", "Low"}
    assert set(found.base) <= set(found.packages)


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"baseline": "mine"},
        {"base": {"../x": "1"}},
        {"packages": {"curl": [{"version": "../8"}]}},
        {"packages": {"curl": [{"version": "8.4.0", "files": {"../../etc/passwd": "x"}}]}},
        {"packages": {}},
    ],
)
def test_a_feed_that_is_none_says_where_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    file = tmp_path / "feed.json"
    file.write_text(json.dumps(FEED | change))
    monkeypatch.setenv(feed.VARIABLE, str(file))
    with pytest.raises(SandboxError, match=f"{file} is no package feed"):
        feed.load()
    with pytest.raises(ServiceException, match="is no package feed"):
        documents.text(PLAIN, INSTALL, {})


def test_an_image_says_what_its_machines_begin_with(tmp_path: Path) -> None:
    assert feed.base(tmp_path) == feed.load().base
    (tmp_path / feed.BASE_FILE).write_text('{"curl": "8.4.0"}')
    assert feed.base(tmp_path) == {"curl": "8.4.0"}
    (tmp_path / feed.BASE_FILE).write_text('{"../curl": "8.4.0"}')
    with pytest.raises(SandboxError, match="no list of packages"):
        feed.base(tmp_path)


def test_a_report_is_counted_as_the_api_does(machine: Callable[..., Disk]) -> None:
    disk = machine(curl="8.3.0", kernel="6.1.9", sudo="1.9.5p2", telnet="0.17", bash="5")
    raw = feed.Feed.model_validate(FEED).model_dump()
    carry_out(Order("Install", "NoReboot", raw, {}), disk, rebooted=False)
    report = read(Patched(disk.root, os.geteuid(), "group"))
    assert report is not None
    row = state("i-1", "group", report)
    counts = {name.removesuffix("Count"): value for name, value in row.items() if name.endswith("Count") and value}
    assert counts == {
        "Installed": 1,
        "InstalledOther": 1,
        "InstalledPendingReboot": 1,
        "InstalledRejected": 1,
        "Failed": 1,
        "SecurityNonCompliant": 1,
        "OtherNonCompliant": 2,
    }
    assert (row["Operation"], row["BaselineId"], row["PatchGroup"]) == ("Install", FEED["baseline"], "group")
    names = [r["KBId"] for r in chosen(report["rows"], [{"Key": "State", "Values": ["FAILED", "InstalledRejected"]}])]
    assert names == ["sudo.x86_64", "telnet.x86_64"]
    with pytest.raises(ServiceException):
        chosen([], [{"Key": "Colour", "Values": ["red"]}])


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"rows": [1]}', "null"])
def test_a_report_that_is_none_is_none(machine: Callable[..., Disk], content: str) -> None:
    disk = machine(curl="8.3.0")
    file = disk.root / REPORT
    assert read(Patched(disk.root, os.geteuid(), "")) is None
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert read(Patched(disk.root, os.geteuid(), "")) is None


def test_only_what_the_machine_wrote_is_read(machine: Callable[..., Disk], tmp_path: Path) -> None:
    disk = machine(curl="8.3.0")
    carry_out(Order("Scan", "NoReboot", feed.Feed.model_validate(FEED).model_dump(), {}), disk, rebooted=False)
    assert read(Patched(disk.root, os.geteuid(), "")) is not None
    assert read(Patched(disk.root, os.geteuid() + 1, "")) is None
    (disk.root / REPORT).rename(tmp_path / "elsewhere")
    (disk.root / REPORT).symlink_to(tmp_path / "elsewhere")
    assert read(Patched(disk.root, os.geteuid(), "")) is None
