"""Operations that moto lacks, or gets wrong, and tenants' stacks need."""

from collections.abc import Callable
from typing import Any

import moto.ec2.responses.instances
from moto.core.responses import ActionResult, BaseResponse
from moto.core.types import Base64EncodedString
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.responses import EC2Response
from moto.ec2.utils import generic_filter, parse_user_data
from moto.kms.models import KmsBackend
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogGroup
from moto.logs.responses import LogsResponse
from moto.rds.models import RDSBackend

from provisioner.sandbox.hooking import Refusal, around, parameter


def install() -> None:
    """Add and mend them. Moto finds an operation by the name of a plain function of the class."""
    for response, functions in _MISSING.items():
        for function in functions:
            setattr(response, function.__name__, function)
    for name in ("enable_key", "disable_key", "schedule_key_deletion", "cancel_key_deletion"):
        around(KmsBackend, name)(_by_key_arn_too)
    moto.ec2.responses.instances.parse_user_data = _user_data  # type: ignore[attr-defined]
    around(RDSBackend, "modify_db_subnet_group")(_still_there)
    around(NatGatewayBackend, "delete_nat_gateway")(_of_a_gateway_that_is_there)
    around(NatGatewayBackend, "describe_nat_gateways")(_by_tags_too)


def associate_kms_key(self: Any) -> str:
    """logs AssociateKmsKey."""
    _log_group(self).kms_key_id = parameter(self, "kmsKeyId")
    return ""


def disassociate_kms_key(self: Any) -> str:
    """logs DisassociateKmsKey."""
    _log_group(self).kms_key_id = None
    return ""


def get_ebs_default_kms_key_id(self: Any) -> ActionResult:
    """ec2 GetEbsDefaultKmsKeyId: AWS's own key until another was set."""
    return ActionResult({"KmsKeyId": self.ec2_backend.default_kms_key_id or "alias/aws/ebs"})


def modify_ebs_default_kms_key_id(self: Any) -> ActionResult:
    """ec2 ModifyEbsDefaultKmsKeyId."""
    self.ec2_backend.default_kms_key_id = parameter(self, "KmsKeyId")
    return ActionResult({"KmsKeyId": self.ec2_backend.default_kms_key_id})


def _by_key_arn_too(original: Callable[..., Any], backend: Any, key_id: str, *args: Any, **kwargs: Any) -> Any:
    return original(backend, backend.get_key_id(key_id), *args, **kwargs)


def _of_a_gateway_that_is_there(original: Callable[..., Any], backend: Any, nat_gateway_id: str) -> Any:
    if nat_gateway_id not in backend.nat_gateways:
        raise Refusal("NatGatewayNotFound", f"NatGateway {nat_gateway_id} was not found")
    return original(backend, nat_gateway_id)


def _by_tags_too(original: Callable[..., Any], backend: Any, filters: Any, nat_gateway_ids: Any) -> Any:
    """Moto answers with every gateway of the account whatever tags are asked for."""
    found = original(backend, filters, nat_gateway_ids)
    return generic_filter({k: v for k, v in (filters or {}).items() if k.startswith("tag")}, found)


def monitor_instances(self: Any) -> ActionResult:
    """ec2 MonitorInstances."""
    return _monitor(self, "enabled")


def unmonitor_instances(self: Any) -> ActionResult:
    """ec2 UnmonitorInstances."""
    return _monitor(self, "disabled")


def _monitor(response: Any, state: str) -> ActionResult:
    instances = [response.ec2_backend.get_instance(i) for i in parameter(response, "InstanceIds") or []]
    for instance in instances:
        instance.monitoring_state = state
    monitorings = [{"InstanceId": i.id, "Monitoring": {"State": state}} for i in instances]
    return ActionResult({"InstanceMonitorings": monitorings})


def _user_data(value: str | bytes | None) -> Base64EncodedString | None:
    """RunInstances takes base64; of ModifyInstanceAttribute's blob moto has decoded it already, and would again."""
    return Base64EncodedString.from_raw_bytes(value) if isinstance(value, bytes) else parse_user_data(value)


def _still_there(original: Callable[..., Any], backend: Any, subnet_name: str, *args: Any, **kwargs: Any) -> Any:
    """Moto takes the subnet group out of its store to change it, and leaves it out."""
    backend.subnet_groups[subnet_name] = original(backend, subnet_name, *args, **kwargs)
    return backend.subnet_groups[subnet_name]


def _log_group(response: Any) -> LogGroup:
    name = parameter(response, "logGroupName") or str(parameter(response, "resourceIdentifier")).rpartition(":")[2]
    group: LogGroup | None = response.logs_backend.groups.get(name)
    if group is None:
        raise ResourceNotFoundException
    return group


_MISSING: dict[type[BaseResponse], tuple[Any, ...]] = {
    LogsResponse: (associate_kms_key, disassociate_kms_key),
    EC2Response: (
        get_ebs_default_kms_key_id,
        modify_ebs_default_kms_key_id,
        monitor_instances,
        unmonitor_instances,
    ),
}
