"""What is still there of a tenant, asked of each service itself.

The Resource Groups Tagging API would be one call, but it lags behind for minutes after a delete, leaves out some types
(IAM roles, Elastic IPs in some regions), and an offboarding that trusts it would lie.
"""

from collections.abc import Iterator
from typing import Any

from provisioner.cloud.databases import databases
from provisioner.cloud.lookup.tagged import bears
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
        yield from (item[key] for item in answer[listing] if bears(item, {"provision:tenant": tenant}))
    with translated("ec2 describe_nat_gateways"):
        gateways = clients["ec2"].describe_nat_gateways(Filter=by_tag)["NatGateways"]
    bearing = [g for g in gateways if bears(g, {"provision:tenant": tenant})]
    yield from (g["NatGatewayId"] for g in bearing if g["State"] not in ("deleting", "deleted"))


def _rest(clients: Clients, tenant: str) -> Iterator[str]:
    yield from (d.identifier for d in databases(clients, tenant))
    yield from _secrets(clients, tenant)
    yield from _log_groups(clients, tenant)
    yield from _buckets(clients, tenant)
    for look in (_alarms, _topics, _balancers, _database_groups, _roles, _keys):
        yield from look(clients, tenant)


def _secrets(clients: Clients, tenant: str) -> Iterator[str]:
    by_tag = [{"Key": "tag-key", "Values": ["provision:tenant"]}, {"Key": "tag-value", "Values": [tenant]}]
    with translated("secretsmanager ListSecrets"):
        found = clients["secretsmanager"].list_secrets(Filters=by_tag)["SecretList"]
    yield from (s["ARN"] for s in found if _is_of(s.get("Tags", []), tenant) and not s.get("DeletedDate"))


def _log_groups(clients: Clients, tenant: str) -> Iterator[str]:
    prefixes = (f"/provision/{tenant}/", f"/aws/rds/instance/{tenant}/")
    for prefix in prefixes:
        with translated("logs DescribeLogGroups"):
            groups = clients["logs"].describe_log_groups(logGroupNamePrefix=prefix)["logGroups"]
        yield from (g["logGroupName"] for g in groups)


def _alarms(clients: Clients, tenant: str) -> Iterator[str]:
    with translated("cloudwatch DescribeAlarms"):
        alarms = clients["cloudwatch"].describe_alarms(AlarmNamePrefix=f"provision-{tenant}-")["MetricAlarms"]
    for arn in (a["AlarmArn"] for a in alarms):
        with translated("cloudwatch ListTagsForResource"):
            tags = clients["cloudwatch"].list_tags_for_resource(ResourceARN=arn)["Tags"]
        if _is_of(tags, tenant):
            yield arn


def _topics(clients: Clients, tenant: str) -> Iterator[str]:
    with translated("sns ListTopics"):
        pages = list(clients["sns"].get_paginator("list_topics").paginate())
    for arn in (t["TopicArn"] for page in pages for t in page["Topics"] if f":provision-{tenant}-" in t["TopicArn"]):
        with translated("sns ListTagsForResource"):
            tags = clients["sns"].list_tags_for_resource(ResourceArn=arn)["Tags"]
        if _is_of(tags, tenant):
            yield arn


def _balancers(clients: Clients, tenant: str) -> Iterator[str]:
    """Balancers and target groups bear the tenant's id as their name; one of that name is the tenant's or nobody's."""
    elb = clients["elbv2"]
    for call, listing, key, missing in (
        ("describe_load_balancers", "LoadBalancers", "LoadBalancerArn", "LoadBalancerNotFoundException"),
        ("describe_target_groups", "TargetGroups", "TargetGroupArn", "TargetGroupNotFoundException"),
    ):
        with translated(f"elbv2 {call}"):
            try:
                yield from (item[key] for item in getattr(elb, call)(Names=[tenant])[listing])
            except getattr(elb.exceptions, missing):
                continue


def _database_groups(clients: Clients, tenant: str) -> Iterator[str]:
    rds = clients["rds"]
    for call, listing, key in (
        ("describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupArn"),
        ("describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupArn"),
    ):
        with translated(f"rds {call}"):
            pages = list(rds.get_paginator(call).paginate())
        name = key.replace("Arn", "Name")
        for group in (g for page in pages for g in page[listing] if tenant in g[name]):
            with translated("rds ListTagsForResource"):
                tags = rds.list_tags_for_resource(ResourceName=group[key])["TagList"]
            if _is_of(tags, tenant):
                yield group[key]


def _roles(clients: Clients, tenant: str) -> Iterator[str]:
    iam, prefix = clients["iam"], f"provision-{tenant}-"
    with translated("iam ListRoles"):
        roles = [r for page in iam.get_paginator("list_roles").paginate() for r in page["Roles"]]
        policies = [p for page in iam.get_paginator("list_policies").paginate(Scope="Local") for p in page["Policies"]]
    for role in (r for r in roles if r["RoleName"].startswith(prefix)):
        with translated("iam ListRoleTags"):
            tags = iam.list_role_tags(RoleName=role["RoleName"])["Tags"]
        if _is_of(tags, tenant):
            yield role["Arn"]
    for policy in (p for p in policies if p["PolicyName"].startswith(prefix)):
        with translated("iam ListPolicyTags"):
            tags = iam.list_policy_tags(PolicyArn=policy["Arn"])["Tags"]
        if _is_of(tags, tenant):
            yield policy["Arn"]


def _keys(clients: Clients, tenant: str) -> Iterator[str]:
    """Keys that work. One that lost its alias is found by its tags; one that waits for its deletion is not counted."""
    kms = clients["kms"]
    with translated("kms ListKeys"):
        keys = [k["KeyId"] for page in kms.get_paginator("list_keys").paginate() for k in page["Keys"]]
    for key in keys:
        with translated("kms DescribeKey"):
            found = kms.describe_key(KeyId=key)["KeyMetadata"]
            if found["KeyManager"] != "CUSTOMER" or found["KeyState"] == "PendingDeletion":
                continue
            tags = kms.list_resource_tags(KeyId=key)["Tags"]
        if _is_of([{"Key": t["TagKey"], "Value": t["TagValue"]} for t in tags], tenant):
            yield found["Arn"]


def _is_of(tags: list[dict[str, Any]], tenant: str) -> bool:
    return {"Key": "provision:tenant", "Value": tenant} in tags


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
