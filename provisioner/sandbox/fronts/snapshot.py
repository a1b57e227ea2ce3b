"""Reads from moto's models what should be forwarded where. Everything here needs the world's lock."""

from collections.abc import Iterator
from typing import Any

from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends

from provisioner.sandbox.addresses import Address
from provisioner.sandbox.fronts.plan import (
    Action,
    Answer,
    Check,
    Direct,
    Forward,
    Front,
    Group,
    Idle,
    Plan,
    Redirect,
    Target,
)
from provisioner.sandbox.machines import body, states, userdata
from provisioner.sandbox.machines.place import listen_port
from provisioner.sandbox.world import World

PUBLIC_PORT = 8080  # where a tenant's URL points, whatever the machine listens on


def read(world: World) -> Plan:
    """The plan of this moment."""
    plans = [_addresses(world, backend) for backend in list(ec2_backends[world.account].values())]
    plans += [_balancers(world, backend) for backend in list(elbv2_backends[world.account].values())]
    return Plan(
        fronts=tuple(f for p in plans for f in p.fronts),
        groups=tuple(g for p in plans for g in p.groups),
        idle=tuple(i for p in plans for i in p.idle),
    )


def _addresses(world: World, backend: Any) -> Plan:
    fronts: list[Front] = []
    idle: list[Idle] = []
    for eip in backend.addresses:
        tenant, address, instance = _tenant(backend.tags.get(eip.id)), eip_address(world, eip), associated(eip)
        if instance is None:
            idle.append(Idle(eip.id, "elastic-ip", tenant, address, "not associated with a machine"))
        else:
            action = Direct(instance.id, machine_address(world, instance))
            fronts.append(Front(eip.id, "elastic-ip", tenant, address, action))
    return Plan(fronts=tuple(fronts), idle=tuple(idle))


def _balancers(world: World, backend: Any) -> Plan:
    fronts: list[Front] = []
    idle: list[Idle] = []
    for balancer in backend.load_balancers.values():
        tenant = _tenant(backend.tagging_service.get_tag_dict_for_resource(balancer.arn))
        fronts += [_listener(world, balancer, known, tenant) for known in balancer.listeners.values()]
        if not balancer.listeners:
            idle.append(Idle(balancer.arn, "balancer", tenant, balancer_address(world, balancer.arn), "no listener"))
    used = {arn for front in fronts if isinstance(front.action, Forward) for arn, _ in front.action.groups}
    groups = tuple(_group(world, group) for arn, group in backend.target_groups.items() if arn in used)
    return Plan(tuple(fronts), groups, tuple(idle))


def associated(eip: Any) -> Any:
    """The instance that an Elastic IP leads to, directly or by a network interface; None where there is none."""
    instance = eip.instance or (eip.eni.instance if eip.eni else None)
    return instance if instance is not None and states.state_of(instance) != states.TERMINATED else None


def eip_address(world: World, eip: Any) -> Address:
    """The loopback address of an Elastic IP."""
    return world.addresses.take(f"eip/{eip.id}", PUBLIC_PORT)


def balancer_address(world: World, arn: str) -> Address:
    """The loopback address of a load balancer. Its port counts only where the host has but 127.0.0.1."""
    return world.addresses.take(f"balancer/{arn}", PUBLIC_PORT)


def machine_address(world: World, instance: Any) -> Address:
    """Where an instance's product listens. Its first user data decided the port."""
    return world.addresses.take(body.key(instance.id), listen_port(userdata.of(instance)))


def used_by_listeners(backend: Any, group_arn: str) -> bool:
    """Whether some listener forwards to the target group."""
    return any(
        group_arn in dict(_forwarded(action.data))
        for balancer in backend.load_balancers.values()
        for listener in balancer.listeners.values()
        for action in listener.default_actions
        if action.type == "forward"
    )


def targets_of(world: World, group: Any) -> Iterator[Target]:
    """The registered targets of a target group."""
    for registered in group.targets.values():
        instance = group.ec2_backend.get_instance_by_id(registered["Id"])
        if instance is None or states.state_of(instance) in {states.TERMINATED, states.SHUTTING_DOWN}:
            continue
        machine = machine_address(world, instance)
        port = group.health_check_port
        check_port = int(registered["Port"]) if port in {None, "traffic-port"} else int(port)
        idle = None if states.state_of(instance) == states.RUNNING else states.state_of(instance)
        yield Target(
            instance.id, _reached(world, machine, int(registered["Port"])), _reached(world, machine, check_port), idle
        )


def _reached(world: World, machine: Address, port: int) -> Address:
    """A port of a machine; where the host has one address for all, a machine has but the one port that it was given."""
    return Address(machine.host, port) if world.addresses.whole_net else machine


def _group(world: World, group: Any) -> Group:
    check = Check(
        protocol=group.health_check_protocol or "HTTP",
        path=group.health_check_path or "/",
        interval=float(group.health_check_interval_seconds),
        timeout=float(group.health_check_timeout_seconds),
        healthy_after=int(group.healthy_threshold_count),
        unhealthy_after=int(group.unhealthy_threshold_count),
        codes=tuple(_codes(str((getattr(group, "matcher", None) or {}).get("HttpCode") or "200"))),
    )
    return Group(group.arn, check, tuple(targets_of(world, group)))


def _codes(matcher: str) -> Iterator[tuple[int, int]]:
    for part in matcher.split(","):
        first, _, last = part.partition("-")
        yield int(first), int(last or first)


def _listener(world: World, balancer: Any, listener: Any, tenant: str | None) -> Front:
    address = balancer_address(world, balancer.arn)
    if world.addresses.whole_net:
        address = Address(address.host, int(listener.port))
    return Front(listener.arn, "listener", tenant, address, _action(listener))


def _action(listener: Any) -> Action:
    data = listener.default_actions[-1].data
    if data["Type"] == "fixed-response":
        config = data["FixedResponseConfig"]
        return Answer(
            int(config["StatusCode"]), config.get("ContentType") or "text/plain", config.get("MessageBody") or ""
        )
    if data["Type"] == "redirect":
        config = data["RedirectConfig"]
        return Redirect(
            status=int(str(config["StatusCode"]).removeprefix("HTTP_")),
            protocol=config.get("Protocol") or "#{protocol}",
            host=config.get("Host") or "#{host}",
            port=config.get("Port") or "#{port}",
            path=config.get("Path") or "/#{path}",
            query=config["Query"] if config.get("Query") is not None else "#{query}",
            own_port=int(listener.port),
        )
    return Forward(tuple(_forwarded(data)), http=listener.protocol == "HTTP")


def _forwarded(data: dict[str, Any]) -> Iterator[tuple[str, int]]:
    if data.get("TargetGroupArn"):
        yield data["TargetGroupArn"], 1
        return
    for group in (data.get("ForwardConfig") or {}).get("TargetGroups") or []:
        yield group["TargetGroupArn"], int(group.get("Weight", 1))


def _tenant(tags: dict[str, str] | None) -> str | None:
    return (tags or {}).get("provision:tenant")
