"""Resources of which the account (or the world) can have one of a name, with the tags that say whose it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.errors import ProvisionError

Inputs = Mapping[str, Any]
Item = Mapping[str, Any]
Tags = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Named:
    """The one of a name: its id for an import, and its tags. `own`: known as the stack's by more than tags."""

    id: str
    tags: Tags
    own: bool = False


Look = Callable[[Clients, Inputs], Named | None]
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
    service: str,
    call: str,
    argument: str,
    listing: str,
    key: str,
    tags: Callable[[Clients, Item], Tags],
    name: str = "name",
) -> Look:
    """Ask for the one of that name. `listing`: where the answer has it; `key`: its id there; `name`: the input that
    names it."""

    def look(clients: Clients, inputs: Inputs) -> Named | None:
        from botocore.exceptions import ClientError

        value = inputs[name]
        with translated(f"{service} {call}"):
            try:
                found = getattr(clients[service], call)(**{argument: [value] if argument == "Names" else value})
            except ClientError as error:
                if code_of(error) in _MISSING:
                    return None
                raise
            found = found[listing] if isinstance(found[listing], list) else [found[listing]]
            return Named(str(found[0][key]), tags(clients, found[0])) if found else None

    return look


def _pairs(tags: list[dict[str, str]]) -> Tags:
    return {t["Key"]: t["Value"] for t in tags}


def _borne(_clients: Clients, item: Item) -> Tags:
    return _pairs(item.get("Tags", []))


def _of_balancer(clients: Clients, item: Item) -> Tags:
    arn = item.get("TargetGroupArn") or item["LoadBalancerArn"]
    return _pairs(clients["elbv2"].describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"])


def _of_group(clients: Clients, item: Item) -> Tags:
    arn = item.get("DBParameterGroupArn") or item["DBSubnetGroupArn"]
    return _pairs(clients["rds"].list_tags_for_resource(ResourceName=arn)["TagList"])


def _of_database(_clients: Clients, item: Item) -> Tags:
    if item["DBInstanceStatus"] == "deleting":
        raise ProvisionError(
            f"database {item['DBInstanceIdentifier']} is being deleted, and its name is taken until it is gone",
            hint="wait for that (some minutes), then run the same command again",
        )
    return _pairs(item.get("TagList", []))


def _bucket(clients: Clients, inputs: Inputs) -> Named | None:
    """A bucket of that name in our account: names of buckets are the whole world's.

    It is tagged after it is made. One without any tag and without any content is what a cut-off creation leaves.
    """
    from botocore.exceptions import ClientError

    name, s3 = inputs["bucket"], clients["s3"]
    with translated("s3 ListBuckets"):
        pages = list(s3.get_paginator("list_buckets").paginate(Prefix=name))
    if not any(b["Name"] == name for page in pages for b in page.get("Buckets", [])):
        return None
    with translated("s3 GetBucketTagging"):
        try:
            return Named(name, _pairs(s3.get_bucket_tagging(Bucket=name)["TagSet"]))
        except ClientError as error:
            if code_of(error) != "NoSuchTagSet":
                raise
    with translated("s3 ListObjectVersions"):
        content = s3.list_object_versions(Bucket=name, MaxKeys=1)
    return Named(name, {}, own=not content.get("Versions") and not content.get("DeleteMarkers"))


def _log_group(clients: Clients, inputs: Inputs) -> Named | None:
    name = inputs["name"]
    with translated("logs DescribeLogGroups"):
        pages = clients["logs"].get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
        arn = next((g["arn"] for page in pages for g in page["logGroups"] if g["logGroupName"] == name), None)
    if arn is None:
        return None
    with translated("logs ListTagsForResource"):
        return Named(name, clients["logs"].list_tags_for_resource(resourceArn=arn.removesuffix(":*"))["tags"])


def _alias(clients: Clients, inputs: Inputs) -> Named | None:
    """Aliases bear no tags: ours is the one of our key."""
    name, key = inputs["name"], str(inputs["targetKeyId"]).rpartition("/")[2]
    with translated("kms ListAliases"):
        pages = clients["kms"].get_paginator("list_aliases").paginate()
        found = next((a for page in pages for a in page["Aliases"] if a["AliasName"] == name), None)
    return Named(name, {}, own=found.get("TargetKeyId") == key) if found else None


def _policy(clients: Clients, inputs: Inputs) -> Named | None:
    with translated("iam ListPolicies"):
        pages = clients["iam"].get_paginator("list_policies").paginate(Scope="Local")
        policies = (p for page in pages for p in page["Policies"])
        arn = next((str(p["Arn"]) for p in policies if p["PolicyName"] == inputs["name"]), None)
    if arn is None:
        return None
    with translated("iam ListPolicyTags"):
        return Named(arn, _pairs(clients["iam"].list_policy_tags(PolicyArn=arn)["Tags"]))


def _secret(clients: Clients, inputs: Inputs) -> Named | None:
    from botocore.exceptions import ClientError

    with translated("secretsmanager DescribeSecret"):
        try:
            found = clients["secretsmanager"].describe_secret(SecretId=inputs["name"])
        except ClientError as error:
            if code_of(error) in _MISSING:
                return None
            raise
    return None if found.get("DeletedDate") else Named(str(found["ARN"]), _pairs(found.get("Tags", [])))


TYPES: Mapping[str, Look] = {
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:iam/instanceProfile:InstanceProfile": _one(
        "iam", "get_instance_profile", "InstanceProfileName", "InstanceProfile", "InstanceProfileName", _borne
    ),
    "aws:iam/policy:Policy": _policy,
    "aws:iam/role:Role": _one("iam", "get_role", "RoleName", "Role", "RoleName", _borne),
    "aws:kms/alias:Alias": _alias,
    "aws:lb/loadBalancer:LoadBalancer": _one(
        "elbv2", "describe_load_balancers", "Names", "LoadBalancers", "LoadBalancerArn", _of_balancer
    ),
    "aws:lb/targetGroup:TargetGroup": _one(
        "elbv2", "describe_target_groups", "Names", "TargetGroups", "TargetGroupArn", _of_balancer
    ),
    "aws:rds/instance:Instance": _one(
        "rds",
        "describe_db_instances",
        "DBInstanceIdentifier",
        "DBInstances",
        "DBInstanceIdentifier",
        _of_database,
        name="identifier",
    ),
    "aws:rds/parameterGroup:ParameterGroup": _one(
        "rds",
        "describe_db_parameter_groups",
        "DBParameterGroupName",
        "DBParameterGroups",
        "DBParameterGroupName",
        _of_group,
    ),
    "aws:rds/subnetGroup:SubnetGroup": _one(
        "rds", "describe_db_subnet_groups", "DBSubnetGroupName", "DBSubnetGroups", "DBSubnetGroupName", _of_group
    ),
    "aws:s3/bucket:Bucket": _bucket,
    "aws:secretsmanager/secret:Secret": _secret,
}
