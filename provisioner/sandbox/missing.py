"""Operations that moto lacks and the tenants' stacks need: methods of moto's response classes."""

from typing import Any

from moto.core.responses import ActionResult, BaseResponse
from moto.ec2.responses import EC2Response
from moto.logs.exceptions import ResourceNotFoundException
from moto.logs.models import LogGroup
from moto.logs.responses import LogsResponse

from provisioner.sandbox.hooking import parameter


def install() -> None:
    """Add them. Moto finds an operation by the name of a plain function of the class."""
    for response, functions in _MISSING.items():
        for function in functions:
            setattr(response, function.__name__, function)


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


def _log_group(response: Any) -> LogGroup:
    name = parameter(response, "logGroupName") or str(parameter(response, "resourceIdentifier")).rpartition(":")[2]
    group: LogGroup | None = response.logs_backend.groups.get(name)
    if group is None:
        raise ResourceNotFoundException
    return group


_MISSING: dict[type[BaseResponse], tuple[Any, ...]] = {
    LogsResponse: (associate_kms_key, disassociate_kms_key),
    EC2Response: (get_ebs_default_kms_key_id, modify_ebs_default_kms_key_id),
}
