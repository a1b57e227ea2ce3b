"""EC2's instance operations with bodies behind them, as strict about states as EC2 is."""

import copy
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.core.utils import utcnow
from moto.ec2.exceptions import OperationNotPermitted4
from moto.ec2.models import EC2Backend
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance
from moto.ec2.responses import EC2Response

from provisioner.sandbox import images
from provisioner.sandbox.hooking import Refusal, around, parameter
from provisioner.sandbox.machines import states
from provisioner.sandbox.machines.states import PENDING, RUNNING, SHUTTING_DOWN, STOPPED, STOPPING


class Bodies(Protocol):
    """What the hooks tell of instances. Called under the world's lock."""

    def appear(self, instance: Any) -> None:
        """An instance was made; it is pending."""

    def wake(self, instance_id: str) -> None:
        """An instance's state or role was changed."""

    def reboot(self, instance_id: str) -> None:
        """An instance is to be rebooted."""

    def healthy(self, instance_id: str) -> bool:
        """Whether the instance's product runs."""

    def console(self, instance_id: str) -> str:
        """The end of the instance's console."""


def install(bodies: Bodies) -> None:
    """Put the hooks into moto. Raises AttributeError when moto has changed under us."""
    _install_run(bodies)
    _install_states(bodies)
    _install_profiles(bodies)
    _install_views(bodies)


def _install_run(bodies: Bodies) -> None:
    @around(EC2Backend, "run_instances")
    def run_instances(original: Callable[..., Any], backend: Any, image_id: str, *args: Any, **kwargs: Any) -> Any:
        if images.resolve(image_id) is None:
            raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        _known_type(kwargs["instance_type"])
        reservation = original(backend, image_id, *args, **kwargs)
        for instance in reservation.instances:
            _own_interfaces(instance, kwargs.get("nics") or [])
            states.set_state(instance, PENDING)
            bodies.appear(instance)
        return reservation


def _own_interfaces(instance: Any, asked: list[dict[str, Any]]) -> None:
    """Interfaces made with an instance end with it, unless the request says otherwise; moto would keep them."""
    theirs = [n for n in asked if "NetworkInterfaceId" in n or n.get("DeleteOnTermination") is False]
    kept = {int(n["DeviceIndex"]) for n in theirs}
    for index, interface in instance.nics.items():
        if index not in kept:
            interface.delete_on_termination = True


def _install_states(bodies: Bodies) -> None:
    @around(EC2Backend, "start_instances")
    def start_instances(original: Callable[..., Any], backend: Any, ids: list[str]) -> Any:
        found = backend.get_multi_instances_by_id(ids)
        _refuse(found, {STOPPED, PENDING, RUNNING}, "started")
        return _change(found, {STOPPED}, PENDING, lambda chosen: original(backend, chosen), bodies)

    @around(EC2Backend, "stop_instances")
    def stop_instances(original: Callable[..., Any], backend: Any, ids: list[str]) -> Any:
        found = backend.get_multi_instances_by_id(ids)
        _refuse(found, {STOPPED, STOPPING, PENDING, RUNNING}, "stopped")
        return _change(found, {PENDING, RUNNING}, STOPPING, lambda chosen: original(backend, chosen), bodies)

    @around(EC2Backend, "terminate_instances")
    def terminate_instances(original: Callable[..., Any], backend: Any, ids: list[str]) -> Any:
        if not ids:
            return original(backend, ids)
        found = backend.get_multi_instances_by_id(ids)
        for instance in found:  # before the first one is touched
            if instance.disable_api_termination is True:
                raise OperationNotPermitted4(instance.id)
        living = {PENDING, RUNNING, STOPPING, STOPPED}
        return _change(found, living, SHUTTING_DOWN, lambda chosen: original(backend, chosen), bodies)

    @around(EC2Backend, "reboot_instances")
    def reboot_instances(original: Callable[..., Any], backend: Any, ids: list[str]) -> Any:
        found = backend.get_multi_instances_by_id(ids)
        _refuse(found, {RUNNING, PENDING}, "rebooted")
        rebooted = [i.id for i in found if states.state_of(i) == RUNNING]
        result = original(backend, rebooted)
        for instance_id in rebooted:
            bodies.reboot(instance_id)
        return result


def _install_profiles(bodies: Bodies) -> None:
    for name in (
        "associate_iam_instance_profile",
        "disassociate_iam_instance_profile",
        "replace_iam_instance_profile_association",
    ):

        @around(EC2Backend, name)
        def change_profile(original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any) -> Any:
            before = set(backend.iam_instance_profile_associations)
            result = original(backend, *args, **kwargs)
            for instance_id in before | set(backend.iam_instance_profile_associations):
                bodies.wake(instance_id)
            return result


def _install_views(bodies: Bodies) -> None:
    def status(instance: Any) -> dict[str, Any]:
        if states.state_of(instance) != RUNNING:
            return {"Status": "not-applicable"}
        fine = bodies.healthy(instance.id)
        details = [{"Name": "reachability", "Status": "passed" if fine else "failed"}]
        return {"Status": "ok" if fine else "impaired", "Details": details}

    setattr(Instance, "instance_status", property(status))  # noqa: B010 - mypy takes it for a method

    @around(EC2Response, "get_console_output")
    def get_console_output(_: Callable[..., Any], response: Any) -> Any:
        instance = response.ec2_backend.get_instance(parameter(response, "InstanceId"))
        output = Base64EncodedString.from_raw_string(bodies.console(instance.id))
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": output})


def _refuse(instances: Iterable[Any], allowed: set[str], verb: str) -> None:
    for instance in instances:
        if states.state_of(instance) not in allowed:
            raise Refusal(
                "IncorrectInstanceState",
                f"The instance '{instance.id}' is not in a state from which it can be {verb}.",
            )


def _change(
    instances: list[Any], before: set[str], after: str, act: Callable[[list[str]], Any], bodies: Bodies
) -> list[tuple[Any, Any]]:
    """Have moto act on those that are in a state of `before`, and send them on the way; the others stay as they are."""
    previous = [(i, copy.copy(i.instance_state)) for i in instances]
    chosen = [i for i in instances if states.state_of(i) in before]
    if chosen:
        act([i.id for i in chosen])
    for instance in chosen:
        states.set_state(instance, after)
        bodies.wake(instance.id)
    return previous


def _known_type(instance_type: str) -> None:
    if instance_type not in INSTANCE_TYPES:
        raise Refusal("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
