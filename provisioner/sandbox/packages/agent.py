"""What AWS-RunPatchBaseline does on a machine: this text runs there, under the machine's uid, by its own python3, with
an order at its end (documents.py). It has nothing but the standard library and the machine's disk:

- `var/lib/packages/NAME.json`: a package that is installed. To rename it into place is to install the package: whatever
  is killed before that moment was not installed, and is swept away by the next run;
- `usr/lib/packages/NAME-VERSION/`: what the package brought;
- `var/lib/patching/report.json`: what the last operation found. The API answers with that.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

REBOOT = 194
"""With this exit code a script asks SSM's agent to reboot the machine, and to run the script again then."""

RECORDS, PAYLOADS, REPORT = "var/lib/packages", "usr/lib/packages", "var/lib/patching/report.json"
_RANKS = ("Critical", "Important", "Medium", "Low")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC).isoformat()  # what AWS says of what isn't installed


@dataclass(frozen=True)
class Order:
    """What the command asked for. `hooks`: shell text by moment (`before`, `after`, `exit`)."""

    operation: str
    reboot_option: str
    feed: Mapping[str, Any]
    hooks: Mapping[str, str]


@dataclass(frozen=True)
class Disk:
    """The machine's disk below `root`. `boot` names the boot since which it runs."""

    root: Path
    boot: str

    def installed(self) -> dict[str, dict[str, Any]]:
        """Records by name: `name`, `version`, `at`, and `boot`, in which it was installed, where it needs another."""
        files = sorted((self.root / RECORDS).glob("*.json"))
        return {record["name"]: record for record in (json.loads(file.read_text()) for file in files)}

    def payload(self, name: str, version: str) -> Path:
        """The folder of what a version of a package brought."""
        return self.root / PAYLOADS / f"{name}-{version}"

    def record(self, name: str, version: str, *, reboot: bool) -> None:
        """The package is installed from now on."""
        record = {"name": name, "version": version, "at": now(), "boot": self.boot if reboot else None}
        self.write(f"{RECORDS}/{name}.json", record)

    def report(self) -> dict[str, Any]:
        """The last operation's; empty where there was none."""
        file = self.root / REPORT
        return dict(json.loads(file.read_text())) if file.exists() else {}

    def write(self, path: str, content: Mapping[str, Any]) -> None:
        """Write JSON, all of it or nothing."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        part.write_text(json.dumps(content))
        part.replace(file)

    def sweep(self) -> None:
        """Remove what installations that were cut short have left."""
        kept = {f"{r['name']}-{r['version']}" for r in self.installed().values()}
        payloads = self.root / PAYLOADS
        for folder in payloads.iterdir() if payloads.exists() else ():
            if folder.name not in kept:
                shutil.rmtree(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One operation at a time."""
        file = (self.root / REPORT).with_name("lock")
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def older(version: str, other: str) -> bool:
    """Whether a version comes before another: numbers by their value, and after letters, as RPM has it."""
    return _order(version) < _order(other)


def _order(version: str) -> list[tuple[int, int, str]]:
    words = re.findall(r"\d+|[A-Za-z]+", version)
    return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in words]


def rejected(feed: Mapping[str, Any], name: str, version: str) -> bool:
    """Whether the baseline doesn't want it."""
    return any(fnmatchcase(word, pattern) for word in (name, f"{name}-{version}") for pattern in feed["rejected"])


def newest(feed: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """The newest release of a package that the baseline lets in."""
    wanted = [r for r in feed["packages"].get(name, ()) if not rejected(feed, name, r["version"])]
    return max(wanted, key=lambda r: _order(r["version"]), default=None)


def missing(feed: Mapping[str, Any], name: str, version: str) -> list[dict[str, Any]]:
    """Advisories that the newest release closes, and this version doesn't."""
    target = newest(feed, name)
    if target is None:
        return []
    return [
        a
        for a in feed["advisories"]
        if a["package"] == name and older(version, a["fixed"]) and not older(target["version"], a["fixed"])
    ]


def rows(feed: Mapping[str, Any], disk: Disk, failed: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row of DescribeInstancePatches for each installed package. `failed`: why, by name, what couldn't be."""
    return [_row(feed, record, disk.boot, failed) for record in disk.installed().values()]


def _row(feed: Mapping[str, Any], record: Mapping[str, Any], boot: str, failed: Mapping[str, str]) -> dict[str, Any]:
    name, version = record["name"], record["version"]
    about, shown, at, cves = missing(feed, name, version), version, record["at"], ""
    if about:
        state, shown, at = "Failed" if name in failed else "Missing", newest(feed, name)["version"], _NEVER  # type: ignore[index]
        cves = ",".join(dict.fromkeys(cve for a in about for cve in a["cves"]))
    else:
        about = [a for a in feed["advisories"] if a["package"] == name and not older(version, a["fixed"])]
        state = "Installed" if about else "InstalledOther"
        if rejected(feed, name, version):
            state = "InstalledRejected"
        elif record.get("boot") == boot:
            state = "InstalledPendingReboot"
    worst = min(about, key=lambda a: _RANKS.index(a["severity"]), default={"severity": "", "classification": ""})
    return {
        "Title": f"{name}.{feed['architecture']}:{shown}",
        "KBId": f"{name}.{feed['architecture']}",
        "Classification": worst["classification"],
        "Severity": worst["severity"],
        "State": state,
        "InstalledTime": at,
        "CVEIds": cves,
    }


def install(feed: Mapping[str, Any], disk: Disk) -> dict[str, str]:
    """Install all that is missing, one after the other. Returns why, by name, what couldn't be."""
    disk.sweep()
    failed = {}
    for name, record in disk.installed().items():
        release = newest(feed, name) if missing(feed, name, record["version"]) else None
        if release is None:
            continue
        problem = _install(disk, name, record["version"], release)
        if problem:
            failed[name] = problem
            say(f"failed {name} {release['version']}: {problem}", error=True)
        else:
            say(f"installed {name} {release['version']} (was {record['version']})")
    return failed


def _install(disk: Disk, name: str, before: str, release: Mapping[str, Any]) -> str | None:
    payload = disk.payload(name, release["version"])
    payload.mkdir(parents=True)
    for path, text in release["files"].items():
        (payload / path).parent.mkdir(parents=True, exist_ok=True)
        (payload / path).write_text(text)
    problem = shell(release["install"], payload, PACKAGE=name, VERSION=release["version"])
    if problem:
        shutil.rmtree(payload)
        return problem
    disk.record(name, release["version"], reboot=release["reboot"])
    shutil.rmtree(disk.payload(name, before), ignore_errors=True)
    return None


def shell(text: str, folder: Path, **environment: str) -> str | None:
    """Run shell lines. Returns what went wrong."""
    if not text:
        return None
    done = subprocess.run(
        ["/bin/sh", "-c", text],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    for line in done.stdout.splitlines():
        say(line)
    return f"its script ended with {done.returncode}: {said[-1] if said else 'no word'}" if done.returncode else None


def say(line: str, *, error: bool = False) -> None:
    """A line of the command's output."""
    out = sys.stderr if error else sys.stdout
    out.write(f"{line}\n")
    out.flush()


def carry_out(order: Order, disk: Disk, *, rebooted: bool) -> int:
    """The whole operation; `rebooted`: the part after the reboot that it asked for. Returns the exit code."""
    started, installing = now(), order.operation == "Install"
    before = disk.report()
    failed: dict[str, str] = {}
    problem: str | None = None
    if installing and rebooted:
        failed, problem = before["failed"], before["problem"]
    elif installing:
        problem = _hook(order, disk, "before")
        if not problem:
            failed = install(order.feed, disk)
            problem = _hook(order, disk, "after")
    found = rows(order.feed, disk, failed)
    once = installing and order.reboot_option == "NoReboot"
    known = {record["name"] for record in disk.installed().values()}
    report = {
        "operation": order.operation,
        "reboot_option": order.reboot_option,
        "baseline": order.feed["baseline"],
        "started": before["started"] if rebooted else started,
        "ended": now(),
        "no_reboot_install_at": now() if once else before.get("no_reboot_install_at"),
        "not_applicable": len({a["package"] for a in order.feed["advisories"]} - known),
        "failed": failed,
        "problem": problem,
        "rows": found,
    }
    disk.write(REPORT, report)
    for row in found:
        if row["State"] not in {"Installed", "InstalledOther"}:
            say(f"{row['State']} {row['Title']} {row['Severity']} {row['CVEIds']}".rstrip())
    if not installing:
        return 0
    pending = any(record.get("boot") == disk.boot for record in disk.installed().values())
    if pending and order.reboot_option == "RebootIfNeeded" and not problem:
        return REBOOT
    problem = _hook(order, disk, "exit") or problem
    return 1 if failed or problem else 0


def _hook(order: Order, disk: Disk, moment: str) -> str | None:
    problem = shell(order.hooks.get(moment, ""), disk.root)
    if problem:
        say(f"the hook {moment!r}: {problem}", error=True)
    return problem


def main(order: Mapping[str, Any]) -> int:
    """Carry out an order on this machine."""
    disk = Disk(Path(os.environ["SANDBOX_ROOT"]), os.environ["SANDBOX_BOOT"])
    with disk.locked():
        return carry_out(Order(**order), disk, rebooted=os.environ["SANDBOX_ROUND"] != "0")
