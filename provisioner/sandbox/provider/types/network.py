"""VPC, subnets, internet gateway."""

from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props
from provisioner.sandbox.provider.resource import Adopt, resource
from provisioner.sandbox.provider.types import ec2
from provisioner.sandbox.provider.types.common import fields, params, tag_map

_DNS = {"enableDnsSupport": "enable_dns_support", "enableDnsHostnames": "enable_dns_hostnames"}


def _make_vpc(call: Call, wanted: Props) -> str:
    answer = call.once(
        "ec2",
        "create_vpc",
        **params(wanted, "cidrBlock instanceTenancy"),
        TagSpecifications=ec2.specification("vpc", wanted),
    )
    return str(answer["Vpc"]["VpcId"])


def _read_vpc(call: Call, vpc: str, _known: Props) -> Props | None:
    found = call.one("ec2", "describe_vpcs", "Vpcs", VpcIds=[vpc])
    if found is None:
        return None
    owner = found.get("OwnerId", "")
    state = fields(found, "cidrBlock instanceTenancy ownerId dhcpOptionsId")
    for key in _DNS:
        attribute = key[0].upper() + key[1:]
        answer = call.api("ec2", "describe_vpc_attribute", VpcId=vpc, Attribute=key)
        state[key] = answer[attribute]["Value"]
    main = _main(call, "describe_route_tables", "RouteTables", "RouteTableId", vpc, "association.main", "true")
    return state | {
        "arn": ec2.arn(call, owner, "vpc", vpc),
        "mainRouteTableId": main,
        "defaultRouteTableId": main,
        "defaultSecurityGroupId": _main(
            call, "describe_security_groups", "SecurityGroups", "GroupId", vpc, "group-name", "default"
        ),
        "defaultNetworkAclId": _main(
            call, "describe_network_acls", "NetworkAcls", "NetworkAclId", vpc, "default", "true"
        ),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _main(call: Call, operation: str, path: str, key: str, vpc: str, name: str, value: str) -> str | None:
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": name, "Values": [value]}]
    found = call.one("ec2", operation, path, Filters=filters)
    return str(found[key]) if found else None


def _update_vpc(call: Call, vpc: str, wanted: Props, changed: frozenset[str]) -> None:
    for key in changed & _DNS.keys():
        value = {"Value": bool(wanted.get(key, key == "enableDnsSupport"))}
        call.api("ec2", "modify_vpc_attribute", VpcId=vpc, **{key[0].upper() + key[1:]: value})


VPC = resource(
    "aws:ec2/vpc:Vpc",
    "cidrBlock instanceTenancy enableDnsSupport enableDnsHostnames",
    required="cidrBlock",
    force_new="cidrBlock instanceTenancy",
    defaults={"enableDnsSupport": True, "instanceTenancy": "default"},
    make=_make_vpc,
    read=_read_vpc,
    update=_update_vpc,
    delete=lambda call, vpc, _state: call.api("ec2", "delete_vpc", VpcId=vpc),
    retag=ec2.retag,
    adopt=Adopt(tagged=ec2.tagged("describe_vpcs", "Vpcs", "VpcId")),
)


def _make_subnet(call: Call, wanted: Props) -> str:
    answer = call.once(
        "ec2",
        "create_subnet",
        **params(wanted, "vpcId cidrBlock availabilityZone availabilityZoneId"),
        TagSpecifications=ec2.specification("subnet", wanted),
    )
    return str(answer["Subnet"]["SubnetId"])


def _read_subnet(call: Call, subnet: str, _known: Props) -> Props | None:
    found = call.one("ec2", "describe_subnets", "Subnets", SubnetIds=[subnet])
    if found is None:
        return None
    return fields(found, "vpcId cidrBlock availabilityZone availabilityZoneId mapPublicIpOnLaunch ownerId") | {
        "arn": found.get("SubnetArn") or ec2.arn(call, found.get("OwnerId", ""), "subnet", subnet),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _update_subnet(call: Call, subnet: str, wanted: Props, _changed: frozenset[str]) -> None:
    value = {"Value": bool(wanted.get("mapPublicIpOnLaunch"))}
    call.api("ec2", "modify_subnet_attribute", SubnetId=subnet, MapPublicIpOnLaunch=value)


SUBNET = resource(
    "aws:ec2/subnet:Subnet",
    "vpcId cidrBlock availabilityZone availabilityZoneId mapPublicIpOnLaunch",
    required="vpcId cidrBlock",
    force_new="vpcId cidrBlock availabilityZone availabilityZoneId",
    defaults={"mapPublicIpOnLaunch": False},
    computed="availabilityZone availabilityZoneId",
    make=_make_subnet,
    read=_read_subnet,
    update=_update_subnet,
    delete=lambda call, subnet, _state: call.api("ec2", "delete_subnet", SubnetId=subnet),
    retag=ec2.retag,
    adopt=Adopt(tagged=ec2.tagged("describe_subnets", "Subnets", "SubnetId")),
)


def _make_gateway(call: Call, wanted: Props) -> str:
    tags = ec2.specification("internet-gateway", wanted)
    answer = call.once("ec2", "create_internet_gateway", TagSpecifications=tags)
    return str(answer["InternetGateway"]["InternetGatewayId"])


def _read_gateway(call: Call, gateway: str, _known: Props) -> Props | None:
    found = call.one("ec2", "describe_internet_gateways", "InternetGateways", InternetGatewayIds=[gateway])
    if found is None:
        return None
    return {
        "vpcId": _attached(found),
        "ownerId": found.get("OwnerId"),
        "arn": ec2.arn(call, found.get("OwnerId", ""), "internet-gateway", gateway),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _attached(gateway: dict[str, Any]) -> str | None:
    return next((str(a["VpcId"]) for a in gateway.get("Attachments") or ()), None)


def _update_gateway(call: Call, gateway: str, wanted: Props, _changed: frozenset[str]) -> None:
    _detach(call, gateway, keep=wanted.get("vpcId"))
    found = call.one("ec2", "describe_internet_gateways", "InternetGateways", InternetGatewayIds=[gateway])
    if wanted.get("vpcId") and found and _attached(found) is None:
        call.api("ec2", "attach_internet_gateway", InternetGatewayId=gateway, VpcId=wanted["vpcId"])


def _detach(call: Call, gateway: str, keep: str | None = None) -> None:
    found = call.one("ec2", "describe_internet_gateways", "InternetGateways", InternetGatewayIds=[gateway])
    vpc = _attached(found) if found else None
    if vpc and vpc != keep:
        call.api("ec2", "detach_internet_gateway", InternetGatewayId=gateway, VpcId=vpc)


def _delete_gateway(call: Call, gateway: str, _state: Props) -> None:
    _detach(call, gateway)
    call.api("ec2", "delete_internet_gateway", InternetGatewayId=gateway)


GATEWAY = resource(
    "aws:ec2/internetGateway:InternetGateway",
    "vpcId",
    make=_make_gateway,
    read=_read_gateway,
    update=_update_gateway,
    delete=_delete_gateway,
    retag=ec2.retag,
    adopt=Adopt(tagged=ec2.tagged("describe_internet_gateways", "InternetGateways", "InternetGatewayId")),
)

TYPES = (VPC, SUBNET, GATEWAY)
