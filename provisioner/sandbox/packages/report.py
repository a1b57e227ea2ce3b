"""What Patch Manager's API says of machines: the report that the last operation left on each one's disk."""

import json
import logging
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from moto.core.responses import ActionResult
from moto.ssm.responses import SimpleSystemManagerResponse

from provisioner.sandbox.hooking import Refusal, not_supported, parameter
from provisioner.sandbox.packages.agent import REPORT

_LARGEST = 1 << 20
_COUNTS = {
    "InstalledCount": "Installed",
    "InstalledOtherCount": "InstalledOther",
    "InstalledPendingRebootCount": "InstalledPendingReboot",
    "InstalledRejectedCount": "InstalledRejected",
    "MissingCount": "Missing",
    "FailedCount": "Failed",
}
_COMPLIANT = frozenset({"Installed", "InstalledOther"})
_FILTERS = frozenset({"State", "Severity", "Classification", "KBId"})
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patched:
    """A machine: where its disk is, the uid that owns what it writes, and its patch group."""

    root: Path
    uid: int
    group: str


def install(find: Callable[[str], Patched | None]) -> None:
    """Add Patch Manager's two operations to moto's response class, which finds them by name."""

    def describe_instance_patch_states(response: Any) -> ActionResult:
        found = []
        for instance_id in parameter(response, "InstanceIds") or []:
            machine = find(instance_id)
            report = read(machine) if machine else None
            if machine and report:
                found.append(state(instance_id, machine.group, report))
        return _page(response, "InstancePatchStates", found)

    def describe_instance_patches(response: Any) -> ActionResult:
        machine = find(parameter(response, "InstanceId"))
        report = read(machine) if machine else None
        rows = chosen(report["rows"] if report else [], parameter(response, "Filters") or [])
        patches = [{**row, "InstalledTime": datetime.fromisoformat(row["InstalledTime"])} for row in rows]
        return _page(response, "Patches", patches)

    for function in (describe_instance_patch_states, describe_instance_patches):
        setattr(SimpleSystemManagerResponse, function.__name__, function)


def read(machine: Patched) -> dict[str, Any] | None:
    """A machine's last report; None where there is none. It is the machine's own file: it may be anything, and a link
    to what the machine can't read itself is not followed."""
    try:
        handle = os.open(machine.root / REPORT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != machine.uid:
            return None
        try:
            return _checked(json.loads(file.read(_LARGEST)))
        except (ValueError, KeyError, TypeError):
            log.warning("%s is no report of patches", machine.root / REPORT)
            return None


def _checked(raw: Any) -> dict[str, Any]:
    """The report, with exactly what answers are made of. Raises ValueError, KeyError or TypeError."""
    words = ("Title", "KBId", "Classification", "Severity", "State", "InstalledTime", "CVEIds")
    rows = [{word: str(row[word]) for word in words} for row in raw["rows"]]
    moments = [raw["started"], raw["ended"], raw["no_reboot_install_at"], *(row["InstalledTime"] for row in rows)]
    for moment in moments:
        if moment is not None:
            datetime.fromisoformat(moment)
    report = {word: str(raw[word]) for word in ("operation", "reboot_option", "baseline", "started", "ended")}
    last = raw["no_reboot_install_at"]
    return {**report, "no_reboot_install_at": last, "not_applicable": int(raw["not_applicable"]), "rows": rows}


def state(instance_id: str, group: str, report: dict[str, Any]) -> dict[str, Any]:
    """A row of DescribeInstancePatchStates."""
    rows = report["rows"]
    lacking = [row for row in rows if row["State"] not in _COMPLIANT]
    critical = [row for row in lacking if row["Severity"] == "Critical"]
    security = [row for row in lacking if row["Classification"] == "Security"]
    others = [row for row in lacking if row not in critical and row not in security]
    last = report["no_reboot_install_at"]
    return {
        "InstanceId": instance_id,
        "PatchGroup": group,
        "BaselineId": report["baseline"],
        "Operation": report["operation"],
        "RebootOption": report["reboot_option"],
        "OperationStartTime": datetime.fromisoformat(report["started"]),
        "OperationEndTime": datetime.fromisoformat(report["ended"]),
        **({"LastNoRebootInstallOperationTime": datetime.fromisoformat(last)} if last else {}),
        **{count: sum(row["State"] == name for row in rows) for count, name in _COUNTS.items()},
        "NotApplicableCount": report["not_applicable"],
        "UnreportedNotApplicableCount": 0,
        "CriticalNonCompliantCount": len(critical),
        "SecurityNonCompliantCount": len(security),
        "OtherNonCompliantCount": len(others),
    }


def chosen(rows: Sequence[dict[str, str]], filters: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Rows that every filter takes. Raises the API's error for a key that the sandbox doesn't know."""
    for wanted in filters:
        if wanted["Key"] not in _FILTERS:
            raise not_supported(f"DescribeInstancePatches by {wanted['Key']}")
    return [row for row in rows if all(_word(row[f["Key"]]) in map(_word, f["Values"]) for f in filters)]


def _word(text: str) -> str:
    """States are spelled in two ways: InstalledOther and INSTALLED_OTHER."""
    return text.replace("_", "").lower()


def _page(response: Any, name: str, rows: list[dict[str, Any]]) -> ActionResult:
    """The part of the rows that the request's NextToken begins with."""
    token, limit = parameter(response, "NextToken") or "0", parameter(response, "MaxResults") or 100
    if not token.isdecimal():
        raise Refusal("InvalidNextToken", f"{token!r} is no token")
    end = int(token) + int(limit)
    more = {"NextToken": str(end)} if end < len(rows) else {}
    return ActionResult({name: rows[int(token) : end], **more})
