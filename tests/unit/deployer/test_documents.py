"""The deployer's documents: sound by parliament, and complete for what the tool does."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import parliament
import pytest

from provisioner.model.deployer import caller, policies, trust
from provisioner.model.deployer.actions import AGENT
from provisioner.model.errors import UsageError
from provisioner.model.tenant import CloudKind, Target
from tests.stacks.recorder import short
from tests.stacks.shapes import SHAPES, recording
from tests.unit.deployer.production import ACTIONS, DOCUMENTS, TARGET, arn, permissions

ROOT = Path(__file__).resolve().parents[3]
DEFINITION = json.loads((Path(parliament.__file__).parent / "iam_definition.json").read_text())
# What parliament complains about and is meant, with the reason.
_SPLIT = "the other resources of the request have statements of their own, under another condition"
_KIND = "`*/*` is every kind of EC2 resource of this account; parliament wants the kinds spelled out"
_READ = "reads of what is no secret, asked for by lists; AWS takes no narrower resource for some of them"
_TAGGED = "what is about to be made has no ARN yet: the tag in the request is the condition"
ACCEPTED = {
    ("network", "RESOURCE_MISMATCH"): f"{_SPLIT}; {_KIND}",
    ("network", "RESOURCE_STAR"): _READ,
    ("data", "RESOURCE_MISMATCH"): _SPLIT,
    ("data", "RESOURCE_STAR"): f"{_READ}; {_TAGGED}",
    ("data", "RESOURCE_POLICY_PRIVILEGE_ESCALATION"): "the bucket is the tenant's own, and its policy is part of it",
    ("databases", "RESOURCE_MISMATCH"): _SPLIT,
    ("databases", "RESOURCE_STAR"): _READ,
    ("front", "RESOURCE_MISMATCH"): "network load balancers are none of ours",
    ("front", "RESOURCE_STAR"): _TAGGED,
    ("watch", "RESOURCE_MISMATCH"): _SPLIT,
    ("boundary", "RESOURCE_STAR"): "the SSM agent's own calls, as in AWS's managed policy",
    ("boundary", "RESOURCE_MISMATCH"): "a policy variable in a bucket's name is no format of parliament's",
    ("caller", "UNKNOWN_CONDITION_FOR_ACTION"): "kms:ResourceAliases is newer than parliament's tables",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_parliament_has_nothing_new_to_say(name: str) -> None:
    found = parliament.analyze_policy_string(json.dumps(DOCUMENTS[name])).findings
    assert [f for f in found if (name, f.issue) not in ACCEPTED] == []


def test_no_accepted_finding_outlives_its_reason() -> None:
    found = {
        (name, f.issue)
        for name, document in DOCUMENTS.items()
        for f in parliament.analyze_policy_string(json.dumps(document)).findings
    }
    assert found == set(ACCEPTED)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_it_fits_into_a_managed_policy(name: str) -> None:
    assert len(json.dumps(DOCUMENTS[name], separators=(",", ":"))) <= 6144
    sids = [p["Sid"] for p in permissions(name)]
    assert len(sids) == len(set(sids))
    assert all(sid.isalnum() for sid in sids)


def privilege(action: str) -> dict[str, Any]:
    service, _, verb = action.partition(":")
    for entry in DEFINITION:
        if entry["prefix"] == service:
            for found in entry["privileges"]:
                if found["privilege"] == verb:
                    return dict(found, service=entry)
    raise AssertionError(f"IAM has no action {action}")


TAG_KEYS = {"aws:RequestTag/provision:tenant", "aws:ResourceTag/provision:tenant", "aws:TagKeys", "ec2:CreateAction"}


@pytest.mark.parametrize("name", list(policies(TARGET)))
def test_every_tag_condition_is_one_that_the_action_knows(name: str) -> None:
    """A key that an action doesn't know is never there: the permission would never hold, and nobody would see why."""
    for permission in (p for p in permissions(name) if p["Action"] != ["*"]):
        keys = {k for c in permission.get("Condition", {}).values() for k in c}
        for key in keys & TAG_KEYS:
            general = key.split("/")[0] + "/${TagKey}" if "/" in key else key
            for action in permission["Action"]:
                about = privilege(action)
                known = {k for r in about["resource_types"] for k in r["condition_keys"]}
                kinds = {r["resource_type"].rstrip("*") for r in about["resource_types"]}
                known |= {
                    k for r in about["service"]["resources"] if r["resource"] in kinds for k in r["condition_keys"]
                }
                assert general in known, f"{permission['Sid']}: {action} does not know {general}"


# What a type's life needs at least; reads of tags and settings come on top, and are in the policy with them.
TYPES: dict[str, tuple[str, ...]] = {
    "acm:Certificate": ("acm:RequestCertificate", "acm:DescribeCertificate", "acm:DeleteCertificate"),
    "acm:CertificateValidation": ("acm:DescribeCertificate",),
    "cloudwatch:LogGroup": ("logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"),
    "cloudwatch:MetricAlarm": ("cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"),
    "ec2:DefaultSecurityGroup": ("ec2:RevokeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress", "ec2:CreateTags"),
    "ec2:Eip": ("ec2:AllocateAddress", "ec2:DescribeAddresses", "ec2:ReleaseAddress"),
    "ec2:EipAssociation": ("ec2:AssociateAddress", "ec2:DisassociateAddress"),
    "ec2:FlowLog": ("ec2:CreateFlowLogs", "ec2:DeleteFlowLogs", "iam:PassRole"),
    "ec2:Instance": ("ec2:RunInstances", "ec2:TerminateInstances", "iam:PassRole", "ec2:ModifyInstanceAttribute"),
    "ec2:InternetGateway": ("ec2:CreateInternetGateway", "ec2:AttachInternetGateway", "ec2:DeleteInternetGateway"),
    "ec2:NatGateway": ("ec2:CreateNatGateway", "ec2:DeleteNatGateway"),
    "ec2:Route": ("ec2:CreateRoute", "ec2:ReplaceRoute", "ec2:DeleteRoute"),
    "ec2:RouteTable": ("ec2:CreateRouteTable", "ec2:DeleteRouteTable"),
    "ec2:RouteTableAssociation": ("ec2:AssociateRouteTable", "ec2:DisassociateRouteTable"),
    "ec2:SecurityGroup": ("ec2:CreateSecurityGroup", "ec2:DeleteSecurityGroup"),
    "ec2:Subnet": ("ec2:CreateSubnet", "ec2:ModifySubnetAttribute", "ec2:DeleteSubnet"),
    "ec2:Vpc": ("ec2:CreateVpc", "ec2:ModifyVpcAttribute", "ec2:DeleteVpc", "ec2:DescribeVpcAttribute"),
    "ec2:VpcEndpoint": ("ec2:CreateVpcEndpoint", "ec2:ModifyVpcEndpoint", "ec2:DeleteVpcEndpoints"),
    "iam:InstanceProfile": ("iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile", "iam:DeleteInstanceProfile"),
    "iam:Role": ("iam:CreateRole", "iam:TagRole", "iam:DeleteRole", "iam:PutRolePermissionsBoundary"),
    "iam:RolePolicy": ("iam:PutRolePolicy", "iam:GetRolePolicy", "iam:DeleteRolePolicy"),
    "iam:RolePolicyAttachment": ("iam:AttachRolePolicy", "iam:DetachRolePolicy"),
    "kms:Alias": ("kms:CreateAlias", "kms:ListAliases", "kms:DeleteAlias"),
    "kms:Key": ("kms:CreateKey", "kms:PutKeyPolicy", "kms:EnableKeyRotation", "kms:ScheduleKeyDeletion"),
    "lb:Listener": ("elasticloadbalancing:CreateListener", "elasticloadbalancing:DeleteListener"),
    "lb:LoadBalancer": ("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:DeleteLoadBalancer"),
    "lb:TargetGroup": ("elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:DeleteTargetGroup"),
    "lb:TargetGroupAttachment": ("elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"),
    "rds:Instance": (
        *("rds:CreateDBInstance", "rds:ModifyDBInstance", "rds:DeleteDBInstance", "kms:CreateGrant"),
        *("rds:RestoreDBInstanceFromDBSnapshot", "rds:RestoreDBInstanceToPointInTime", "rds:CreateDBSnapshot"),
    ),
    "rds:ParameterGroup": ("rds:CreateDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:DeleteDBParameterGroup"),
    "rds:SubnetGroup": ("rds:CreateDBSubnetGroup", "rds:DeleteDBSubnetGroup"),
    "route53:Record": ("route53:ChangeResourceRecordSets", "route53:GetChange"),
    "s3:Bucket": ("s3:CreateBucket", "s3:DeleteBucket", "s3:GetBucketAcl"),
    "s3:BucketLifecycleConfiguration": ("s3:PutLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
    "s3:BucketOwnershipControls": ("s3:PutBucketOwnershipControls", "s3:GetBucketOwnershipControls"),
    "s3:BucketPolicy": ("s3:PutBucketPolicy", "s3:DeleteBucketPolicy"),
    "s3:BucketPublicAccessBlock": ("s3:PutBucketPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
    "s3:BucketServerSideEncryptionConfiguration": ("s3:PutEncryptionConfiguration", "s3:GetEncryptionConfiguration"),
    "s3:BucketVersioning": ("s3:PutBucketVersioning", "s3:GetBucketVersioning"),
    "secretsmanager:Secret": ("secretsmanager:CreateSecret", "secretsmanager:DeleteSecret"),
    "sns:Topic": ("sns:CreateTopic", "sns:SetTopicAttributes", "sns:DeleteTopic"),
    "sns:TopicPolicy": ("sns:SetTopicAttributes",),
    "vpc:SecurityGroupEgressRule": ("ec2:AuthorizeSecurityGroupEgress", "ec2:RevokeSecurityGroupEgress"),
    "vpc:SecurityGroupIngressRule": ("ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"),
}


def test_every_type_of_the_stacks_can_be_made_and_ended() -> None:
    on_aws = [shape for shape in SHAPES if shape.endswith("-aws")]
    assert on_aws
    made = {r.type for shape in on_aws for r in recording(shape).resources}
    kinds = {short(t) for t in made if t.startswith("aws:")}
    assert kinds == set(TYPES), "a type without an entry here has no permissions in the deployer's policy"
    allowed = set(ACTIONS)
    assert {a for needed in TYPES.values() for a in needed} <= allowed


# Calls whose IAM action has another name, or that need none.
NAMES = {
    "sts:GetCallerIdentity": None,
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:DeleteObjects": "s3:DeleteObjectVersion",
    "kms:ListResourceTags": "kms:ListResourceTags",
}
SERVICES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}


def adapters_calls() -> set[str]:
    """`service:Operation` of every call on a boto3 client in cloud/, by name or as the first word of a paginator."""
    found = set()
    for path in (ROOT / "provisioner" / "cloud").rglob("*.py"):
        text = path.read_text()
        tree = ast.parse(text)
        aliases = dict(re.findall(r"^\s*(\w+) = clients\[\"([a-z0-9-]+)\"\]$", text, re.MULTILINE))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, method = node.func.value, node.func.attr
            service = None
            if isinstance(owner, ast.Subscript) and ast.unparse(owner.value).endswith("clients"):
                assert isinstance(owner.slice, ast.Constant)
                service = str(owner.slice.value)
            elif isinstance(owner, ast.Name):
                service = aliases.get(owner.id)
            if method == "get_paginator" and node.args and isinstance(node.args[0], ast.Constant):
                method = str(node.args[0].value)
            if service and method not in ("get_paginator", "can_paginate"):
                verb = "".join(w.capitalize() for w in method.split("_")).replace("Db", "DB").replace("Aws", "AWS")
                found.add(f"{SERVICES.get(service, service)}:{verb}")
    return found


def test_every_call_of_the_adapters_is_allowed() -> None:
    calls = adapters_calls()
    assert len(calls) > 25
    needed = {NAMES.get(call, call) for call in calls} - {None}
    assert needed <= set(ACTIONS), needed - set(ACTIONS)


def test_roles_are_made_inside_the_boundary_and_the_boundary_stays() -> None:
    made = {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary"}
    inside = arn("iam", "policy/provision-boundary")
    for permission in permissions("identity"):
        if made & set(permission["Action"]):
            assert permission["Condition"]["ArnEquals"]["iam:PermissionsBoundary"] == inside
    everything = set(ACTIONS)
    assert not {a for a in everything if a.startswith(("iam:CreatePolicy", "iam:SetDefault", "iam:DeletePolicy"))}
    assert not {a for a in everything if a.startswith(("iam:CreateUser", "iam:CreateAccessKey", "organizations:"))}
    assert "iam:DeleteRolePermissionsBoundary" not in everything


def test_the_boundary_lets_a_machine_do_what_its_stack_grants_and_nothing_to_iam() -> None:
    allowed = {a for p in permissions("boundary") for a in p["Action"]}
    granted = set()
    for shape in (s for s in SHAPES if s.endswith("-aws")):
        for resource in recording(shape).of("iam:RolePolicy"):
            granted |= {a for s in resource.policy("policy") for a in s["Action"]}
    assert granted <= allowed
    assert set(AGENT) <= allowed
    assert not {a for a in allowed if a.startswith(("iam:", "sts:", "kms:Schedule", "rds:", "ec2:"))}


def test_the_role_is_assumed_for_one_named_tenant() -> None:
    (permission,) = trust(TARGET, "arn:aws:iam::123456789012:role/ci")["Statement"]
    assert permission["Principal"] == {"AWS": "arn:aws:iam::123456789012:role/ci"}
    assert permission["Condition"]["StringLike"] == {"aws:RequestTag/tenant": "?*"}
    assert permission["Condition"]["ForAllValues:StringEquals"] == {"aws:TagKeys": ["tenant"]}


def test_the_caller_gets_the_role_the_state_and_its_key() -> None:
    by_sid = {p["Sid"]: p for p in permissions("caller")}
    assert by_sid["Become"]["Resource"] == [TARGET.role]
    assert by_sid["State"]["Resource"] == ["arn:aws:s3:::example-state/stacks/*"]
    assert by_sid["StateKey"]["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/provision"}}


def test_more_roles_than_a_policy_takes_are_refused() -> None:
    roles = [f"arn:aws:iam::{n:012}:role/provision-deployer" for n in range(200)]
    assert [p["Resource"] for p in caller(TARGET, roles[:5])["Statement"] if p["Sid"] == "Become"] == [
        [TARGET.role, *roles[:5]]
    ]
    with pytest.raises(UsageError, match="200 tenants of target production") as caught:
        caller(TARGET, roles)
    assert caught.value.hint == "provision deployer caller --target production --tenant ID, for each of them"


def test_the_sandbox_has_none() -> None:
    with pytest.raises(UsageError, match="is not on AWS"):
        policies(Target("sandbox", CloudKind.SANDBOX, ("eu-west-1",), "sandbox.test"))
