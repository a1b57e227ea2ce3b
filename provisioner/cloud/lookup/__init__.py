"""Whether a resource exists whose creation was begun and whose reply was lost, and under which id it can be imported.

Ids are those that `pulumi import` takes (the "Import" section of each type in the documentation of pulumi-aws): the
provider reads a resource without outputs as an import.
"""

from collections.abc import Collection, Mapping
from typing import Any

from provisioner.cloud.lookup import linked, named, tagged
from provisioner.cloud.session import Clients
from provisioner.model.errors import ProvisionError, RefusedError, UnsupportedError

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
_RESOURCE = "provision:resource"


def find(
    clients: Clients, type_: str, inputs: Mapping[str, Any], tags: Mapping[str, str], known: Collection[str]
) -> str | None:
    """The contract is `provisioner.model.ports.Cloud.find`."""
    if type_ in AGAIN:
        return None
    wanted = {**tags, **{k: v for k, v in (inputs.get("tags") or {}).items() if k == _RESOURCE}}
    if type_ in tagged.TYPES:
        return _by_tags(clients, type_, wanted, known)
    if type_ not in named.TYPES and type_ not in linked.TYPES:
        raise UnsupportedError(f"{type_} can't be looked up")
    # A name or a link is there once: what the state has is not what the cut-off creation made.
    if known:
        return None
    if type_ in linked.TYPES:
        return linked.TYPES[type_](clients, inputs)
    found = named.TYPES[type_](clients, inputs)
    if found is not None and not found.own:
        _claim(type_, found, wanted)
    return found.id if found else None


def _by_tags(clients: Clients, type_: str, wanted: Mapping[str, str], known: Collection[str]) -> str | None:
    if _RESOURCE not in wanted:
        raise UnsupportedError(f"a {type_} without the tag {_RESOURCE} can't be looked up")
    found = sorted(set(tagged.TYPES[type_](clients, wanted)) - set(known))
    if len(found) > 1:
        raise ProvisionError(
            f"{len(found)} of {type_} carry the tags {wanted}: {', '.join(found)}",
            hint="delete the one that nothing uses, then run the same command again",
        )
    return found[0] if found else None


def _claim(type_: str, found: named.Named, wanted: Mapping[str, str]) -> None:
    """Whatever is taken over will be destroyed with the stack one day: another's of the same name must not be."""
    lacking = {k: v for k, v in wanted.items() if found.tags.get(k) != v}
    if lacking:
        said = "; ".join(f"its tag {k} is {found.tags.get(k) or 'missing'}, not {v}" for k, v in lacking.items())
        raise RefusedError(
            f"{found.id} ({type_}) has the name that the stack needs, and isn't the stack's: {said}",
            hint="look whose it is; rename or delete it, then run the same command again",
        )
