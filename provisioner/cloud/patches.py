"""Patches of a machine, by Systems Manager's Patch Manager: AWS-RunPatchBaseline, and what it reported."""

import time
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from provisioner.cloud.machines import run_document
from provisioner.cloud.session import Clients, translated
from provisioner.model.errors import ProvisionError, TimedOutError
from provisioner.model.patch.policy import severity_of
from provisioner.model.patch.port import NO_HOOKS, Operation
from provisioner.model.patch.scan import Patch, PatchState, Scan
from provisioner.model.redact import redact

_DOCUMENT, _WITH_HOOKS = "AWS-RunPatchBaseline", "AWS-RunPatchBaselineWithHooks"
_HOOKS = {"before": "PreInstallHookDocName", "after": "PostInstallHookDocName", "exit": "OnExitHookDocName"}
_REPORTED = 120.0  # seconds that Patch Manager may take for what a command has found
_DETAIL = 500
# As filters have them; answers are spelled in capitals with underscores, too.
_STATES = {
    "Missing": PatchState.MISSING,
    "Failed": PatchState.FAILED,
    "InstalledPendingReboot": PatchState.PENDING,
    "InstalledRejected": PatchState.REJECTED,
}
_BY_WORD = {name.lower(): state for name, state in _STATES.items()}
_MOMENT = ("Operation", "OperationStartTime", "OperationEndTime")


def patch(
    clients: Clients,
    machine_id: str,
    operation: Operation,
    *,
    comment: str,
    timeout: float,
    hooks: Mapping[str, str] = NO_HOOKS,
) -> Scan:
    """Look for patches, or install them; see `ports.Cloud.patch`."""
    before = _reported(clients, machine_id)
    parameters: dict[str, list[str]] = {"Operation": [operation], "RebootOption": ["NoReboot"]}
    document = _DOCUMENT
    if hooks and operation == "Install":
        document = _WITH_HOOKS
        parameters |= {_HOOKS[moment]: [name] for moment, name in hooks.items()}
    done = run_document(clients, machine_id, document, parameters, comment=comment, timeout=timeout)
    if done.status == "TimedOut":
        raise TimedOutError(f"{comment}: {operation} on {machine_id} did not end within {timeout:.0f} s")
    said = redact(" | ".join((done.stderr or done.stdout).strip().splitlines()[-5:]))[:_DETAIL]
    failed = done.status != "Success"
    found = _next_report(clients, machine_id, before, patiently=not failed)
    if found is None and not failed:
        raise TimedOutError(f"{comment}: Patch Manager reported nothing of {machine_id} within {_REPORTED:.0f} s")
    scan = _scan(clients, machine_id, found, said if failed else "") if found else None
    if scan is None or (failed and not scan.failed):
        words = f"{operation} on {machine_id} ended with {done.status}: {said or 'it said nothing'}"
        raise ProvisionError(f"{comment}: {words}")
    return scan


def reboot_machine(clients: Clients, machine_id: str) -> None:
    """Ask for a reboot."""
    with translated("ec2 RebootInstances"):
        clients["ec2"].reboot_instances(InstanceIds=[machine_id])


def _reported(clients: Clients, machine_id: str) -> dict[str, Any] | None:
    with translated("ssm DescribeInstancePatchStates"):
        states = clients["ssm"].describe_instance_patch_states(InstanceIds=[machine_id])["InstancePatchStates"]
    return next((s for s in states if s["InstanceId"] == machine_id), None)


def _next_report(
    clients: Clients, machine_id: str, before: Mapping[str, Any] | None, *, patiently: bool
) -> dict[str, Any] | None:
    """The report of the command that ended just now: it comes a little later. One that failed may never come."""
    deadline, pause = time.monotonic() + (_REPORTED if patiently else _REPORTED / 10), 0.1
    while True:
        found = _reported(clients, machine_id)
        if found is not None and _moment(found) != _moment(before):
            return found
        if time.monotonic() + pause > deadline:
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, 5.0)


def _moment(report: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
    return None if report is None else tuple(report[name] for name in _MOMENT)


def _scan(clients: Clients, machine_id: str, report: Mapping[str, Any], detail: str) -> Scan:
    filters = [{"Key": "State", "Values": list(_STATES)}]
    with translated("ssm DescribeInstancePatches"):
        pages = clients["ssm"].get_paginator("describe_instance_patches")
        found = [p for page in pages.paginate(InstanceId=machine_id, Filters=filters) for p in page["Patches"]]
    return Scan(
        baseline=str(report["BaselineId"]),
        at=report["OperationEndTime"].astimezone(UTC),
        installed=int(report.get("InstalledCount", 0)) + int(report.get("InstalledOtherCount", 0)),
        patches=tuple(_patch(p, state) for p in found if (state := _state(p)) is not None),
        detail=detail,
    )


def _state(raw: Mapping[str, Any]) -> PatchState | None:
    return _BY_WORD.get(str(raw["State"]).replace("_", "").lower())


def _patch(raw: Mapping[str, Any], state: PatchState) -> Patch:
    cves = tuple(word.strip() for word in str(raw.get("CVEIds") or "").split(",") if word.strip())
    return Patch(
        id=str(raw["KBId"]),
        title=str(raw["Title"]),
        severity=severity_of(str(raw["Severity"])),
        classification=str(raw["Classification"]),
        state=state,
        cves=cves,
    )
