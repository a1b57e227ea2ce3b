"""Elastic IPs, NAT gateways, endpoints of services, flow logs."""

from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, resource
from provisioner.sandbox.provider.types import ec2
from provisioner.sandbox.provider.types.common import fields, params, refuse, tag_map

_PORT_TAG = "sandbox:port"


def _address(call: Call, allocation: str) -> dict[str, Any] | None:
    return call.one("ec2", "describe_addresses", "Addresses", AllocationIds=[allocation])


def _make_eip(call: Call, wanted: Props) -> str:
    tags = ec2.specification("elastic-ip", wanted)
    return str(call.once("ec2", "allocate_address", Domain="vpc", TagSpecifications=tags)["AllocationId"])


def _read_eip(call: Call, allocation: str, _known: Props) -> Props | None:
    found = _address(call, allocation)
    if found is None:
        return None
    tags = tag_map(found.get("Tags"))
    public = found["PublicIp"]
    return fields(found, "domain publicIp allocationId associationId privateIp=PrivateIpAddress") | {
        # The address itself is reachable; where the host has one address only, the daemon's tag says at which port.
        "publicDns": f"{public}:{tags[_PORT_TAG]}" if _PORT_TAG in tags else public,
        "arn": ec2.arn(call, call.account, "elastic-ip", allocation),
        "tagsAll": tags,
    }


def _release(call: Call, allocation: str, _state: Props) -> None:
    found = _address(call, allocation)
    if found and found.get("AssociationId"):
        call.api("ec2", "disassociate_address", AssociationId=found["AssociationId"])
    call.api("ec2", "release_address", AllocationId=allocation)


def _only_vpc(inputs: Props) -> list[str]:
    return [] if inputs.get("domain") == "vpc" else ["an address has the domain 'vpc'"]


EIP = resource(
    "aws:ec2/eip:Eip",
    "domain",
    force_new="domain",
    defaults={"domain": "vpc"},
    make=_make_eip,
    read=_read_eip,
    delete=_release,
    complete=_only_vpc,
    retag=ec2.retag,
    adopt=Adopt(tagged=ec2.tagged("describe_addresses", "Addresses", "AllocationId")),
)


def _associate(call: Call, wanted: Props) -> str:
    found = _address(call, wanted["allocationId"])
    if found and found.get("AssociationId") and found.get("InstanceId") == wanted["instanceId"]:
        return str(found["AssociationId"])
    answer = call.once(
        "ec2", "associate_address", **params(wanted, "allocationId instanceId allowReassociation privateIpAddress")
    )
    return str(answer["AssociationId"])


def _read_association(call: Call, association: str, _known: Props) -> Props | None:
    filters = [{"Name": "association-id", "Values": [association]}]
    found = call.one("ec2", "describe_addresses", "Addresses", Filters=filters)
    if found is None:
        return None
    return fields(found, "allocationId instanceId publicIp privateIpAddress networkInterfaceId")


ASSOCIATION = resource(
    "aws:ec2/eipAssociation:EipAssociation",
    "allocationId instanceId allowReassociation privateIpAddress",
    required="allocationId instanceId",
    force_new="allocationId instanceId privateIpAddress",
    computed="allowReassociation privateIpAddress",
    make=_associate,
    read=_read_association,
    delete=lambda call, association, _state: call.api("ec2", "disassociate_address", AssociationId=association),
)


def _nat_alive(item: Mapping[str, Any]) -> bool:
    return item.get("State") not in ("deleted", "deleting", "failed")


def _nat(call: Call, gateway: str) -> dict[str, Any] | None:
    found = call.one("ec2", "describe_nat_gateways", "NatGateways", NatGatewayIds=[gateway])
    return found if found and _nat_alive(found) else None


def _make_nat(call: Call, wanted: Props) -> str:
    answer = call.once(
        "ec2",
        "create_nat_gateway",
        **params(wanted, "subnetId allocationId connectivityType"),
        TagSpecifications=ec2.specification("natgateway", wanted),
    )
    return str(answer["NatGateway"]["NatGatewayId"])


def _read_nat(call: Call, gateway: str, _known: Props) -> Props | None:
    found = _nat(call, gateway)
    if found is None:
        return None
    address: dict[str, Any] = next(iter(found.get("NatGatewayAddresses") or ()), {})
    return fields(found, "subnetId connectivityType vpcId") | {
        **fields(address, "allocationId publicIp privateIp associationId networkInterfaceId"),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _nat_ready(call: Call, gateway: str, _wanted: Props) -> None:
    def available() -> bool | None:
        found = _nat(call, gateway)
        if found is None:
            raise refuse(f"{gateway} failed to start")
        return True if found["State"] == "available" else None

    call.poll(f"{gateway} to be available", available)


def _delete_nat(call: Call, gateway: str, state: Props) -> None:
    call.api("ec2", "delete_nat_gateway", NatGatewayId=gateway)
    call.poll(f"{gateway} to be deleted", lambda: True if _gone(call, gateway) else None)
    address = _address(call, state["allocationId"]) if state.get("allocationId") else None
    if address and address.get("AssociationId") and not address.get("InstanceId"):
        # AWS frees the address with the gateway; moto keeps it, and the next gateway couldn't have it.
        call.api("ec2", "disassociate_address", AssociationId=address["AssociationId"])


def _gone(call: Call, gateway: str) -> bool:
    found = call.one("ec2", "describe_nat_gateways", "NatGateways", NatGatewayIds=[gateway])
    return found is None or found["State"] == "deleted"


NAT = resource(
    "aws:ec2/natGateway:NatGateway",
    "subnetId allocationId connectivityType",
    required="subnetId",
    force_new="subnetId allocationId connectivityType",
    defaults={"connectivityType": "public"},
    make=_make_nat,
    read=_read_nat,
    ready=_nat_ready,
    delete=_delete_nat,
    retag=ec2.retag,
    adopt=Adopt(
        tagged=ec2.tagged("describe_nat_gateways", "NatGateways", "NatGatewayId", filters="Filter", alive=_nat_alive)
    ),
)

_LISTS = {"routeTableIds": "RouteTableIds", "subnetIds": "SubnetIds", "securityGroupIds": "SecurityGroupIds"}


def _endpoint_alive(item: Mapping[str, Any]) -> bool:
    return str(item.get("State")).lower() not in ("deleted", "deleting", "failed")


def _make_endpoint(call: Call, wanted: Props) -> str:
    names = "vpcId serviceName vpcEndpointType privateDnsEnabled policy=PolicyDocument " + " ".join(_LISTS)
    tags = ec2.specification("vpc-endpoint", wanted)
    answer = call.once("ec2", "create_vpc_endpoint", **params(wanted, names), TagSpecifications=tags)
    return str(answer["VpcEndpoint"]["VpcEndpointId"])


def _read_endpoint(call: Call, endpoint: str, _known: Props) -> Props | None:
    found = call.one("ec2", "describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[endpoint])
    if found is None or not _endpoint_alive(found):
        return None
    prefixes = call.one(
        "ec2",
        "describe_prefix_lists",
        "PrefixLists",
        Filters=[{"Name": "prefix-list-name", "Values": [found["ServiceName"]]}],
    )
    return fields(found, "vpcId serviceName vpcEndpointType privateDnsEnabled policy=PolicyDocument ownerId") | {
        "routeTableIds": found.get("RouteTableIds") or [],
        "subnetIds": found.get("SubnetIds") or [],
        "securityGroupIds": [g["GroupId"] for g in found.get("Groups") or ()],
        "networkInterfaceIds": found.get("NetworkInterfaceIds") or [],
        "dnsEntries": [fields(e, "dnsName hostedZoneId") for e in found.get("DnsEntries") or ()],
        "prefixListId": prefixes and prefixes["PrefixListId"],
        "cidrBlocks": (prefixes or {}).get("Cidrs") or [],
        "state": str(found.get("State")).lower(),
        "arn": ec2.arn(call, found.get("OwnerId") or call.account, "vpc-endpoint", endpoint),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _update_endpoint(call: Call, endpoint: str, wanted: Props, changed: frozenset[str]) -> None:
    have = _read_endpoint(call, endpoint, wanted) or {}
    change: dict[str, Any] = {}
    for key in changed & _LISTS.keys():
        old, new = set(have.get(key) or ()), set(wanted.get(key) or ())
        change[f"Add{_LISTS[key]}"] = sorted(new - old) or None
        change[f"Remove{_LISTS[key]}"] = sorted(old - new) or None
    if "policy" in changed:
        change |= {"PolicyDocument": wanted["policy"]} if wanted.get("policy") else {"ResetPolicy": True}
    if "privateDnsEnabled" in changed:
        change["PrivateDnsEnabled"] = bool(wanted.get("privateDnsEnabled"))
    call.api("ec2", "modify_vpc_endpoint", VpcEndpointId=endpoint, **change)


def _delete_endpoint(call: Call, endpoint: str, _state: Props) -> None:
    try:
        call.api("ec2", "delete_vpc_endpoints", VpcEndpointIds=[endpoint])
    except AwsError as error:
        found = _read_endpoint(call, endpoint, {})
        if error.code != "InvalidRoute.NotFound" or found is None:
            raise
        # Moto stops at a route that went with its table or another endpoint: without tables it has none to look for.
        tables = found["routeTableIds"]
        call.api("ec2", "modify_vpc_endpoint", VpcEndpointId=endpoint, RemoveRouteTableIds=tables)
        call.api("ec2", "delete_vpc_endpoints", VpcEndpointIds=[endpoint])


ENDPOINT = resource(
    "aws:ec2/vpcEndpoint:VpcEndpoint",
    "vpcId serviceName vpcEndpointType privateDnsEnabled policy " + " ".join(_LISTS),
    required="vpcId serviceName",
    force_new="vpcId serviceName vpcEndpointType",
    defaults={"vpcEndpointType": "Gateway"},
    sets=" ".join(_LISTS),
    computed="policy privateDnsEnabled securityGroupIds subnetIds",
    documents="policy",
    make=_make_endpoint,
    read=_read_endpoint,
    update=_update_endpoint,
    delete=_delete_endpoint,
    retag=ec2.retag,
    adopt=Adopt(tagged=ec2.tagged("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", alive=_endpoint_alive)),
)

_WATCHED = {"vpcId": "VPC", "subnetId": "Subnet", "eniId": "NetworkInterface"}
_FLOW = "trafficType logDestination logDestinationType logFormat maxAggregationInterval"


def _make_flow_log(call: Call, wanted: Props) -> str:
    key = next(k for k in _WATCHED if wanted.get(k))
    answer = call.once(
        "ec2",
        "create_flow_logs",
        ResourceIds=[wanted[key]],
        ResourceType=_WATCHED[key],
        **params(wanted, f"{_FLOW} iamRoleArn=DeliverLogsPermissionArn"),
        TagSpecifications=ec2.specification("vpc-flow-log", wanted),
    )
    for failure in answer.get("Unsuccessful") or ():
        raise refuse(f"ec2 create_flow_logs: {failure['Error']['Code']}: {failure['Error']['Message']}")
    return str(answer["FlowLogIds"][0])


def _read_flow_log(call: Call, flow_log: str, _known: Props) -> Props | None:
    found = call.one("ec2", "describe_flow_logs", "FlowLogs", FlowLogIds=[flow_log])
    if found is None:
        return None
    watched = str(found["ResourceId"])
    key = {"vpc": "vpcId", "subnet": "subnetId", "eni": "eniId"}[watched.partition("-")[0]]
    return fields(found, f"{_FLOW} iamRoleArn=DeliverLogsPermissionArn") | {
        key: watched,
        "arn": ec2.arn(call, call.account, "vpc-flow-log", flow_log),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _check_flow_log(inputs: Props) -> list[str]:
    watched = sum(bool(inputs.get(key)) for key in _WATCHED)
    return [] if watched == 1 else [f"a flow log needs exactly one of {', '.join(_WATCHED)}"]


FLOW_LOG = resource(
    "aws:ec2/flowLog:FlowLog",
    f"vpcId subnetId eniId iamRoleArn {_FLOW}",
    required="logDestination",
    force_new=f"vpcId subnetId eniId iamRoleArn {_FLOW}",
    defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600, "trafficType": "ALL"},
    computed="logFormat",
    make=_make_flow_log,
    read=_read_flow_log,
    delete=lambda call, flow_log, _state: call.api("ec2", "delete_flow_logs", FlowLogIds=[flow_log]),
    complete=_check_flow_log,
    retag=ec2.retag,
    delete_before_replace=True,
    adopt=Adopt(
        tagged=ec2.tagged("describe_flow_logs", "FlowLogs", "FlowLogId", filters="Filter"),
    ),
)

TYPES = (EIP, ASSOCIATION, NAT, ENDPOINT, FLOW_LOG)
