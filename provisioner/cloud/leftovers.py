"""What is still there of a tenant, asked of each service itself.

The Resource Groups Tagging API would be one call, but it lags behind for minutes after a delete, leaves out some types
(IAM roles, Elastic IPs in some regions), and an offboarding that trusts it would lie.
"""

from collections.abc import Iterator
from typing import Any

from provisioner.cloud.databases import databases
from provisioner.cloud.machines import machines
from provisioner.cloud.session import Clients, code_of, translated

_EC2_LISTS = (
    ("describe_vpcs", "Vpcs", "VpcId"),
    ("describe_subnets", "Subnets", "SubnetId"),
    ("describe_security_groups", "SecurityGroups", "GroupId"),
    ("describe_route_tables", "RouteTables", "RouteTableId"),
    ("describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
    ("describe_addresses", "Addresses", "AllocationId"),
    ("describe_volumes", "Volumes", "VolumeId"),
    ("describe_flow_logs", "FlowLogs", "FlowLogId"),
)


def leftovers(clients: Clients, tenant: str) -> list[str]:
    """Ids or ARNs of what is still tagged or named for the tenant, sorted. Keys that wait for deletion don't count."""
    return sorted([*_ec2(clients, tenant), *_rest(clients, tenant)])


def _ec2(clients: Clients, tenant: str) -> Iterator[str]:
    yield from (m.id for m in machines(clients, tenant) if m.state != "shutting-down")
    by_tag = [{"Name": "tag:provision:tenant", "Values": [tenant]}]
    for call, listing, key in _EC2_LISTS:
        argument = "Filter" if call == "describe_flow_logs" else "Filters"
        with translated(f"ec2 {call}"):
            answer = getattr(clients["ec2"], call)(**{argument: by_tag})
        yield from (item[key] for item in answer[listing])
    with translated("ec2 describe_nat_gateways"):
        gateways = clients["ec2"].describe_nat_gateways(Filter=by_tag)["NatGateways"]
    yield from (g["NatGatewayId"] for g in gateways if g["State"] not in ("deleting", "deleted"))


def _rest(clients: Clients, tenant: str) -> Iterator[str]:
    yield from (d.identifier for d in databases(clients, tenant))
    yield from _secrets(clients, tenant)
    yield from _log_groups(clients, tenant)
    yield from _alarms(clients, tenant)
    yield from _buckets(clients, tenant)


def _secrets(clients: Clients, tenant: str) -> Iterator[str]:
    by_tag = [{"Key": "tag-key", "Values": ["provision:tenant"]}, {"Key": "tag-value", "Values": [tenant]}]
    with translated("secretsmanager ListSecrets"):
        found = clients["secretsmanager"].list_secrets(Filters=by_tag)["SecretList"]
    exact = {"Key": "provision:tenant", "Value": tenant}
    yield from (s["ARN"] for s in found if exact in s.get("Tags", []) and not s.get("DeletedDate"))


def _log_groups(clients: Clients, tenant: str) -> Iterator[str]:
    prefixes = (f"/provision/{tenant}/", f"/aws/rds/instance/{tenant}/")
    for prefix in prefixes:
        with translated("logs DescribeLogGroups"):
            groups = clients["logs"].describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        yield from (g["logGroupName"] for g in groups)


def _alarms(clients: Clients, tenant: str) -> Iterator[str]:
    with translated("cloudwatch DescribeAlarms"):
        alarms = clients["cloudwatch"].describe_alarms(AlarmNamePrefix=f"provision-{tenant}-")["MetricAlarms"]
    yield from (a["AlarmArn"] for a in alarms if _owner(clients, a["AlarmArn"]) == tenant)


def _owner(clients: Clients, arn: str) -> str | None:
    with translated("cloudwatch ListTagsForResource"):
        tags: list[dict[str, Any]] = clients["cloudwatch"].list_tags_for_resource(ResourceARN=arn)["Tags"]
    return next((t["Value"] for t in tags if t["Key"] == "provision:tenant"), None)


def _buckets(clients: Clients, tenant: str) -> Iterator[str]:
    with translated("s3 ListBuckets"):
        names = [b["Name"] for b in clients["s3"].list_buckets()["Buckets"]]
    for name in (n for n in names if n.endswith(f"-{tenant}-files")):
        with translated("s3 HeadBucket"):
            try:
                clients["s3"].head_bucket(Bucket=name)
            except clients["s3"].exceptions.ClientError as error:
                if code_of(error) in ("404", "NoSuchBucket", "403"):
                    continue
                raise
        yield name
