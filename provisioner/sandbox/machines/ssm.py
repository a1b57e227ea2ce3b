"""The SSM operations of Run Command that moto lacks."""

from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ssm.responses import SimpleSystemManagerResponse

from provisioner.sandbox.hooking import not_supported, parameter
from provisioner.sandbox.machines import states
from provisioner.sandbox.machines.commands import Commands
from provisioner.sandbox.world import World

_LISTED_OUTPUT = 2_500  # what ListCommandInvocations gives of an output


def install(world: World, commands: Commands) -> None:
    """Add them to moto's response class: plain functions, which it finds by name."""

    def cancel_command(response: Any) -> ActionResult:
        command = response.ssm_backend.get_command_by_id(parameter(response, "CommandId"))
        commands.cancel(command, parameter(response, "InstanceIds") or [])
        return ActionResult({})

    def list_command_invocations(response: Any) -> ActionResult:
        if parameter(response, "Filters"):
            raise not_supported("ListCommandInvocations with Filters")
        found = response.ssm_backend.list_commands(parameter(response, "CommandId"), parameter(response, "InstanceId"))
        instance_id = parameter(response, "InstanceId")
        details = bool(parameter(response, "Details"))
        rows = [
            _row(command, invocation, details=details)
            for command in found
            for invocation in command.invocations
            if instance_id in {None, invocation["InstanceId"]}
        ]
        return ActionResult({"CommandInvocations": rows})

    def describe_instance_information(response: Any) -> ActionResult:
        wanted = _wanted_ids(response)
        region = response.region
        rows = [
            _information(instance)
            for instance in states.all_instances(world.account)
            if instance.region_name == region
            and commands.managed(instance)
            and states.state_of(instance) in {states.RUNNING, states.STOPPING, states.STOPPED}
            and (wanted is None or instance.id in wanted)
        ]
        return ActionResult({"InstanceInformationList": rows})

    for function in (cancel_command, list_command_invocations, describe_instance_information):
        setattr(SimpleSystemManagerResponse, function.__name__, function)


def _row(command: Any, invocation: dict[str, Any], *, details: bool) -> dict[str, Any]:
    row = {
        "CommandId": command.command_id,
        "InstanceId": invocation["InstanceId"],
        "Comment": command.comment,
        "DocumentName": command.document_name,
        "RequestedDateTime": command.requested_date_time,
        "Status": invocation["Status"],
        "StatusDetails": invocation["StatusDetails"],
        "CommandPlugins": [],
    }
    if details:
        output = invocation["StandardOutputContent"] + invocation["StandardErrorContent"]
        plugin = {
            "Name": invocation["PluginName"],
            "Status": invocation["Status"],
            "StatusDetails": invocation["StatusDetails"],
            "ResponseCode": invocation["ResponseCode"],
            "Output": output[:_LISTED_OUTPUT],
        }
        row["CommandPlugins"] = [plugin]
    return row


def _information(instance: Any) -> dict[str, Any]:
    online = states.state_of(instance) == states.RUNNING
    return {
        "InstanceId": instance.id,
        "PingStatus": "Online" if online else "ConnectionLost",
        "LastPingDateTime": utcnow(),
        "AgentVersion": "sandbox",
        "PlatformType": "Linux",
        "PlatformName": "provision sandbox",
        "ResourceType": "EC2Instance",
        "IPAddress": instance.private_ip,
        "ComputerName": instance.private_dns_name,
    }


def _wanted_ids(response: Any) -> set[str] | None:
    """The ids that the request's filters name; None where it has none."""
    wanted: set[str] | None = None
    for name, key, values in (("Filters", "Key", "Values"), ("InstanceInformationFilterList", "key", "valueSet")):
        for entry in parameter(response, name) or []:
            if entry[key] != "InstanceIds":
                raise not_supported(f"DescribeInstanceInformation by {entry[key]}")
            wanted = set(entry[values]) if wanted is None else wanted & set(entry[values])
    return wanted
