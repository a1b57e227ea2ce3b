"""What is still there of a tenant, asked of each service itself.

The Resource Groups Tagging API would be one call, but it lags behind for minutes after a delete, leaves out some types
(IAM roles, Elastic IPs in some regions), and an offboarding that trusts it would lie.

A name that only begins like the tenant's proves nothing (`acme-b` is another tenant): there the tag decides.
"""

from collections.abc import Iterator, Mapping

from provisioner.cloud.databases import bearing_databases
from provisioner.cloud.lookup.tagged import bears
from provisioner.cloud.machines import bearing_machines
from provisioner.cloud.session import Clients, code_of, translated
from provisioner.cloud.snapshots import snapshots

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


Tags = Mapping[str, str]


def leftovers(clients: Clients, tenant: str, *, stack: str | None = None) -> list[str]:
    """Ids or ARNs of what is still tagged or named for the tenant, sorted; see `ports.Cloud.leftovers`."""
    tags = {"provision:tenant": tenant} | ({"provision:stack": stack} if stack else {})
    found = [*_ec2(clients, tags)]
    found += [d.identifier for d in bearing_databases(clients, tags)]
    found += [s.arn for s in snapshots(clients, tenant) if tags.items() <= s.tags.items()]
    for look in (_backups, _secrets, _log_groups, _alarms, _topics, _balancers, _database_groups, _roles, _policies):
        found += look(clients, tenant, tags)
    found += [*_buckets(clients, tenant, tags), *_keys(clients, tags)]
    if stack is None:  # records in the DNS bear no tags
        found += _names(clients, tenant)
    return sorted(found)


def _ec2(clients: Clients, tags: Tags) -> Iterator[str]:
    yield from (m.id for m in bearing_machines(clients, tags) if m.state != "shutting-down")
    by_tag = [{"Name": f"tag:{k}", "Values": [v]} for k, v in tags.items()]
    for call, listing, key in _EC2_LISTS:
        argument = "Filter" if call == "describe_flow_logs" else "Filters"
        with translated(f"ec2 {call}"):
            answer = getattr(clients["ec2"], call)(**{argument: by_tag})
        yield from (item[key] for item in answer[listing] if bears(item, tags))
    with translated("ec2 describe_nat_gateways"):
        gateways = clients["ec2"].describe_nat_gateways(Filter=by_tag)["NatGateways"]
    yield from (g["NatGatewayId"] for g in gateways if bears(g, tags) and g["State"] not in ("deleting", "deleted"))


def _secrets(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    by_tag = [{"Key": "tag-key", "Values": ["provision:tenant"]}, {"Key": "tag-value", "Values": [tenant]}]
    with translated("secretsmanager ListSecrets"):
        found = clients["secretsmanager"].list_secrets(Filters=by_tag)["SecretList"]
    yield from (s["ARN"] for s in found if bears(s, tags) and not s.get("DeletedDate"))


def _backups(clients: Clients, _tenant: str, tags: Tags) -> Iterator[str]:
    """Automated backups that outlive their database. Those of one that is there go with it."""
    with translated("rds DescribeDBInstanceAutomatedBackups"):
        pages = list(clients["rds"].get_paginator("describe_db_instance_automated_backups").paginate())
    retained = [b for page in pages for b in page["DBInstanceAutomatedBackups"] if b["Status"] == "retained"]
    yield from (b["DBInstanceAutomatedBackupsArn"] for b in retained if bears(b, tags, "TagList"))


def _log_groups(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    """By its own name; of databases beside the first one (`acme-x1y2z3`) by tag, since `acme-b` is another tenant."""
    own = (f"/provision/{tenant}/", f"/aws/rds/instance/{tenant}/")
    logs = clients["logs"]
    for prefix in (*own, f"/aws/rds/instance/{tenant}-"):
        with translated("logs DescribeLogGroups"):
            pages = list(logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix))
        for group in (g for page in pages for g in page["logGroups"]):
            if prefix in own and len(tags) == 1:
                yield group["logGroupName"]
                continue
            with translated("logs ListTagsForResource"):
                theirs = logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"]
            if tags.items() <= theirs.items():
                yield group["logGroupName"]


def _names(clients: Clients, tenant: str) -> Iterator[str]:
    """Records of `acme.DOMAIN` and of what is below it, in every public zone: their ids as Pulumi has them."""
    route53 = clients["route53"]
    with translated("route53 ListHostedZones"):
        pages = list(route53.get_paginator("list_hosted_zones").paginate())
    for zone in (z for page in pages for z in page["HostedZones"] if not z["Config"]["PrivateZone"]):
        zone_id, name = zone["Id"].rpartition("/")[2], f"{tenant}.{zone['Name']}"
        with translated("route53 ListResourceRecordSets"):
            records = route53.get_paginator("list_resource_record_sets")
            for page in records.paginate(HostedZoneId=zone_id, StartRecordName=name):
                found = page["ResourceRecordSets"]
                own = [r for r in found if r["Name"] == name or r["Name"].endswith(f".{name}")]
                yield from (f"{zone_id}_{r['Name'].rstrip('.')}_{r['Type']}" for r in own)
                if found and not _backwards(found[-1]["Name"]).startswith(_backwards(name)):
                    break  # records come ordered by their names read backwards


def _backwards(name: str) -> str:
    return ".".join(reversed(name.rstrip(".").split(".")))


def _alarms(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    with translated("cloudwatch DescribeAlarms"):
        alarms = clients["cloudwatch"].describe_alarms(AlarmNamePrefix=f"provision-{tenant}-")["MetricAlarms"]
    for arn in (a["AlarmArn"] for a in alarms):
        with translated("cloudwatch ListTagsForResource"):
            answer = clients["cloudwatch"].list_tags_for_resource(ResourceARN=arn)
        if bears(answer, tags):
            yield arn


def _topics(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    with translated("sns ListTopics"):
        pages = list(clients["sns"].get_paginator("list_topics").paginate())
    for arn in (t["TopicArn"] for page in pages for t in page["Topics"] if f":provision-{tenant}-" in t["TopicArn"]):
        with translated("sns ListTagsForResource"):
            answer = clients["sns"].list_tags_for_resource(ResourceArn=arn)
        if bears(answer, tags):
            yield arn


def _balancers(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    """Balancers and target groups bear the tenant's id as their name; one of that name is the tenant's or nobody's."""
    elb = clients["elbv2"]
    for call, listing, key, missing in (
        ("describe_load_balancers", "LoadBalancers", "LoadBalancerArn", "LoadBalancerNotFoundException"),
        ("describe_target_groups", "TargetGroups", "TargetGroupArn", "TargetGroupNotFoundException"),
    ):
        with translated(f"elbv2 {call}"):
            try:
                arns = [item[key] for item in getattr(elb, call)(Names=[tenant])[listing]]
            except getattr(elb.exceptions, missing):
                continue
            described = elb.describe_tags(ResourceArns=arns)["TagDescriptions"] if len(tags) > 1 else []
            other = {d["ResourceArn"] for d in described if not bears(d, tags)}
            yield from (arn for arn in arns if arn not in other)


def _database_groups(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    rds = clients["rds"]
    for call, listing, key in (
        ("describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupArn"),
        ("describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupArn"),
    ):
        with translated(f"rds {call}"):
            pages = list(rds.get_paginator(call).paginate())
        name = key.replace("Arn", "Name")
        for group in (g for page in pages for g in page[listing] if f"{g[name]}-".startswith(f"{tenant}-")):
            with translated("rds ListTagsForResource"):
                answer = rds.list_tags_for_resource(ResourceName=group[key])
            if bears(answer, tags, "TagList"):
                yield group[key]


def _roles(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    iam = clients["iam"]
    prefix = f"provision-{tenant}-"
    with translated("iam ListRoles"):
        roles = [r for page in iam.get_paginator("list_roles").paginate() for r in page["Roles"]]
    for role in (r for r in roles if r["RoleName"].startswith(prefix)):
        with translated("iam ListRoleTags"):
            answer = iam.list_role_tags(RoleName=role["RoleName"])
        if bears(answer, tags):
            yield role["Arn"]


def _policies(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    iam = clients["iam"]
    prefix = f"provision-{tenant}-"
    with translated("iam ListPolicies"):
        found = [p for page in iam.get_paginator("list_policies").paginate(Scope="Local") for p in page["Policies"]]
    for policy in (p for p in found if p["PolicyName"].startswith(prefix)):
        with translated("iam ListPolicyTags"):
            answer = iam.list_policy_tags(PolicyArn=policy["Arn"])
        if bears(answer, tags):
            yield policy["Arn"]


def _keys(clients: Clients, tags: Tags) -> Iterator[str]:
    """Keys that work. One that lost its alias is found by its tags; one that waits for its deletion is not counted."""
    kms = clients["kms"]
    with translated("kms ListKeys"):
        keys = [k["KeyId"] for page in kms.get_paginator("list_keys").paginate() for k in page["Keys"]]
    for key in keys:
        with translated("kms DescribeKey"):
            found = kms.describe_key(KeyId=key)["KeyMetadata"]
            if found["KeyManager"] != "CUSTOMER" or found["KeyState"] == "PendingDeletion":
                continue
            theirs = kms.list_resource_tags(KeyId=key)["Tags"]
        if tags.items() <= {t["TagKey"]: t["TagValue"] for t in theirs}.items():
            yield found["Arn"]


def _buckets(clients: Clients, tenant: str, tags: Tags) -> Iterator[str]:
    s3 = clients["s3"]
    with translated("s3 ListBuckets"):
        names = [b["Name"] for b in s3.list_buckets()["Buckets"]]
    for name in (n for n in names if n.endswith(f"-{tenant}-files")):
        with translated("s3 HeadBucket"):
            try:
                s3.head_bucket(Bucket=name)
                answer = s3.get_bucket_tagging(Bucket=name) if len(tags) > 1 else {}
            except s3.exceptions.ClientError as error:
                if code_of(error) in ("404", "NoSuchBucket", "403", "NoSuchTagSet"):
                    continue
                raise
        if len(tags) == 1 or bears(answer, tags, "TagSet"):
            yield name
