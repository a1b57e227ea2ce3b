"""EC2 instances: what needs them stopped, and the protection that moto passes over."""

from collections.abc import Callable
from typing import Any

from moto.ec2.models import EC2Backend
from moto.ec2.responses import EC2Response

from provisioner.sandbox.hooking import Refusal, around, parameter

_ONLY_STOPPED = {"instance_type", "user_data", "kernel", "ramdisk", "ebs_optimized"}


def install() -> None:
    """Refuse to change a running instance where AWS does; keep DisableApiTermination of RunInstances."""

    @around(EC2Backend, "modify_instance_attribute")
    def modify_instance_attribute(
        original: Callable[..., Any], backend: Any, instance_id: str, key: str, value: Any
    ) -> Any:
        instance = backend.get_instance(instance_id)
        if key in _ONLY_STOPPED and instance.state != "stopped":
            raise Refusal("IncorrectInstanceState", f"The instance '{instance_id}' is not in the 'stopped' state.")
        return original(backend, instance_id, key, value)

    @around(EC2Response, "run_instances")
    def run_instances(original: Callable[..., Any], response: Any) -> Any:
        result = original(response)
        for instance in result.result.instances:
            instance.disable_api_termination = bool(parameter(response, "DisableApiTermination"))
        return result
