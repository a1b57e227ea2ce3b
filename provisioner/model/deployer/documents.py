"""The documents: what the deployer's role may do, what roles that it makes may ever do, and who may become it."""

import json
from collections.abc import Sequence
from typing import Any

from provisioner.model.deployer import statements as s
from provisioner.model.deployer.actions import AGENT, MONITORING
from provisioner.model.deployer.databases import databases
from provisioner.model.deployer.names import DRILL, ROLES, physical
from provisioner.model.deployer.place import Condition, Place, Statement, statement
from provisioner.model.errors import UsageError
from provisioner.model.stack import metrics_namespace
from provisioner.model.tenant import CloudKind, Target

Document = dict[str, Any]
MACHINE = "${aws:PrincipalTag/provision:tenant}"
_LONGEST = 6000
"""Characters; a managed policy has 6,144, without its white space."""
_LOGS = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
_PARTS = {
    "network": s.network,
    "data": s.data,
    "databases": databases,
    "identity": s.identity,
    "front": s.front,
    "watch": s.watch,
}


def policies(target: Target) -> dict[str, Document]:
    """The deployer's role, in parts: a managed policy has at most 6,144 characters. Raises UsageError for a target
    that isn't on AWS."""
    place = _place(target)
    found = {name: _document(part(place)) for name, part in _PARTS.items()}
    found["identity"]["Statement"] += s.fence(place)
    return found


def boundary(target: Target) -> Document:
    """The most that any role of a tenant may ever do, told apart by the role's own tag `provision:tenant` and by its
    name. It is made by the account's owner, and the deployer can't change it."""
    place = _place(target)
    # Who assumes a role may bring a tag of that name along, in place of the role's own; its name nobody can change.
    itself = {"ArnLike": {"aws:PrincipalArn": [place.arn("iam", f"role/{n}", region="") for n in _itself()]}}
    own: Condition = {**itself, "StringEquals": {"aws:ResourceTag/provision:tenant": MACHINE}}
    bucket = f"arn:aws:s3:::{place.account}-{MACHINE}-files"
    # Also of databases that restores and drills make. Where `acme-*` is another tenant's, its key is not ours.
    masters = [place.arn("rds", f"db:{MACHINE}"), place.arn("rds", f"db:{MACHINE}-*")]
    secret = ["secretsmanager:GetSecretValue"]
    return _document(
        [
            statement("Agent", AGENT, ["*"]),
            statement("Key", ["kms:Decrypt", "kms:GenerateDataKey"], [place.arn("kms", "key/*")], own),
            statement("Bucket", ["s3:ListBucket"], [bucket], itself),
            statement("Objects", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [f"{bucket}/*"], itself),
            statement("Logs", _LOGS, [place.arn("logs", f"log-group:/provision/{MACHINE}/*")], itself),
            statement(
                "Metrics",
                ["cloudwatch:PutMetricData"],
                ["*"],
                {**itself, "StringEquals": {"cloudwatch:namespace": metrics_namespace(MACHINE)}},
            ),
            # RDS's enhanced monitoring writes all databases' figures into this one group.
            statement("Monitoring", MONITORING, [place.arn("logs", "log-group:RDS*")]),
            statement("SeeLogs", ["logs:DescribeLogGroups"], ["*"]),
            statement("Secret", secret, [place.arn("secretsmanager", f"secret:provision/{MACHINE}/*")], itself),
            # The bootstrap lets the machine read the master's secret for some minutes.
            statement(
                "Master",
                secret,
                [place.arn("secretsmanager", "secret:rds!db-*")],
                {"ArnLike": {**itself["ArnLike"], "aws:ResourceTag/aws:rds:primaryDBInstanceArn": masters}},
            ),
        ]
    )


def _itself() -> list[str]:
    return [physical(part, MACHINE) for part in (*ROLES, DRILL)]


def trust(target: Target, principal: str) -> Document:
    """Who may become the deployer (`principal`: an ARN), and only for one named tenant at a time."""
    _place(target)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ForOneTenant",
                "Effect": "Allow",
                "Principal": {"AWS": principal},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
                "Condition": {
                    "StringLike": {"aws:RequestTag/tenant": "?*"},
                    "ForAllValues:StringEquals": {"aws:TagKeys": ["tenant"]},
                },
            }
        ],
    }


def caller(target: Target, roles: Sequence[str] = ()) -> Document:
    """What those who run provision need themselves: to become the deployer, and the state with its key. `roles`: the
    deployers of tenants that have their own. Raises UsageError where these are more than a managed policy takes."""
    found = [*become(target, roles)["Statement"], *_state(target)]
    if len(json.dumps(found, separators=(",", ":"))) > _LONGEST:
        raise UsageError(
            f"{len(roles)} tenants of target {target.name} have a role of their own: too many for one policy",
            hint=f"provision deployer caller --target {target.name} --tenant ID, for each of them",
        )
    return _document(found)


def become(target: Target, roles: Sequence[str] = ()) -> Document:
    """The right to become the target's deployer and these."""
    own = target.role or _place(target).arn("iam", "role/provision-deployer", region="")
    return _document([statement("Become", ["sts:AssumeRole", "sts:TagSession"], [own, *roles])])


def _state(target: Target) -> list[Statement]:
    place = _place(target)
    found = []
    state = target.state or ""
    if state.startswith("s3://"):
        bucket = state.removeprefix("s3://").split("?")[0].rstrip("/")
        name, _, prefix = bucket.partition("/")
        objects = f"arn:aws:s3:::{name}/{prefix + '/' if prefix else ''}*"
        see = ["s3:GetBucketLocation", "s3:GetBucketPublicAccessBlock", "s3:GetBucketVersioning", "s3:ListBucket"]
        found.append(statement("SeeState", see, [f"arn:aws:s3:::{name}"]))
        found.append(statement("State", ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [objects]))
    if (target.secrets or "").startswith("awskms://"):
        # An alias names its key in no policy; the condition holds the permission to that one.
        key = (target.secrets or "").removeprefix("awskms://").split("?")[0].lstrip("/")
        use = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
        if key.startswith("alias/"):
            by_alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": key}}
            found.append(statement("StateKey", use, [place.arn("kms", "key/*")], by_alias))
        else:
            found.append(
                statement("StateKey", use, [key if key.startswith("arn:") else place.arn("kms", f"key/{key}")])
            )
    return found


def _document(found: list[Statement]) -> Document:
    return {"Version": "2012-10-17", "Statement": found}


def _place(target: Target) -> Place:
    if target.cloud is not CloudKind.AWS or target.account is None:
        raise UsageError(
            f"target {target.name} is not on AWS: it has no deployer's role", hint="choose one on AWS with --target"
        )
    return Place(target.account, target.regions, target.domain)
