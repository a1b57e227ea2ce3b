"""Elastic IPs and load balancers as moto keeps them, with loopback addresses that really forward."""

from collections.abc import Callable
from typing import Any, Protocol

from moto.ec2.models import EC2Backend
from moto.elbv2.models import ELBv2Backend, FakeHealthStatus

from provisioner.sandbox.fronts import snapshot
from provisioner.sandbox.hooking import Refusal, around, not_supported
from provisioner.sandbox.machines import states
from provisioner.sandbox.world import World

_ACTIONS = {"forward", "redirect", "fixed-response"}
_PROTOCOLS = {"HTTP", "TCP"}
_FORWARDING = {
    EC2Backend: ("start_instances", "stop_instances"),
    ELBv2Backend: ("delete_listener", "register_targets", "modify_target_group", "delete_target_group"),
}


class Forwarding(Protocol):
    """What the hooks tell of fronts, and ask. Called under the world's lock."""

    def refresh(self) -> None:
        """Something changed: forward as the models now say."""

    def drain(self, group_arn: str, instance_id: str, seconds: float) -> None:
        """A target was deregistered."""

    def health(self, group: Any, target: dict[str, Any]) -> FakeHealthStatus:
        """Health of a target, registered or not."""

    def draining(self, group: Any) -> list[dict[str, Any]]:
        """Targets of the group that are deregistered and still have connections."""


def install(world: World, forwarding: Forwarding) -> None:
    """Put the hooks into moto. Raises AttributeError when moto has changed under us."""
    _install_addresses(world, forwarding)
    _install_association(world, forwarding)
    _install_balancers(world, forwarding)
    _install_listeners(forwarding)
    _install_targets(forwarding)
    for owner, names in _FORWARDING.items():
        for name in names:
            _refreshing(owner, name, forwarding)


def _refreshing(owner: type, name: str, forwarding: Forwarding) -> None:
    @around(owner, name)
    def refreshing(original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(backend, *args, **kwargs)
        forwarding.refresh()
        return result


def _install_addresses(world: World, forwarding: Forwarding) -> None:
    @around(EC2Backend, "allocate_address")
    def allocate_address(
        original: Callable[..., Any],
        backend: Any,
        domain: str | None = None,
        address: str | None = None,
        tags: dict[str, str] | None = None,
    ) -> Any:
        if address is not None:
            raise not_supported("AllocateAddress with an Address")
        if domain == "standard":
            raise not_supported("an address of EC2-Classic")
        eip = original(backend, "vpc", tags=tags)
        found = snapshot.eip_address(world, eip)
        eip.public_ip = found.host
        if not world.addresses.whole_net:
            eip.add_tags({"sandbox:port": str(found.port)})
        forwarding.refresh()
        return eip

    @around(EC2Backend, "release_address")
    def release_address(
        _: Callable[..., Any], backend: Any, address: str | None = None, allocation_id: str | None = None
    ) -> None:
        _by_allocation(world, address)
        eip = (backend.address_by_allocation([allocation_id]) if allocation_id else backend.address_by_ip([address]))[0]
        backend.addresses.remove(eip)
        world.addresses.release(f"eip/{eip.id}")
        forwarding.refresh()

    @around(EC2Backend, "terminate_instances")
    def terminate_instances(original: Callable[..., Any], backend: Any, ids: list[str]) -> Any:
        result = original(backend, ids)
        for eip in backend.addresses:
            if eip.instance is not None and eip.instance.id in ids:
                eip.instance = eip.eni = eip.association_id = None
        forwarding.refresh()
        return result


def _install_association(world: World, forwarding: Forwarding) -> None:
    @around(EC2Backend, "associate_address")
    def associate_address(
        original: Callable[..., Any], backend: Any, instance: Any = None, eni: Any = None, **kwargs: Any
    ) -> Any:
        _by_allocation(world, kwargs.get("address"))
        if instance is not None and states.state_of(instance) not in {states.RUNNING, states.STOPPING, states.STOPPED}:
            raise Refusal(
                "InvalidInstanceID",
                f"The {states.state_of(instance)} instance '{instance.id}' is not in a valid state for this operation.",
            )
        result = original(backend, instance, eni, **kwargs)
        forwarding.refresh()
        return result

    @around(EC2Backend, "disassociate_address")
    def disassociate_address(
        original: Callable[..., Any], backend: Any, address: str | None = None, association_id: str | None = None
    ) -> Any:
        _by_allocation(world, address)
        result = original(backend, address, association_id)
        forwarding.refresh()
        return result


def _by_allocation(world: World, address: str | None) -> None:
    """Where all addresses are 127.0.0.1, a PublicIp names none of them."""
    if address is not None and not world.addresses.whole_net:
        raise not_supported("an Elastic IP named by its PublicIp, on a host with one loopback address,")


def _install_balancers(world: World, forwarding: Forwarding) -> None:
    @around(ELBv2Backend, "create_load_balancer")
    def create_load_balancer(original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("loadbalancer_type") not in {None, "application", "network"}:
            raise not_supported(f"a load balancer of type {kwargs['loadbalancer_type']}")
        balancer = original(backend, *args, **kwargs)
        address = snapshot.balancer_address(world, balancer.arn)
        balancer.dns_name = address.host if world.addresses.whole_net else f"{address.host}:{address.port}"
        forwarding.refresh()
        return balancer

    @around(ELBv2Backend, "delete_load_balancer")
    def delete_load_balancer(original: Callable[..., Any], backend: Any, arn: str) -> Any:
        balancer = backend.load_balancers.get(arn)
        if balancer is not None and str(balancer.attrs.get("deletion_protection.enabled")).lower() == "true":
            raise Refusal(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        result = original(backend, arn)
        world.addresses.release(f"balancer/{arn}")
        forwarding.refresh()
        return result


def _install_listeners(forwarding: Forwarding) -> None:
    @around(ELBv2Backend, "create_listener")
    def create_listener(
        original: Callable[..., Any],
        backend: Any,
        load_balancer_arn: str,
        protocol: str,
        port: str,
        ssl_policy: str,
        certificate: str | None,
        actions: list[dict[str, Any]],
        **kwargs: Any,
    ) -> Any:
        _supported(protocol, actions)
        balancer = backend.load_balancers.get(load_balancer_arn)
        if balancer is not None and any(str(known.port) == str(port) for known in balancer.listeners.values()):
            raise Refusal("DuplicateListener", "A listener already exists on this port for this load balancer")
        listener = original(backend, load_balancer_arn, protocol, port, ssl_policy, certificate, actions, **kwargs)
        forwarding.refresh()
        return listener

    @around(ELBv2Backend, "modify_listener")
    def modify_listener(
        original: Callable[..., Any],
        backend: Any,
        arn: str,
        port: str | None = None,
        protocol: str | None = None,
        ssl_policy: str | None = None,
        certificates: Any = None,
        actions: list[dict[str, Any]] | None = None,
    ) -> Any:
        _supported(protocol, actions or [])
        listener = original(backend, arn, port, protocol, ssl_policy, certificates, actions or [])
        forwarding.refresh()
        return listener

    @around(ELBv2Backend, "create_rule")
    def create_rule(*_: Any, **__: Any) -> Any:
        raise not_supported("a listener rule besides the default one")


def _supported(protocol: str | None, actions: list[dict[str, Any]]) -> None:
    if protocol is not None and protocol not in _PROTOCOLS:
        raise not_supported(f"a listener with protocol {protocol}")
    for action in actions:
        if action.get("Type") not in _ACTIONS:
            raise not_supported(f"the action {action.get('Type')}")


def _install_targets(forwarding: Forwarding) -> None:
    @around(ELBv2Backend, "create_target_group")
    def create_target_group(original: Callable[..., Any], backend: Any, name: str, **kwargs: Any) -> Any:
        if kwargs.get("target_type") not in {None, "instance"}:
            raise not_supported(f"the target type {kwargs['target_type']}")
        for protocol in (kwargs.get("protocol"), kwargs.get("healthcheck_protocol")):
            if protocol not in {None, *_PROTOCOLS}:
                raise not_supported(f"a target group with protocol {protocol}")
        return original(backend, name, **kwargs)

    @around(ELBv2Backend, "register_targets")
    def register_targets(original: Callable[..., Any], backend: Any, arn: str, instances: list[dict[str, Any]]) -> Any:
        group = backend.target_groups.get(arn)
        for target in instances if group is not None else ():
            instance = backend.ec2_backend.get_instance_by_id(target["Id"])
            if instance is None or instance.vpc_id != group.vpc_id:
                raise Refusal(
                    "InvalidTarget",
                    f"The following targets are not in the target group VPC '{group.vpc_id}': '{target['Id']}'",
                )
        return original(backend, arn, instances)

    @around(ELBv2Backend, "deregister_targets")
    def deregister_targets(
        original: Callable[..., Any], backend: Any, arn: str, instances: list[dict[str, Any]]
    ) -> Any:
        result = original(backend, arn, instances)
        seconds = float(backend.target_groups[arn].attributes["deregistration_delay.timeout_seconds"])
        for target in instances:
            forwarding.drain(arn, target["Id"], seconds)
        forwarding.refresh()
        return result

    @around(ELBv2Backend, "describe_target_health")
    def describe_target_health(
        original: Callable[..., Any], backend: Any, arn: str, targets: list[dict[str, Any]]
    ) -> list[Any]:
        group = backend.target_groups.get(arn)
        if group is None:
            return list(original(backend, arn, targets))  # raises what AWS raises
        return [forwarding.health(group, t) for t in targets or [*group.targets.values(), *forwarding.draining(group)]]
