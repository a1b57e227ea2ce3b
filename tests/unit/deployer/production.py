"""A target on AWS, its documents, and sessions that are judged by them."""

from collections.abc import Iterator
from typing import Any

from provisioner.model.deployer import boundary, caller, policies
from provisioner.model.tenant import CloudKind, Target
from tests.unit.deployer.evaluate import Context, allowed

ACCOUNT = "123456789012"
TARGET = Target(
    "production",
    CloudKind.AWS,
    ("eu-west-1", "eu-central-1"),
    "example.com",
    state="s3://example-state/stacks",
    secrets="awskms://alias/provision?region=eu-west-1",
    account=ACCOUNT,
    role=f"arn:aws:iam::{ACCOUNT}:role/provision-deployer",
)
DOCUMENTS = {**policies(TARGET), "boundary": boundary(TARGET), "caller": caller(TARGET)}
ALL = [permission for document in policies(TARGET).values() for permission in document["Statement"]]
ACTIONS = sorted({action for p in ALL if p["Effect"] == "Allow" for action in p["Action"]})
# What requests carry besides tags.
_MORE: dict[str, Context] = {
    "iam:AttachRolePolicy": {"iam:PolicyARN": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
    "iam:PassRole": {"iam:PassedToService": "ec2.amazonaws.com"},
    "kms:CreateGrant": {"kms:GrantIsForAWSResource": "true", "kms:ViaService": "rds.eu-west-1.amazonaws.com"},
}
_INSIDE = f"arn:aws:iam::{ACCOUNT}:policy/provision-boundary"
Tags = dict[str, str]


def permissions(name: str) -> Iterator[dict[str, Any]]:
    """The statements of one document."""
    yield from DOCUMENTS[name]["Statement"]


def arn(service: str, resource: str) -> str:
    """Of something of the account, in the target's first region."""
    region = "" if service == "iam" else "eu-west-1"
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{resource}"


def request(tags: Tags, requested: Tags, more: Context | None = None) -> Context:
    """Condition keys of a request for something that bears `tags`."""
    found: dict[str, str | list[str]] = {f"aws:ResourceTag/{k}": v for k, v in tags.items()}
    found |= {f"ssm:resourceTag/{k}": v for k, v in tags.items()}
    found |= {f"aws:RequestTag/{k}": v for k, v in requested.items()}
    if requested:
        found["aws:TagKeys"] = list(requested)
    return {**found, "aws:RequestedRegion": "eu-west-1", "iam:PermissionsBoundary": _INSIDE, **(more or {})}


def allows(action: str, resource: str, tags: Tags, requested: Tags, tenant: str, more: Context | None = None) -> bool:
    """Whether the deployer's session for `tenant` may do it."""
    context = request(tags, requested, {**_MORE.get(action, {}), **(more or {})})
    return allowed(ALL, action, resource, {**context, "aws:PrincipalTag/tenant": tenant})


def machine_may(action: str, resource: str, tags: Tags, role: str, tenant: str) -> bool:
    """Whether the boundary would let a role do it whose session is tagged with `tenant`."""
    itself = {"aws:PrincipalTag/provision:tenant": tenant, "aws:PrincipalArn": arn("iam", f"role/{role}")}
    return allowed(DOCUMENTS["boundary"]["Statement"], action, resource, request(tags, {}, itself))
