"""What is asked of Systems Manager about patches, held by botocore's own description of its API."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from provisioner.cloud.patches import patch, reboot_machine
from provisioner.cloud.session import Access, Clients
from provisioner.model.errors import ProvisionError, TimedOutError
from provisioner.model.patch.policy import Severity
from provisioner.model.patch.scan import Patch, PatchState

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MACHINE = "i-0123456789abcdef0"
BASELINE = "pb-0123456789abcdef0"
COMMAND = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    monkeypatch.setattr("time.sleep", lambda _: None)
    return Clients(Access("eu-west-1", access_key_id="x", secret_access_key="x"))


@pytest.fixture
def ssm(clients: Clients) -> Iterator[Stubber]:
    with Stubber(clients["ssm"]) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def report(minutes: int, operation: str = "Scan") -> dict[str, Any]:
    """As of so many minutes after noon."""
    at = NOON + timedelta(minutes=minutes)
    return {
        "InstanceId": MACHINE,
        "PatchGroup": "acme",
        "BaselineId": BASELINE,
        "Operation": operation,
        "OperationStartTime": at,
        "OperationEndTime": at,
        "InstalledCount": 90,
        "InstalledOtherCount": 10,
    }


def reported(ssm: Stubber, *reports: dict[str, Any]) -> None:
    ssm.add_response(
        "describe_instance_patch_states", {"InstancePatchStates": list(reports)}, {"InstanceIds": [MACHINE]}
    )


def ran(
    ssm: Stubber,
    operation: str,
    status: str = "Success",
    stderr: str = "",
    *,
    document: str = "AWS-RunPatchBaseline",
    more: dict[str, list[str]] | None = None,
) -> None:
    """The command, which is never allowed to reboot."""
    asked = {
        "InstanceIds": [MACHINE],
        "DocumentName": document,
        "Comment": "provision patch acme",
        "TimeoutSeconds": 60,
        "Parameters": {"Operation": [operation], "RebootOption": ["NoReboot"], **(more or {})},
    }
    ssm.add_response("send_command", {"Command": {"CommandId": COMMAND}}, asked)
    answer = {"Status": status, "ResponseCode": 0 if status == "Success" else 1, "StandardErrorContent": stderr}
    ssm.add_response("get_command_invocation", answer, {"CommandId": COMMAND, "InstanceId": MACHINE})


def patches(ssm: Stubber, *pages: list[dict[str, Any]]) -> None:
    for number, page in enumerate(pages):
        asked: dict[str, Any] = {"InstanceId": MACHINE, "Filters": [{"Key": "State", "Values": ANY}]}
        asked |= {"NextToken": str(number)} if number else {}
        more = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        ssm.add_response("describe_instance_patches", {"Patches": page, **more}, asked)


def raw(name: str, state: str, severity: str = "Critical", **more: str) -> dict[str, Any]:
    return {
        "Title": f"{name}:1.0-2",
        "KBId": f"{name}.x86_64",
        "Classification": "Security",
        "Severity": severity,
        "State": state,
        "InstalledTime": NOON,
        **more,
    }


def run(clients: Clients, operation: Any = "Scan", **more: Any) -> Any:
    return patch(clients, MACHINE, operation, comment="provision patch acme", timeout=60, **more)


def test_a_scan_is_that_of_this_command_on_all_its_pages(clients: Clients, ssm: Stubber) -> None:
    reported(ssm, report(0))
    ran(ssm, "Scan")
    reported(ssm, report(0))  # it comes a little later
    reported(ssm, report(5))
    first = [raw("openssl", "Missing", CVEIds="CVE-2026-1,CVE-2026-2"), raw("vim", "Installed")]
    patches(ssm, first, [raw("kernel", "INSTALLED_PENDING_REBOOT", "Important")])
    found = run(clients)
    assert (found.baseline, found.at, found.installed, found.detail) == (BASELINE, NOON + timedelta(minutes=5), 100, "")
    cves = ("CVE-2026-1", "CVE-2026-2")
    assert found.patches == (
        Patch("openssl.x86_64", "openssl:1.0-2", Severity.CRITICAL, "Security", PatchState.MISSING, cves),
        Patch("kernel.x86_64", "kernel:1.0-2", Severity.IMPORTANT, "Security", PatchState.PENDING),
    )


def test_a_package_that_fails_is_an_answer_with_what_the_machine_said(clients: Clients, ssm: Stubber) -> None:
    reported(ssm)
    ran(ssm, "Install", "Failed", "a\nb\nno space left on device")
    reported(ssm, report(5, "Install"))
    patches(ssm, [raw("broken", "Failed")])
    found = run(clients, "Install")
    assert [p.id for p in found.failed] == ["broken.x86_64"]
    assert found.detail == "a | b | no space left on device"


def test_a_command_that_fails_for_another_reason_is_an_error(clients: Clients, ssm: Stubber) -> None:
    reported(ssm)
    ran(ssm, "Install", "Failed", "no such repository; password=hunter2")
    reported(ssm, report(5, "Install"))
    patches(ssm, [raw("openssl", "Missing")])
    with pytest.raises(ProvisionError, match="ended with Failed: no such repository") as caught:
        run(clients, "Install")
    assert "hunter2" not in caught.value.message


def test_hooks_have_a_document_of_their_own_and_a_scan_has_none(clients: Clients, ssm: Stubber) -> None:
    reported(ssm)
    more = {"PreInstallHookDocName": ["drain"], "OnExitHookDocName": ["undrain"]}
    ran(ssm, "Install", document="AWS-RunPatchBaselineWithHooks", more=more)
    reported(ssm, report(5, "Install"))
    patches(ssm, [])
    run(clients, "Install", hooks={"before": "drain", "exit": "undrain"})
    reported(ssm)
    ran(ssm, "Scan")
    reported(ssm, report(6))
    patches(ssm, [])
    run(clients, "Scan", hooks={"before": "drain"})


def test_a_command_without_an_end_times_out(clients: Clients, ssm: Stubber) -> None:
    reported(ssm)
    ran(ssm, "Scan", "TimedOut")
    with pytest.raises(TimedOutError, match="did not end within 60 s"):
        run(clients)


def test_a_reboot_is_asked_for(clients: Clients) -> None:
    with Stubber(clients["ec2"]) as ec2:
        ec2.add_response("reboot_instances", {}, {"InstanceIds": [MACHINE]})
        reboot_machine(clients, MACHINE)
        ec2.assert_no_pending_responses()
