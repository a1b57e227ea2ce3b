"""EC2 instances of a tenant, and commands on them through SSM."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from provisioner.cloud.lookup.tagged import bears
from provisioner.cloud.patience import patiently
from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.cloud import CommandResult, Machine
from provisioner.model.errors import ProvisionError, TimedOutError

_LIVE = ["pending", "running", "stopping", "stopped", "shutting-down"]
_ENDED = frozenset({"Success", "Failed", "Cancelled", "TimedOut", "Undeliverable", "Terminated"})


def machines(clients: Clients, tenant: str) -> list[Machine]:
    """Instances tagged with the tenant that are not terminated, oldest first."""
    return bearing_machines(clients, {"provision:tenant": tenant})


def bearing_machines(clients: Clients, tags: Mapping[str, str]) -> list[Machine]:
    """Instances with these tags that are not terminated, oldest first."""
    filters = [{"Name": f"tag:{k}", "Values": [v]} for k, v in tags.items()]
    filters.append({"Name": "instance-state-name", "Values": _LIVE})
    with translated("ec2 DescribeInstances"):
        pages = list(clients["ec2"].get_paginator("describe_instances").paginate(Filters=filters))
    found = [i for page in pages for r in page["Reservations"] for i in r["Instances"]]
    found = [i for i in found if bears(i, tags)]
    return [_machine(i) for i in sorted(found, key=lambda i: (i["LaunchTime"], i["InstanceId"]))]


def _machine(raw: dict[str, Any]) -> Machine:
    return Machine(
        id=raw["InstanceId"],
        state=raw["State"]["Name"],
        image_id=raw["ImageId"],
        instance_type=raw["InstanceType"],
        private_ip=raw.get("PrivateIpAddress"),
    )


def addressed(clients: Clients, tenant: str) -> list[str]:
    """Instances to which an Elastic IP of the tenant points."""
    tags = {"provision:tenant": tenant}
    filters = [{"Name": f"tag:{k}", "Values": [v]} for k, v in tags.items()]
    with translated("ec2 DescribeAddresses"):
        found = clients["ec2"].describe_addresses(Filters=filters)["Addresses"]
    return [str(a["InstanceId"]) for a in found if a.get("InstanceId") and bears(a, tags)]


def start_machine(clients: Clients, machine_id: str) -> None:
    """Begin to start it; one that runs or starts is success. One that stops is waited for a little."""

    def start() -> None:
        clients["ec2"].start_instances(InstanceIds=[machine_id])

    def attempt() -> bool:
        state = _state(clients, machine_id)
        if state in (None, "shutting-down", "terminated"):
            raise ProvisionError(f"machine {machine_id} is gone: it can't be started")
        if state != "stopped":
            return state != "stopping"
        return _accepted(clients, "ec2 StartInstances", start)

    patiently(f"starting {machine_id}", attempt)


def stop_machine(clients: Clients, machine_id: str) -> None:
    """Begin to stop it; one that is stopped, stops or is gone is success. One that boots is waited for a little."""

    def stop() -> None:
        clients["ec2"].stop_instances(InstanceIds=[machine_id])

    def attempt() -> bool:
        if _state(clients, machine_id) not in ("pending", "running"):
            return True
        return _accepted(clients, "ec2 StopInstances", stop)

    patiently(f"stopping {machine_id}", attempt)


def _state(clients: Clients, machine_id: str) -> str | None:
    ec2 = clients["ec2"]
    with translated("ec2 DescribeInstances"):
        try:
            reservations = ec2.describe_instances(InstanceIds=[machine_id])["Reservations"]
        except ec2.exceptions.ClientError as error:
            if code_of(error) == "InvalidInstanceID.NotFound":
                return None
            raise
    return next((str(i["State"]["Name"]) for r in reservations for i in r["Instances"]), None)


def _accepted(clients: Clients, what: str, act: Callable[[], None]) -> bool:
    """Whether EC2 took the call: it refuses while the instance is in between two states."""
    with translated(what):
        try:
            act()
        except clients["ec2"].exceptions.ClientError as error:
            if code_of(error) != "IncorrectInstanceState":
                raise
            return False
    return True


def run_command(clients: Clients, machine_id: str, script: str, *, comment: str, timeout: float) -> CommandResult:
    """Run a shell script through SSM and wait; see `ports.Cloud.run_command`."""
    parameters = {"commands": script.splitlines(), "executionTimeout": [str(max(1, int(timeout)))]}
    return run_document(clients, machine_id, "AWS-RunShellScript", parameters, comment=comment, timeout=timeout)


def run_document(
    clients: Clients,
    machine_id: str,
    document: str,
    parameters: Mapping[str, Sequence[str]],
    *,
    comment: str,
    timeout: float,
) -> CommandResult:
    """Run a document of SSM on a machine, and wait; as `run_command`."""
    deadline = time.monotonic() + timeout
    command_id = _send(clients, machine_id, document, parameters, comment, timeout, deadline)
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


def _send(
    clients: Clients,
    machine_id: str,
    document: str,
    parameters: Mapping[str, Sequence[str]],
    comment: str,
    timeout: float,
    deadline: float,
) -> str:
    """SSM does not know a machine that has just booted ("InvalidInstanceId"): try until the deadline."""
    pause = 0.1
    while True:
        with translated("ssm SendCommand"):
            try:
                answer = clients["ssm"].send_command(
                    InstanceIds=[machine_id],
                    DocumentName=document,
                    Comment=comment[:100],
                    TimeoutSeconds=max(30, int(timeout)),
                    Parameters={name: list(values) for name, values in parameters.items()},
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
