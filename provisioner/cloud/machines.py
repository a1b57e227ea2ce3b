"""EC2 instances of a tenant, and commands on them through SSM."""

import time
from typing import Any

from provisioner.cloud.lookup.tagged import bears
from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.cloud import CommandResult, Machine
from provisioner.model.errors import TimedOutError

_LIVE = ["pending", "running", "stopping", "stopped", "shutting-down"]
_ENDED = frozenset({"Success", "Failed", "Cancelled", "TimedOut", "Undeliverable", "Terminated"})


def machines(clients: Clients, tenant: str) -> list[Machine]:
    """Instances tagged with the tenant that are not terminated, oldest first."""
    filters = [
        {"Name": "tag:provision:tenant", "Values": [tenant]},
        {"Name": "instance-state-name", "Values": _LIVE},
    ]
    with translated("ec2 DescribeInstances"):
        pages = list(clients["ec2"].get_paginator("describe_instances").paginate(Filters=filters))
    found = [i for page in pages for r in page["Reservations"] for i in r["Instances"]]
    found = [i for i in found if bears(i, {"provision:tenant": tenant})]
    return [_machine(i) for i in sorted(found, key=lambda i: (i["LaunchTime"], i["InstanceId"]))]


def _machine(raw: dict[str, Any]) -> Machine:
    return Machine(
        id=raw["InstanceId"],
        state=raw["State"]["Name"],
        image_id=raw["ImageId"],
        instance_type=raw["InstanceType"],
        private_ip=raw.get("PrivateIpAddress"),
    )


def run_command(clients: Clients, machine_id: str, script: str, *, comment: str, timeout: float) -> CommandResult:
    """Run a shell script through SSM and wait; see `ports.Cloud.run_command`."""
    deadline = time.monotonic() + timeout
    command_id = _send(clients, machine_id, script, comment, timeout, deadline)
    pause = 0.05
    while time.monotonic() < deadline + 5:
        answer = _invocation(clients, command_id, machine_id)
        if answer and answer["Status"] in _ENDED:
            return CommandResult(
                status=answer["Status"],
                exit_code=int(answer["ResponseCode"]),
                stdout=answer.get("StandardOutputContent", ""),
                stderr=answer.get("StandardErrorContent", ""),
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)
    raise TimedOutError(
        f"{comment}: command {command_id} on {machine_id} did not end within {timeout:.0f} s",
        hint=f"aws ssm get-command-invocation --command-id {command_id} --instance-id {machine_id}",
    )


def _send(clients: Clients, machine_id: str, script: str, comment: str, timeout: float, deadline: float) -> str:
    """SSM does not know a machine that has just booted ("InvalidInstanceId"): try until the deadline."""
    pause = 0.1
    while True:
        with translated("ssm SendCommand"):
            try:
                answer = clients["ssm"].send_command(
                    InstanceIds=[machine_id],
                    DocumentName="AWS-RunShellScript",
                    Comment=comment[:100],
                    TimeoutSeconds=max(30, int(timeout)),
                    Parameters={"commands": script.splitlines(), "executionTimeout": [str(max(1, int(timeout)))]},
                )
                return str(answer["Command"]["CommandId"])
            except clients["ssm"].exceptions.InvalidInstanceId as error:
                if time.monotonic() > deadline:
                    raise TimedOutError(
                        f"{comment}: machine {machine_id} did not become reachable by SSM within {timeout:.0f} s",
                        hint=f"aws ec2 get-console-output --instance-id {machine_id}",
                    ) from error
        time.sleep(pause)
        pause = min(pause * 1.5, 3.0)


def _invocation(clients: Clients, command_id: str, machine_id: str) -> dict[str, Any] | None:
    with translated("ssm GetCommandInvocation"):
        try:
            answer: dict[str, Any] = clients["ssm"].get_command_invocation(CommandId=command_id, InstanceId=machine_id)
        except clients["ssm"].exceptions.ClientError as error:
            if code_of(error) == "InvocationDoesNotExist":  # SSM is eventually consistent here
                return None
            raise
        return answer
