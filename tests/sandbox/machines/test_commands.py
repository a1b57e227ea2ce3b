"""SSM commands really run: exit codes, output, timeouts, cancelling, and who may be asked."""

import json
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.sandbox.machines.conftest import Cloud, eventually, seen


@pytest.fixture(scope="module")
def machine(cloud: Cloud) -> str:
    return cloud.launch()


def alive(pid: int) -> bool:
    """Whether a process runs and isn't only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_exit_code_and_output_are_exact(cloud: Cloud, machine: str) -> None:
    answer = cloud.command(machine, "printf 'one\\n\\ttwo'", "echo three >&2", "exit 7")
    assert answer["Status"] == answer["StatusDetails"] == "Failed"
    assert answer["ResponseCode"] == 7
    assert answer["StandardOutputContent"] == "one\n\ttwo"
    assert answer["StandardErrorContent"] == "three\n"
    assert answer["PluginName"] == "aws:runShellScript"


def test_success_and_the_waiter(cloud: Cloud, machine: str) -> None:
    command_id = cloud.send(machine, "echo fine")
    waiter = cloud.ssm.get_waiter("command_executed")
    waiter.wait(CommandId=command_id, InstanceId=machine, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
    listed = cloud.ssm.list_commands(CommandId=command_id)["Commands"][0]
    assert (listed["Status"], listed["TargetCount"], listed["CompletedCount"]) == ("Success", 1, 1)
    rows = cloud.ssm.list_command_invocations(CommandId=command_id, Details=True)["CommandInvocations"]
    assert [r["CommandPlugins"][0]["Output"] for r in rows] == ["fine\n"]


def test_output_is_cut_as_ssm_cuts_it(cloud: Cloud, machine: str) -> None:
    answer = cloud.command(machine, "yes é | head -n 20000")
    assert answer["StandardOutputContent"] == ("é\n" * 20000)[:24000]


def test_it_runs_as_the_machine_and_with_its_tools(cloud: Cloud, machine: str) -> None:
    answer = cloud.command(
        machine,
        '. "$PROVISION_ENV"',
        'echo "$TENANT $(id -u) $PWD $HOME"',
        "python3 -c 'import boto3, psycopg; print(psycopg.__version__[0])'",
        "for tool in psql pg_dump pg_restore pg_amcheck; do $tool --version; done",
        '"$PRODUCT_HOME/bin/migrate"',
    )
    assert answer["StandardErrorContent"] == ""
    lines = answer["StandardOutputContent"].splitlines()
    home = str(cloud.sandbox.home / "machines" / machine / "home")
    assert lines[0] == f"acme {cloud.row(machine)['uid']} {home} {home}"
    assert lines[1] == "3"
    assert [line.split()[0] for line in lines[2:6]] == ["psql", "pg_dump", "pg_restore", "pg_amcheck"]
    assert lines[6] == "migrated acme"


def test_the_role_s_credentials_work(cloud: Cloud, machine: str) -> None:
    answer = cloud.command(machine, "aws sts get-caller-identity")
    assert answer["ResponseCode"] == 0, answer["StandardErrorContent"]
    assert json.loads(answer["StandardOutputContent"])["Arn"].endswith(f":assumed-role/machine/{machine}")


def test_a_shebang_is_honoured(cloud: Cloud, machine: str) -> None:
    answer = cloud.command(machine, "#!/usr/bin/env python3", "import sys", "print('py', sys.version_info.major)")
    assert answer["StandardOutputContent"] == "py 3\n"


def test_a_timeout_kills_children_that_left_the_session(cloud: Cloud, machine: str) -> None:
    pids = cloud.sandbox.home / "machines" / machine / "state" / "pids"
    answer = cloud.command(
        machine,
        "trap '' TERM",
        "setsid sh -c \"trap '' TERM; echo \\$\\$ >> $STATE_DIR/pids; sleep 600\" &",
        'echo $$ >> "$STATE_DIR/pids"',
        "echo begun",
        "sleep 600",
        executionTimeout="1",
    )
    assert (answer["Status"], answer["StatusDetails"]) == ("TimedOut", "ExecutionTimedOut")
    assert answer["StandardOutputContent"] == "begun\n"
    written = [int(p) for p in pids.read_text().split()]
    assert len(written) == 2
    assert not any(alive(p) for p in written)
    assert cloud.row(machine)["pid"], "the product was hit as well"


def test_cancel(cloud: Cloud, machine: str) -> None:
    command_id = cloud.send(machine, "echo $$ > $STATE_DIR/cancelled", "sleep 600")
    file = cloud.sandbox.home / "machines" / machine / "state" / "cancelled"
    pid = int(eventually(lambda: file.exists() and file.read_text().strip()))
    cloud.ssm.cancel_command(CommandId=command_id)
    assert cloud.finished(command_id, machine)["Status"] == "Cancelled"
    assert not alive(pid)
    assert cloud.ssm.list_commands(CommandId=command_id)["Commands"][0]["Status"] == "Cancelled"


def test_nothing_of_a_command_is_left(cloud: Cloud, machine: str) -> None:
    cloud.command(machine, "echo secret-in-a-script")
    folder = cloud.sandbox.home / "machines" / machine / "commands"
    eventually(lambda: not list(folder.iterdir()))


def test_three_machines_at_once(cloud: Cloud) -> None:
    machines = [cloud.launch(f"tenant-{n}") for n in range(3)]
    sent = cloud.ssm.send_command(
        InstanceIds=machines,
        DocumentName="AWS-RunShellScript",
        Parameters={"commands": ['. "$PROVISION_ENV"', 'echo "$TENANT"', '[ "$TENANT" != tenant-1 ]']},
    )["Command"]["CommandId"]
    answers = [cloud.finished(sent, m) for m in machines]
    assert [a["StandardOutputContent"] for a in answers] == ["tenant-0\n", "tenant-1\n", "tenant-2\n"]
    assert [a["Status"] for a in answers] == ["Success", "Failed", "Success"]
    command = eventually(lambda: cloud.ssm.list_commands(CommandId=sent)["Commands"][0])
    assert (command["Status"], command["CompletedCount"], command["ErrorCount"]) == ("Failed", 3, 1)


def test_who_can_be_asked_and_for_what(cloud: Cloud, machine: str) -> None:
    def refused(document: str = "AWS-RunShellScript", **more: object) -> str:
        asked = {"InstanceIds": [machine], "Parameters": {"commands": ["true"]}} | more
        with pytest.raises(ClientError) as caught:
            cloud.ssm.send_command(DocumentName=document, **asked)
        return str(caught.value.response["Error"]["Code"])

    stopped = cloud.launch()
    cloud.ec2.stop_instances(InstanceIds=[stopped])
    cloud.wait("instance_stopped", stopped)
    assert refused(InstanceIds=["i-0123456789abcdef0"]) == "InvalidInstanceId"
    assert refused(InstanceIds=[machine, stopped]) == "InvalidInstanceId"
    with pytest.raises(ClientError) as missing:
        cloud.ssm.get_command_invocation(CommandId="0" * 36, InstanceId=machine)
    assert missing.value.response["Error"]["Code"] == "InvocationDoesNotExist"
    assert refused("no-such-document") == "InvalidDocument"
    assert refused("AWS-RunAnsiblePlaybook") == "NotSupportedBySandbox"
    assert refused(Parameters={"commands": ["true"], "executionTimeout": ["soon"]}) == "InvalidParameters"
    known = cloud.ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [machine, stopped]}])
    found = {row["InstanceId"]: row["PingStatus"] for row in known["InstanceInformationList"]}
    assert found == {machine: "Online", stopped: "ConnectionLost"}


def test_a_command_ends_with_its_machine(cloud: Cloud) -> None:
    machine = cloud.launch()
    command_id = cloud.send(machine, "echo begun", "sleep 600")
    eventually(lambda: cloud.ssm.list_commands(CommandId=command_id)["Commands"][0]["Status"] == "InProgress")
    cloud.ec2.reboot_instances(InstanceIds=[machine])
    answer = cloud.finished(command_id, machine)
    assert (answer["Status"], answer["ResponseCode"]) == ("Failed", -1)
    assert "interrupted" in answer["StandardErrorContent"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives machines a uid of their own")
def test_a_command_cannot_make_the_daemon_read_for_it(cloud: Cloud, machine: str) -> None:
    swap = 'work=$(dirname "$(readlink /proc/$$/fd/1)"); rm "$work/out"; ln -s /etc/shadow "$work/out"; true'
    answer = cloud.command(machine, swap)
    assert answer["StandardOutputContent"] == ""


def test_patches_are_found_and_installed_and_take_effect(cloud: Cloud) -> None:
    machine = cloud.launch("globex")
    before = seen(cloud.url(machine))
    assert cloud.ssm.describe_instance_patch_states(InstanceIds=[machine])["InstancePatchStates"] == []
    scanned = cloud.finished(cloud.patch(machine, "Scan"), machine)
    assert (scanned["Status"], scanned["PluginName"]) == ("Success", "PatchLinux")
    found = cloud.patches(machine)
    assert {name for name, state in found.items() if state == "Missing"} == {
        *("curl", "expat", "kernel", "openssh-server", "tzdata")
    }
    assert (found["telnet"], found["bash"], found["zlib"]) == ("InstalledRejected", "InstalledOther", "Installed")
    assert cloud.finished(cloud.patch(machine, "Install"), machine)["Status"] == "Success"
    assert cloud.patches(machine) == {
        **dict.fromkeys(found, "Installed"),
        **{name: found[name] for name in ("telnet", "bash", "openssl")},
        "kernel": "InstalledPendingReboot",
    }
    state = cloud.ssm.describe_instance_patch_states(InstanceIds=[machine])["InstancePatchStates"][0]
    assert (state["Operation"], state["MissingCount"], state["InstalledPendingRebootCount"]) == ("Install", 0, 1)
    assert state["OperationStartTime"] <= state["OperationEndTime"] <= state["LastNoRebootInstallOperationTime"]
    root = cloud.sandbox.home / "machines" / machine / "root"
    image = root / "usr/lib/packages/kernel-6.1.76/boot/vmlinuz"
    assert (image.read_text(), image.stat().st_uid) == ("6.1.76\n", before["uid"])
    assert seen(cloud.url(machine))["pid"] == before["pid"], "the service was interrupted"
    cloud.ec2.reboot_instances(InstanceIds=[machine])
    eventually(lambda: cloud.row(machine)["pid"] not in {None, before["pid"]})
    assert cloud.finished(cloud.patch(machine, "Scan"), machine)["Status"] == "Success"
    assert cloud.patches(machine)["kernel"] == "Installed"


def test_a_package_that_fails_is_named_and_the_service_is_up_after_the_reboot(cloud: Cloud) -> None:
    machine = cloud.launch("initech")
    before = seen(cloud.url(machine))
    with cloud.sandbox.installing("curl", "echo no space left on device >&2; exit 3"):
        answer = cloud.finished(cloud.patch(machine, "Install", "RebootIfNeeded"), machine)
    assert (answer["Status"], answer["ResponseCode"]) == ("Failed", 1)
    assert "failed curl 8.4.0: its script ended with 3: no space left on device" in answer["StandardErrorContent"]
    states = cloud.patches(machine)
    assert (states["curl"], states["kernel"], states["expat"]) == ("Failed", "Installed", "Installed")
    assert seen(cloud.url(machine))["pid"] != before["pid"], "it was not rebooted"
    assert cloud.finished(cloud.patch(machine, "Install"), machine)["Status"] == "Success"
    assert cloud.patches(machine)["curl"] == "Installed"
