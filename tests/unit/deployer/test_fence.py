"""The fence between tenants: whatever a session of `acme` asks for, it reaches neither `globex` nor `acme-b`."""

import re

import pytest

from provisioner.model.deployer import names
from provisioner.model.deployer.actions import UNTAG
from provisioner.registry.fields import is_tenant_id
from tests.stacks.shapes import SHAPES, recording
from tests.unit.deployer.production import ACCOUNT, ACTIONS, ALL, allows, arn, machine_may, permissions

OWNERS = ("globex", "acme-b", "acme-machine", "acme-b-machine")
READS = ("Describe", "List", "Get")
MINE = [
    ("ec2:TerminateInstances", arn("ec2", "instance/i-1")),
    ("ec2:DeleteVpc", arn("ec2", "vpc/vpc-1")),
    ("ec2:CreateTags", arn("ec2", "instance/i-1")),
    ("rds:DeleteDBInstance", arn("rds", "db:{}")),
    ("rds:DeleteDBInstance", arn("rds", "db:{}-x1y2z3")),
    ("rds:ModifyDBParameterGroup", arn("rds", "pg:{}-postgres17")),
    ("rds:DeleteDBSubnetGroup", arn("rds", "subgrp:{}-d3fa2b1")),
    ("rds:CopyDBSnapshot", arn("rds", "snapshot:{}-20261125")),
    ("rds:DeleteDBSnapshot", arn("rds", "snapshot:{}-20261125")),
    ("rds:RestoreDBInstanceFromDBSnapshot", arn("rds", "snapshot:{}-20261125")),
    ("rds:AddTagsToResource", arn("rds", "db:{}-x1y2z3")),
    ("s3:GetObject", f"arn:aws:s3:::{ACCOUNT}-{{}}-files/provision-export/x"),
    ("logs:DeleteLogGroup", arn("logs", "log-group:/aws/rds/instance/{}-x1y2z3/postgresql")),
    ("s3:DeleteBucket", f"arn:aws:s3:::{ACCOUNT}-{{}}-files"),
    ("s3:DeleteObjectVersion", f"arn:aws:s3:::{ACCOUNT}-{{}}-files/a/b"),
    ("kms:ScheduleKeyDeletion", arn("kms", "key/1")),
    ("kms:Decrypt", arn("kms", "key/1")),
    ("kms:CreateGrant", arn("kms", "key/1")),
    ("secretsmanager:PutSecretValue", arn("secretsmanager", "secret:provision/{}/product-x")),
    ("logs:DeleteLogGroup", arn("logs", "log-group:/provision/{}/machine")),
    ("iam:CreateRole", arn("iam", "role/provision-{}-machine")),
    ("iam:DeleteRole", arn("iam", "role/provision-{}-machine")),
    ("iam:PassRole", arn("iam", "role/provision-{}-machine")),
    ("iam:PassRole", arn("iam", "role/provision-{}-d3fa2b1-machine")),
    ("iam:PutRolePolicy", arn("iam", "role/provision-{}-flow-log")),
    ("iam:AttachRolePolicy", arn("iam", "role/provision-{}-database-monitoring")),
    ("iam:AddRoleToInstanceProfile", arn("iam", "instance-profile/provision-{}-machine")),
    ("iam:DeleteInstanceProfile", arn("iam", "instance-profile/provision-{}-d3fa2b1-machine")),
    ("elasticloadbalancing:DeleteLoadBalancer", arn("elasticloadbalancing", "loadbalancer/app/{}/1")),
    ("acm:DeleteCertificate", arn("acm", "certificate/1")),
    ("sns:DeleteTopic", arn("sns", "provision-{}-alarms")),
    ("cloudwatch:DeleteAlarms", arn("cloudwatch", "alarm:provision-{}-machine-status")),
    ("cloudwatch:PutMetricAlarm", arn("cloudwatch", "alarm:provision-{}-database-cpu-credit")),
    ("ssm:SendCommand", arn("ec2", "instance/i-1")),
]
TAGGING = [
    ("acm:AddTagsToCertificate", arn("acm", "certificate/1")),
    ("cloudwatch:TagResource", arn("cloudwatch", "alarm:provision-{}-machine-status")),
    ("ec2:CreateTags", arn("ec2", "instance/i-1")),
    ("ec2:CreateTags", arn("ec2", "security-group/sg-1")),
    ("ec2:CreateTags", arn("ec2", "volume/vol-1")),
    ("ec2:CreateTags", arn("ec2", "vpc/vpc-1")),
    ("elasticloadbalancing:AddTags", arn("elasticloadbalancing", "targetgroup/{}/1")),
    ("iam:TagInstanceProfile", arn("iam", "instance-profile/provision-{}-machine")),
    ("iam:TagRole", arn("iam", "role/provision-{}-machine")),
    ("kms:TagResource", arn("kms", "key/1")),
    ("logs:TagResource", arn("logs", "log-group:/provision/{}/machine")),
    ("logs:TagResource", arn("logs", "log-group:/aws/rds/instance/{}/postgresql")),
    ("logs:TagResource", arn("logs", "log-group:/aws/rds/instance/{}-x1y2z3/postgresql")),
    ("rds:AddTagsToResource", arn("rds", "db:{}")),
    ("rds:AddTagsToResource", arn("rds", "db:{}-x1y2z3")),
    ("rds:AddTagsToResource", arn("rds", "pg:{}-postgres17")),
    ("rds:AddTagsToResource", arn("rds", "snapshot:{}-20261125")),
    ("s3:PutBucketTagging", f"arn:aws:s3:::{ACCOUNT}-{{}}-files"),
    ("secretsmanager:TagResource", arn("secretsmanager", "secret:provision/{}/product-x")),
    ("sns:TagResource", arn("sns", "provision-{}-alarms")),
]
OURS = {"provision:tenant": "acme"}


def label(value: str) -> str:
    return value.partition("/")[0] if ":" in value else value


@pytest.mark.parametrize(("action", "resource"), MINE, ids=label)
def test_a_session_reaches_its_own_tenant_and_no_other(action: str, resource: str) -> None:
    def may(owner: str) -> bool:
        tags = {"provision:tenant": owner}
        return any(allows(action, resource.format(owner), tags, requested, "acme") for requested in ({}, OURS))

    assert may("acme") or action == "iam:CreateRole"
    assert [owner for owner in OWNERS if may(owner)] == []


@pytest.mark.parametrize(("action", "resource"), TAGGING, ids=label)
def test_no_tag_makes_anothers_ours_or_ours_anothers(action: str, resource: str) -> None:
    for owner in OWNERS:
        tags = {"provision:tenant": owner}
        for requested in (OURS, {"team": "shop"}, {**OURS, "team": "shop"}):
            assert not allows(action, resource.format(owner), tags, requested, "acme"), owner
        if action != "s3:PutBucketTagging":  # S3 knows the tags of no request: a bucket is held by its name
            assert not allows(action, resource.format("acme"), OURS, tags, "acme")
    again = ":snapshot:" not in resource  # a snapshot is tagged as it is made, and never again
    assert allows(action, resource.format("acme"), OURS, {"provision:ring": "1"}, "acme") is again


def test_every_action_that_tags_was_judged() -> None:
    tagging = {a for a in ACTIONS if re.search(r":(AddTags|CreateTags|Put.*Tagging|Tag)", a)}
    assert tagging == {action for action, _ in TAGGING}


# AWS's own, without tags: (what a session may take, why, and what it may do with it then).
UNTAGGED = {
    "security-group/sg-1": "a VPC's default group is there before its tags",
    "volume/vol-1": "so is a machine's disk",
}


def test_what_bears_no_tag_can_not_be_taken_either() -> None:
    """Something of the account that is no tenant's; `docs/aws.md` says how to keep even the two kinds out of reach."""
    for resource in ("instance/i-1", "vpc/vpc-1", "subnet/s-1", "natgateway/n-1", "elastic-ip/e-1", *UNTAGGED):
        taken = allows("ec2:CreateTags", arn("ec2", resource), {}, OURS, "acme")
        assert taken is (resource in UNTAGGED), resource
        assert not allows("ec2:CreateTags", arn("ec2", resource), {"provision:tenant": "-"}, OURS, "acme")
        made = {"ec2:CreateAction": "RunInstances"}
        assert allows("ec2:CreateTags", arn("ec2", resource), {}, OURS, "acme", made)
    key = arn("kms", "key/1")
    assert allows("kms:TagResource", key, {}, OURS, "acme")
    assert not allows("kms:TagResource", key, {}, OURS, "acme", {"kms:ResourceAliases": ["alias/provision"]})
    for volume in ("ec2:DeleteVolume", "ec2:AttachVolume", "ec2:DetachVolume", "ec2:CreateSnapshot"):
        assert volume not in ACTIONS


@pytest.mark.parametrize("action", UNTAG)
def test_whose_something_is_stays_on_it(action: str) -> None:
    for resource in ("*", *(r.format("acme") for _, r in TAGGING)):
        for key in ("provision:tenant", "Provision:Tenant"):
            assert not allows(action, resource, OURS, {}, "acme", {"aws:TagKeys": ["x", key]})
    own = [r.format("acme") for _, r in TAGGING]
    assert any(allows(action, r, OURS, {}, "acme", {"aws:TagKeys": ["provision:organization"]}) for r in own)


def test_every_action_that_untags_is_held() -> None:
    untagging = {a for a in ACTIONS if re.search(r":(DeleteTags|RemoveTags|Untag)", a)}
    assert untagging == set(UNTAG)


NAMED = {
    "iam:Role": (names.ROLES, "iam:CreateRole", arn("iam", "role/{}")),
    "iam:InstanceProfile": (("machine",), "iam:CreateInstanceProfile", arn("iam", "instance-profile/{}")),
    "sns:Topic": (names.TOPICS, "sns:CreateTopic", arn("sns", "{}")),
    "cloudwatch:MetricAlarm": (names.ALARMS, "cloudwatch:PutMetricAlarm", arn("cloudwatch", "alarm:{}")),
}


@pytest.mark.parametrize("kind", NAMED)
def test_the_names_are_those_that_the_stacks_give(kind: str) -> None:
    parts, action, resource = NAMED[kind]
    made = {str(r.inputs["name"]) for s in SHAPES if s.endswith("-aws") for r in recording(s).of(kind)}
    drills = {"provision-acme-d3fa2b1-machine"} if kind.startswith("iam") else set()
    assert made == {names.physical(part, "acme") for part in parts} | drills
    assert all(allows(action, resource.format(name), {}, OURS, "acme") for name in made)


def test_no_name_can_be_read_as_another_tenant_s() -> None:
    for parts in (names.ROLES, names.TOPICS, names.ALARMS):
        assert not [(a, b) for a in parts for b in parts if a.endswith(f"-{b}")]
    assert not is_tenant_id("acme-d3fa2b1")
    assert is_tenant_id("acme-d3fa2b")
    assert is_tenant_id("acme-3fa2b1c")


def test_points_are_made_of_own_databases_and_copied_from_others_only_with_consent() -> None:
    own, theirs = arn("rds", "snapshot:acme-1"), arn("rds", "snapshot:acme-b-1")
    tags = {"provision:tenant": "acme-b"}
    lent = {**tags, "provision:lent-to": "acme"}
    key = arn("kms", "key/1")
    for action in ("rds:CreateDBSnapshot", "rds:CopyDBSnapshot", "rds:AddTagsToResource"):
        assert allows(action, own, {}, OURS, "acme")
    assert allows("rds:AddTagsToResource", own, {}, {}, "acme")  # RDS copies the tags of the instance
    assert not allows("rds:AddTagsToResource", own, {}, tags, "acme")
    assert not allows("rds:AddTagsToResource", theirs, tags, OURS, "acme")
    assert not allows("rds:CreateDBSnapshot", arn("rds", "db:acme-b"), tags, OURS, "acme")
    assert not allows("rds:CopyDBSnapshot", theirs, tags, OURS, "acme")
    assert allows("rds:CopyDBSnapshot", theirs, lent, OURS, "acme")
    assert not allows("rds:RestoreDBInstanceFromDBSnapshot", theirs, lent, OURS, "acme")
    assert not allows("kms:CreateGrant", key, tags, {}, "acme")
    assert allows("kms:CreateGrant", key, lent, {}, "acme")
    assert allows("kms:CreateGrant", key, {"provision:purpose": "copies"}, {}, "acme")
    assert not allows("kms:ScheduleKeyDeletion", key, lent, {}, "acme")


def test_nothing_is_made_under_another_tenant_s_tag() -> None:
    role = arn("iam", "role/provision-acme-machine")
    cases = (("ec2:CreateVpc", arn("ec2", "vpc/*")), ("kms:CreateKey", "*"), ("acm:RequestCertificate", "*"))
    for action, resource in (*cases, ("iam:CreateRole", role)):
        assert allows(action, resource, {}, OURS, "acme")
        assert not allows(action, resource, {}, {"provision:tenant": "globex"}, "acme")
        assert not allows(action, resource, {}, {}, "acme")


def test_whatever_changes_something_is_held_to_a_tenant() -> None:
    """No statement that acts is open to all resources without a condition, but for those that are named here."""
    open_ones = {
        (p["Sid"], a)
        for p in ALL
        if p["Effect"] == "Allow" and "Condition" not in p
        for a in p["Action"]
        if not a.split(":")[1].startswith(READS) and not any("PrincipalTag/tenant" in r for r in p["Resource"])
    }
    assert open_ones == {
        ("MakeMachines", "ec2:RunInstances"),  # image, disk and card; machine and subnet are held to the tenant
        ("OptionGroups", "rds:CreateDBInstance"),  # AWS's own option group
        ("OptionGroups", "rds:RestoreDBInstanceFromDBSnapshot"),
        ("OptionGroups", "rds:RestoreDBInstanceToPointInTime"),
        ("History", "rds:RestoreDBInstanceToPointInTime"),  # an automated backup has no tag; its key is the tenant's
        ("MasterSecrets", "secretsmanager:CreateSecret"),  # by RDS, under a name that only RDS makes
        ("MasterSecrets", "secretsmanager:TagResource"),
        ("CommandWords", "ssm:SendCommand"),  # the document; the machine is held to the tenant
        ("SeeItself", "iam:SimulatePrincipalPolicy"),
    }


def test_names_that_only_begin_like_ours_are_read_at_most() -> None:
    """`provision-acme-*` is `acme-b`'s too. What is told by its tag as well may begin so."""
    wide = {
        (p["Sid"], a)
        for p in ALL
        if p["Effect"] == "Allow" and "Condition" not in p
        for r in p["Resource"]
        if "PrincipalTag/tenant}-*" in r
        for a in p["Action"]
        if not a.split(":")[1].startswith(READS)
    }
    assert wide == {("MakePoints", "rds:CreateDBSnapshot")}  # a new name; whose database it is of is asked besides


@pytest.mark.parametrize("tenant", ["globex", "acme-b"])
def test_a_role_stays_inside_its_tenant_whatever_its_session_is_tagged_with(tenant: str) -> None:
    key = (arn("kms", "key/1"), {"provision:tenant": tenant})
    cases = [
        ("kms:Decrypt", *key),
        ("s3:GetObject", f"arn:aws:s3:::{ACCOUNT}-{tenant}-files/a", {}),
        ("s3:ListBucket", f"arn:aws:s3:::{ACCOUNT}-{tenant}-files", {}),
        ("logs:PutLogEvents", arn("logs", f"log-group:/provision/{tenant}/machine"), {}),
        ("secretsmanager:GetSecretValue", arn("secretsmanager", f"secret:provision/{tenant}/product-x"), {}),
    ]
    for action, resource, tags in cases:
        assert machine_may(action, resource, tags, f"provision-{tenant}-machine", tenant)
        assert machine_may(action, resource, tags, f"provision-{tenant}-d3fa2b1-machine", tenant)
        assert not machine_may(action, resource, tags, "provision-acme-machine", tenant)
        assert not machine_may(action, resource, tags, "provision-acme-machine", "acme")
        assert not machine_may(action, resource, tags, f"provision-{tenant}-x-machine", tenant)


def test_a_master_s_secret_is_its_tenant_s() -> None:
    """`acme-b`'s database may be one of acme's restores by its name: there the secret's key is not acme's."""
    for owner, may in (("acme", True), ("acme-x1y2z3", True), ("globex", False)):
        tags = {"aws:rds:primaryDBInstanceArn": arn("rds", f"db:{owner}")}
        secret = arn("secretsmanager", "secret:rds!db-1")
        assert machine_may("secretsmanager:GetSecretValue", secret, tags, "provision-acme-machine", "acme") is may
        assert not machine_may("secretsmanager:GetSecretValue", secret, tags, "provision-acme-machine", "globex")


def test_other_regions_are_denied() -> None:
    own = arn("ec2", "vpc/vpc-1")
    for region, may in (("eu-west-1", True), ("eu-central-1", True), ("us-east-1", True), ("ap-south-1", False)):
        assert allows("ec2:DeleteVpc", own, OURS, {}, "acme", {"aws:RequestedRegion": region}) is may
    assert [p["Sid"] for p in permissions("identity") if p["Effect"] == "Deny"] == [
        "OtherRegions",
        "TagsOfOthers",
        "TagsStay",
    ]
