"""Resources that bear the tags of their stack and of their name in it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from provisioner.cloud.session import Clients, translated

Tags = Mapping[str, str]
_GONE = frozenset({"terminated", "shutting-down", "deleted", "deleting", "failed"})


def bears(item: Mapping[str, Any], tags: Tags, listing: str = "Tags") -> bool:
    """Whether an item of an answer bears the tags, whatever the service made of the filter that it was given.

    An unknown or ignored filter answers with everything of the account, and what is found here gets imported or
    deleted: another tenant's must never pass.
    """
    return tags.items() <= {t["Key"]: t["Value"] for t in item.get(listing, [])}.items()


def _ec2(
    call: str, listing: str, key: str, *, state: str | None = None, where: str = "Filters"
) -> Callable[[Clients, Tags], list[str]]:
    """One of EC2's lists. `state`: the field that says whether the thing is gone."""

    def look(clients: Clients, tags: Tags) -> list[str]:
        by_tag = [{"Name": f"tag:{k}", "Values": [v]} for k, v in tags.items()]
        with translated(f"ec2 {call}"):
            items = _pages(clients["ec2"], call, listing, **{where: by_tag})
        bearing = [i for i in items if bears(i, tags)]
        return [i[key] for i in bearing if state is None or str(i[state]).lower() not in _GONE]

    return look


def _pages(client: Any, call: str, listing: str, **words: Any) -> list[Any]:
    if not client.can_paginate(call):
        return list(getattr(client, call)(**words)[listing])
    return [item for page in client.get_paginator(call).paginate(**words) for item in page[listing]]


def _instances(clients: Clients, tags: Tags) -> Iterator[str]:
    by_tag = [{"Name": f"tag:{k}", "Values": [v]} for k, v in tags.items()]
    with translated("ec2 DescribeInstances"):
        for reservation in _pages(clients["ec2"], "describe_instances", "Reservations", Filters=by_tag):
            bearing = [i for i in reservation["Instances"] if bears(i, tags)]
            yield from (i["InstanceId"] for i in bearing if i["State"]["Name"] not in _GONE)


def _rules(*, egress: bool) -> Callable[[Clients, Tags], Iterator[str]]:
    def look(clients: Clients, tags: Tags) -> Iterator[str]:
        by_tag = [{"Name": f"tag:{k}", "Values": [v]} for k, v in tags.items()]
        with translated("ec2 DescribeSecurityGroupRules"):
            rules = _pages(clients["ec2"], "describe_security_group_rules", "SecurityGroupRules", Filters=by_tag)
        bearing = [r for r in rules if bears(r, tags)]
        yield from (r["SecurityGroupRuleId"] for r in bearing if bool(r["IsEgress"]) is egress)

    return look


def _keys(clients: Clients, tags: Tags) -> Iterator[str]:
    kms = clients["kms"]
    with translated("kms ListKeys"):
        for key in (k["KeyId"] for k in _pages(kms, "list_keys", "Keys")):
            about = kms.describe_key(KeyId=key)["KeyMetadata"]
            if about["KeyManager"] != "CUSTOMER" or about["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
                continue
            found = {t["TagKey"]: t["TagValue"] for t in kms.list_resource_tags(KeyId=key)["Tags"]}
            if tags.items() <= found.items():
                yield key


def _certificates(clients: Clients, tags: Tags) -> Iterator[str]:
    acm = clients["acm"]
    with translated("acm ListCertificates"):
        for arn in (c["CertificateArn"] for c in _pages(acm, "list_certificates", "CertificateSummaryList")):
            found = {t["Key"]: t.get("Value", "") for t in acm.list_tags_for_certificate(CertificateArn=arn)["Tags"]}
            if tags.items() <= found.items():
                yield arn


TYPES: Mapping[str, Callable[[Clients, Tags], Any]] = {
    "aws:acm/certificate:Certificate": _certificates,
    "aws:ec2/eip:Eip": _ec2("describe_addresses", "Addresses", "AllocationId"),
    "aws:ec2/flowLog:FlowLog": _ec2("describe_flow_logs", "FlowLogs", "FlowLogId", where="Filter"),
    "aws:ec2/instance:Instance": _instances,
    "aws:ec2/internetGateway:InternetGateway": _ec2(
        "describe_internet_gateways", "InternetGateways", "InternetGatewayId"
    ),
    "aws:ec2/natGateway:NatGateway": _ec2(
        "describe_nat_gateways", "NatGateways", "NatGatewayId", state="State", where="Filter"
    ),
    "aws:ec2/routeTable:RouteTable": _ec2("describe_route_tables", "RouteTables", "RouteTableId"),
    "aws:ec2/securityGroup:SecurityGroup": _ec2("describe_security_groups", "SecurityGroups", "GroupId"),
    "aws:ec2/subnet:Subnet": _ec2("describe_subnets", "Subnets", "SubnetId"),
    "aws:ec2/vpc:Vpc": _ec2("describe_vpcs", "Vpcs", "VpcId"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _ec2("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId", state="State"),
    "aws:kms/key:Key": _keys,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _rules(egress=True),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _rules(egress=False),
}
