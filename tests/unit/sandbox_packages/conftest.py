"""A machine's disk, and a small feed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.sandbox.packages.agent import RECORDS, Disk
from provisioner.sandbox.packages.feed import Feed


def _advisory(name: str, severity: str, package: str, fixed: str, *cves: str) -> dict[str, Any]:
    kind = "Security" if cves else "Bugfix"
    advisory = {"id": name, "cves": list(cves), "severity": severity, "classification": kind}
    return {**advisory, "package": package, "fixed": fixed}


FEED: dict[str, Any] = {
    "baseline": "pb-0123456789abcdef0",
    "architecture": "x86_64",
    "base": {"curl": "8.3.0"},
    "packages": {
        "curl": [{"version": "8.3.0"}, {"version": "8.4.0"}, {"version": "8.10.0"}],
        "kernel": [{"version": "6.1.9"}, {"version": "6.1.10", "reboot": True, "files": {"boot/vmlinuz": "new"}}],
        "sudo": [{"version": "1.9.5p2"}, {"version": "1.9.6", "install": "echo disk is full >&2; exit 3"}],
        "telnet": [{"version": "0.17"}, {"version": "0.18"}],
        "bash": [{"version": "5"}],
    },
    "advisories": [
        _advisory("A-1", "Low", "curl", "8.4.0", "CVE-1"),
        _advisory("A-2", "Critical", "curl", "8.10.0", "CVE-2", "CVE-1"),
        _advisory("A-3", "Important", "kernel", "6.1.10", "CVE-3"),
        _advisory("A-4", "Medium", "sudo", "1.9.6"),
        _advisory("A-5", "Critical", "telnet", "0.18", "CVE-5"),
    ],
    "rejected": ["telnet*"],
}


@pytest.fixture
def feed() -> dict[str, Any]:
    """As the agent gets it."""
    return Feed.model_validate(FEED).model_dump()


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., Disk]:
    """A disk with these packages."""

    def made(boot: str = "boot-1", **installed: str) -> Disk:
        disk = Disk(tmp_path / "root", boot)
        for name, version in installed.items():
            disk.record(name, version, reboot=False)
        return disk

    return made


def records(disk: Disk) -> dict[str, str]:
    """Versions by name, from the files."""
    found = [json.loads(file.read_text()) for file in (disk.root / RECORDS).glob("*.json")]
    return {record["name"]: record["version"] for record in found}
