"""What is in use can't be deleted: security groups, subnets, VPCs, addresses, and the groups of databases."""

from collections.abc import Callable, Iterator
from typing import Any

from moto.ec2.models import EC2Backend
from moto.elbv2.models import elbv2_backends
from moto.rds.models import RDSBackend, rds_backends

from provisioner.sandbox.hooking import Refusal, around

_GONE = ("terminated", "deleted")


def install() -> None:
    """Refuse the deletion, naming the first users."""
    _guard(EC2Backend, "release_address", _users_of_address, "InvalidIPAddress.InUse")
    _guard(EC2Backend, "delete_subnet", _users_of_subnet, "DependencyViolation")
    _guard(EC2Backend, "delete_security_group", _users_of_group, "DependencyViolation")
    _guard(EC2Backend, "delete_vpc", _users_of_vpc, "DependencyViolation")
    _guard(RDSBackend, "delete_db_parameter_group", _users_of_parameters, "InvalidDBParameterGroupState")
    _guard(RDSBackend, "delete_subnet_group", _users_of_subnet_group, "InvalidDBSubnetGroupStateFault")


def _guard(backend_class: type, method: str, users: Callable[..., Iterator[str]], code: str) -> None:
    @around(backend_class, method)
    def guarded(original: Callable[..., Any], backend: Any, *args: Any, **kwargs: Any) -> Any:
        if found := list(users(backend, *args, **kwargs)):
            what = next(str(value) for value in (*args, *kwargs.values()) if value)
            raise Refusal(code, f"{what} is in use by {', '.join(sorted(set(found))[:3])} and cannot be deleted.")
        return original(backend, *args, **kwargs)


def _users_of_address(backend: Any, address: str | None = None, allocation_id: str | None = None) -> Iterator[str]:
    gateways = {g._eni.id: g for g in backend.nat_gateways.values()}  # noqa: SLF001 - moto's only link between them
    for eip in backend.addresses:
        if eip.public_ip == address if address else eip.allocation_id == allocation_id:
            eni = eip.eni
            holder = eip.instance or (eni and (eni.instance or gateways.get(eni.id)))
            if holder and holder.state not in _GONE:  # AWS lets go of it with the holder's end, moto doesn't
                yield holder.id


def _users_of_subnet(backend: Any, subnet_id: str) -> Iterator[str]:
    yield from (i.id for i in _instances(backend) if i.subnet_id == subnet_id)
    yield from (n.id for n in backend.nat_gateways.values() if n.subnet_id == subnet_id and n.state not in _GONE)
    yield from (e.id for e in _endpoints(backend) if subnet_id in (e.subnet_ids or ()))
    for balancer in _balancers(backend):
        if any(getattr(subnet, "id", subnet) == subnet_id for subnet in balancer.subnets):
            yield balancer.arn
    for database in _databases(backend):
        group = getattr(database, "db_subnet_group", None)
        if group is not None and any(subnet.id == subnet_id for subnet in group._subnets):  # noqa: SLF001 - `subnets` are dicts
            yield database.db_instance_identifier


def _users_of_group(backend: Any, name: str | None = None, group_id: str | None = None) -> Iterator[str]:
    group = backend.get_security_group_from_id(group_id) if group_id else backend.get_security_group_by_name_or_id(name)
    if group is None:
        return
    for instance in _instances(backend):
        groups = [*instance.security_groups, *(g for nic in instance.nics.values() for g in nic.group_set)]
        if any(g.id == group.id for g in groups):
            yield instance.id
    yield from (e.id for e in _endpoints(backend) if group.id in e.security_group_ids)
    yield from (b.arn for b in _balancers(backend) if group.id in (b.security_groups or ()))
    yield from (d.db_instance_identifier for d in _databases(backend) if group.id in d.vpc_security_group_ids)
    for other in (g for groups in backend.groups.values() for g in groups.values() if g.id != group.id):
        rules = [*other.ingress_rules, *other.egress_rules]
        if any((rule.source_group or {}).get("GroupId") == group.id for rule in rules):
            yield other.id


def _users_of_vpc(backend: Any, vpc_id: str) -> Iterator[str]:
    yield from (g.id for g in backend.internet_gateways.values() if g.vpc is not None and g.vpc.id == vpc_id)
    yield from (g.id for g in backend.groups.get(vpc_id, {}).values() if g.name != "default")
    yield from (e.id for e in _endpoints(backend) if e.vpc_id == vpc_id)


def _users_of_parameters(backend: Any, db_parameter_group_name: str) -> Iterator[str]:
    for database in backend.databases.values():
        if database.db_parameter_group_name == db_parameter_group_name:
            yield database.db_instance_identifier


def _users_of_subnet_group(backend: Any, subnet_name: str) -> Iterator[str]:
    for database in backend.databases.values():
        if database._db_subnet_group_name == subnet_name:  # noqa: SLF001 - moto's own property can only be written
            yield database.db_instance_identifier


def _instances(backend: Any) -> Iterator[Any]:
    return (i for i in backend.all_instances() if i.state not in _GONE)


def _endpoints(backend: Any) -> Iterator[Any]:
    return (e for e in backend.vpc_end_points.values() if e.state not in _GONE)


def _balancers(backend: Any) -> list[Any]:
    return list(elbv2_backends[backend.account_id][backend.region_name].load_balancers.values())


def _databases(backend: Any) -> list[Any]:
    return list(rds_backends[backend.account_id][backend.region_name].databases.values())
