"""Resources of which the account (or the world) can have one of a name."""

from collections.abc import Callable, Mapping
from typing import Any

from provisioner.cloud.session import Clients, code_of, translated

Inputs = Mapping[str, Any]
Look = Callable[[Clients, Inputs], str | None]
_MISSING = frozenset(
    {
        "404",
        "DBInstanceNotFound",
        "DBParameterGroupNotFound",
        "DBSubnetGroupNotFoundFault",
        "LoadBalancerNotFound",
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFoundException",
        "ResourceNotFoundException",
        "TargetGroupNotFound",
    }
)


def _one(
    service: str, call: str, argument: str, path: tuple[Any, ...], *, name: str = "name", many: bool = False
) -> Look:
    """Ask for the one of that name. `path`: from the answer to its id; `name`: the input that names it."""

    def look(clients: Clients, inputs: Inputs) -> str | None:
        from botocore.exceptions import ClientError

        value = inputs[name]
        with translated(f"{service} {call}"):
            try:
                found: Any = getattr(clients[service], call)(**{argument: [value] if many else value})
            except ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise
        for step in path:
            if isinstance(step, int) and len(found) <= step:
                return None
            found = found[step]
        return str(found)

    return look


def _bucket(clients: Clients, inputs: Inputs) -> str | None:
    """A bucket of that name that is ours: names of buckets are the whole world's."""
    name = inputs["bucket"]
    with translated("s3 ListBuckets"):
        pages = clients["s3"].get_paginator("list_buckets").paginate(Prefix=name)
        return name if any(b["Name"] == name for page in pages for b in page.get("Buckets", [])) else None


def _log_group(clients: Clients, inputs: Inputs) -> str | None:
    name = inputs["name"]
    with translated("logs DescribeLogGroups"):
        pages = clients["logs"].get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        return name if any(g["logGroupName"] == name for page in pages for g in page["logGroups"]) else None


def _alias(clients: Clients, inputs: Inputs) -> str | None:
    name = inputs["name"]
    with translated("kms ListAliases"):
        pages = clients["kms"].get_paginator("list_aliases").paginate()
        return name if any(a["AliasName"] == name for page in pages for a in page["Aliases"]) else None


def _policy(clients: Clients, inputs: Inputs) -> str | None:
    with translated("iam ListPolicies"):
        pages = clients["iam"].get_paginator("list_policies").paginate(Scope="Local")
        policies = (p for page in pages for p in page["Policies"])
        return next((str(p["Arn"]) for p in policies if p["PolicyName"] == inputs["name"]), None)


def _secret(clients: Clients, inputs: Inputs) -> str | None:
    from botocore.exceptions import ClientError

    with translated("secretsmanager DescribeSecret"):
        try:
            found = clients["secretsmanager"].describe_secret(SecretId=inputs["name"])
        except ClientError as error:
            if code_of(error) in _MISSING:
                return None
            raise
    return None if found.get("DeletedDate") else str(found["ARN"])


TYPES: Mapping[str, Look] = {
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:iam/instanceProfile:InstanceProfile": _one(
        "iam", "get_instance_profile", "InstanceProfileName", ("InstanceProfile", "InstanceProfileName")
    ),
    "aws:iam/policy:Policy": _policy,
    "aws:iam/role:Role": _one("iam", "get_role", "RoleName", ("Role", "RoleName")),
    "aws:kms/alias:Alias": _alias,
    "aws:lb/loadBalancer:LoadBalancer": _one(
        "elbv2", "describe_load_balancers", "Names", ("LoadBalancers", 0, "LoadBalancerArn"), many=True
    ),
    "aws:lb/targetGroup:TargetGroup": _one(
        "elbv2", "describe_target_groups", "Names", ("TargetGroups", 0, "TargetGroupArn"), many=True
    ),
    "aws:rds/instance:Instance": _one(
        "rds",
        "describe_db_instances",
        "DBInstanceIdentifier",
        ("DBInstances", 0, "DBInstanceIdentifier"),
        name="identifier",
    ),
    "aws:rds/parameterGroup:ParameterGroup": _one(
        "rds", "describe_db_parameter_groups", "DBParameterGroupName", ("DBParameterGroups", 0, "DBParameterGroupName")
    ),
    "aws:rds/subnetGroup:SubnetGroup": _one(
        "rds", "describe_db_subnet_groups", "DBSubnetGroupName", ("DBSubnetGroups", 0, "DBSubnetGroupName")
    ),
    "aws:s3/bucket:Bucket": _bucket,
    "aws:secretsmanager/secret:Secret": _secret,
}
