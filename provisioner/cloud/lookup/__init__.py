"""Whether a resource exists whose creation was begun and whose reply was lost, and under which id it can be imported.

Ids are those that `pulumi import` takes (the "Import" section of each type in the documentation of pulumi-aws): the
provider reads a resource without outputs as an import.
"""

from collections.abc import Collection, Mapping
from typing import Any

from provisioner.cloud.lookup import linked, named, tagged
from provisioner.cloud.session import Clients
from provisioner.model.errors import ProvisionError, UnsupportedError

AGAIN: Mapping[str, str] = {
    "aws:acm/certificateValidation:CertificateValidation": "it only waits",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "PutMetricAlarm replaces the alarm of that name",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "the VPC has it already; it is only taken over",
    "aws:ec2/eipAssociation:EipAssociation": "AssociateAddress to the same machine changes nothing",
    "aws:iam/rolePolicy:RolePolicy": "PutRolePolicy replaces the policy of that name",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "AttachRolePolicy of an attached policy changes nothing",
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": "RegisterTargets of a known target changes nothing",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": "a setting of the bucket",
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": "a setting of the bucket",
    "aws:s3/bucketPolicy:BucketPolicy": "a setting of the bucket",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": "a setting of the bucket",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": "a setting of the bucket",
    "aws:s3/bucketVersioning:BucketVersioning": "a setting of the bucket",
    "aws:sns/topic:Topic": "CreateTopic gives back the topic of that name",
    "aws:sns/topicPolicy:TopicPolicy": "a setting of the topic",
}
"""Types that need no lookup: making them again changes nothing, and why."""


def find(
    clients: Clients, type_: str, inputs: Mapping[str, Any], tags: Mapping[str, str], known: Collection[str]
) -> str | None:
    """The contract is `provisioner.model.ports.Cloud.find`."""
    if type_ in AGAIN:
        return None
    if type_ in tagged.TYPES:
        wanted = {**tags, **{k: v for k, v in (inputs.get("tags") or {}).items() if k == "provision:resource"}}
        if len(wanted) == len(tags):
            raise UnsupportedError(f"a {type_} without the tag provision:resource can't be looked up")
        found = sorted(set(tagged.TYPES[type_](clients, wanted)) - set(known))
        if len(found) > 1:
            raise ProvisionError(
                f"{len(found)} of {type_} carry the tags {wanted}: {', '.join(found)}",
                hint="delete the one that nothing uses, then run the same command again",
            )
        return found[0] if found else None
    look = named.TYPES.get(type_) or linked.TYPES.get(type_)
    if look is None:
        raise UnsupportedError(f"{type_} can't be looked up")
    # A name or a link is there once: what the state has is not what the cut-off creation made.
    return None if known else look(clients, inputs)
