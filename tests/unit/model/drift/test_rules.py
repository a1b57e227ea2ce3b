"""The table: each rule decides what it is there for, and no more."""

from typing import Any

import pytest

from provisioner.model.change import Difference
from provisioner.model.drift.judge import judge
from provisioner.model.drift.rules import GONE, RULES, Weight

EC2, RDS = "aws:ec2/instance:Instance", "aws:rds/instance:Instance"
GROUP, RULE = "aws:ec2/securityGroup:SecurityGroup", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
DEFAULT = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
KEY, PARAMETERS = "aws:kms/key:Key", "aws:rds/parameterGroup:ParameterGroup"
BALANCER, LISTENER = "aws:lb/loadBalancer:LoadBalancer", "aws:lb/listener:Listener"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
PUBLIC = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
FLOW, LOG = "aws:ec2/flowLog:FlowLog", "aws:cloudwatch/logGroup:LogGroup"
ALARM, TOPIC = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:sns/topic:Topic"
RECORD, ROUTE = "aws:route53/record:Record", "aws:ec2/route:Route"

REGRESSIONS: list[tuple[str, str, Any, Any]] = [
    (GROUP, "ingress", None, "tcp 22 from 0.0.0.0/0"),
    (GROUP, "egress", None, "everything to 0.0.0.0/0"),
    (DEFAULT, "ingress", [], [{"protocol": "-1"}]),
    (DEFAULT, "egress", [], [{"protocol": "-1"}]),
    (RULE, "cidrIpv4", "10.0.0.0/8", "0.0.0.0/0"),
    (RULE, "cidrIpv6", None, "::/0"),
    (RULE, "prefixListId", None, "pl-1"),
    (RULE, "referencedSecurityGroupId", "sg-1", "sg-2"),
    (RULE, "fromPort", 443, 1),
    (RULE, "toPort", 443, 65535),
    (RULE, "ipProtocol", "tcp", "-1"),
    (EC2, "vpcSecurityGroupIds", ["sg-1"], ["sg-2"]),
    (EC2, "sourceDestCheck", True, False),
    (RDS, "vpcSecurityGroupIds[0]", "sg-1", "sg-2"),
    (RDS, "publiclyAccessible", False, True),
    (BALANCER, "securityGroups", ["sg-1"], ["sg-2"]),
    (ROUTE, "gatewayId", "igw-1", "igw-2"),
    ("aws:ec2/routeTableAssociation:RouteTableAssociation", "routeTableId", "rtb-1", "rtb-2"),
    ("aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", False, True),
    (RDS, "storageEncrypted", True, False),
    (EC2, "rootBlockDevice.encrypted", True, None),
    (RDS, "kmsKeyId", "arn:1", "arn:2"),
    (EC2, "rootBlockDevice.kmsKeyId", "arn:1", "arn:2"),
    (RDS, "performanceInsightsKmsKeyId", "arn:1", None),
    (TOPIC, "kmsMasterKeyId", "arn:1", None),
    (ENCRYPTION, "rules[0].bucketKeyEnabled", True, False),
    (ENCRYPTION, "", None, None),
    (KEY, "enableKeyRotation", True, False),
    (KEY, "policy", "{}", "{*}"),
    (KEY, "isEnabled", True, False),
    ("aws:kms/alias:Alias", "targetKeyId", "1", "2"),
    (PARAMETERS, 'parameters["rds.force_ssl"]', "1", "0"),
    (RDS, "parameterGroupName", "acme", "default.postgres17"),
    (RDS, "caCertIdentifier", "rds-ca-rsa2048-g1", "rds-ca-2019"),
    (LISTENER, "sslPolicy", "ELBSecurityPolicy-TLS13-1-2-2021-06", "ELBSecurityPolicy-2016-08"),
    (LISTENER, "protocol", "HTTPS", "HTTP"),
    (LISTENER, "certificateArn", "arn:1", "arn:2"),
    (LISTENER, "defaultActions[0].type", "redirect", "forward"),
    (RDS, "deletionProtection", True, False),
    (BALANCER, "enableDeletionProtection", True, False),
    (EC2, "disableApiTermination", True, False),
    (RDS, "deleteAutomatedBackups", False, True),
    (RDS, "skipFinalSnapshot", False, True),
    (RDS, "backupRetentionPeriod", 7, 1),
    (VERSIONING, "versioningConfiguration.status", "Enabled", "Suspended"),
    (VERSIONING, "", None, None),
    (LIFECYCLE, "rules[0].status", "Enabled", "Disabled"),
    (KEY, "deletionWindowInDays", 30, 7),
    (EC2, "metadataOptions.httpTokens", "required", "optional"),
    (EC2, "metadataOptions.httpPutResponseHopLimit", 1, 2),
    (EC2, "metadataOptions.instanceMetadataTags", "disabled", "enabled"),
    (EC2, "iamInstanceProfile", "acme", "admin"),
    (EC2, "keyName", None, "mine"),
    (EC2, "userData", "a", "b"),
    (RDS, "iamDatabaseAuthenticationEnabled", True, False),
    (RDS, "manageMasterUserPassword", True, None),
    (PUBLIC, "blockPublicAcls", True, False),
    (PUBLIC, "", None, None),
    (OWNERSHIP, "rule.objectOwnership", "BucketOwnerEnforced", "ObjectWriter"),
    (OWNERSHIP, "", None, None),
    (POLICY, "policy", "{}", "{*}"),
    (POLICY, "", None, None),
    ("aws:iam/role:Role", "assumeRolePolicy", "{}", "{*}"),
    ("aws:iam/role:Role", "permissionsBoundary", "arn:b", None),
    ("aws:iam/rolePolicy:RolePolicy", "policy", "{}", "{*}"),
    ("aws:iam/policy:Policy", "policy", "{}", "{*}"),
    ("aws:sns/topicPolicy:TopicPolicy", "policy", "{}", "{*}"),
    ("aws:secretsmanager/secret:Secret", "policy", None, "{*}"),
    (BALANCER, "dropInvalidHeaderFields", True, False),
    (BALANCER, "desyncMitigationMode", "defensive", "monitor"),
    (BALANCER, "internal", True, False),
    (FLOW, "", None, None),
    (FLOW, "trafficType", "ALL", "REJECT"),
    (FLOW, "logDestination", "arn:1", "arn:2"),
    (LOG, "", None, None),
    (LOG, "retentionInDays", 365, 1),
    (RDS, "enabledCloudwatchLogsExports", ["postgresql"], []),
    (PARAMETERS, "parameters.log_connections", "1", "0"),
    (ALARM, "", None, None),
    (ALARM, "alarmActions", ["arn:1"], []),
    (ALARM, "actionsEnabled", True, False),
    (TOPIC, "", None, None),
    (KEY, 'tags["provision:tenant"]', "acme", "beta"),
    (EC2, 'tags["provision:purpose"]', None, "drill"),
]
OUTAGES: list[tuple[str, str, Any, Any]] = [
    (RULE, "", None, None),
    (EC2, "instanceState", "running", "stopped"),
    (EC2, "", None, None),
    (RDS, "status", "available", "stopping"),
    (RDS, "", None, None),
    (BALANCER, "", None, None),
    (LISTENER, "", None, None),
    ("aws:ec2/eipAssociation:EipAssociation", "", None, None),
    ("aws:ec2/routeTable:RouteTable", "", None, None),
    ("aws:ec2/internetGateway:InternetGateway", "", None, None),
    ("aws:ec2/natGateway:NatGateway", "", None, None),
    (RECORD, "", None, None),
    (RECORD, "records[0]", "1.2.3.4", "5.6.7.8"),
    (KEY, "", None, None),
    ("aws:s3/bucket:Bucket", "", None, None),
]
HARMLESS: list[tuple[str, str, Any, Any]] = [
    (EC2, "tags.Name", "acme", "mine"),
    (RDS, 'tags["provision:ring"]', "1", "2"),
    (RULE, "description", "a", "b"),
    (ALARM, "alarmDescription", "a", "b"),
    (EC2, "monitoring", False, True),
    (RDS, "deletionProtection", False, True),
    (RDS, "backupRetentionPeriod", 1, 7),
    (RDS, "copyTagsToSnapshot", True, False),
    (LOG, "retentionInDays", 30, 90),
]
UNKNOWN: list[tuple[str, str, Any, Any]] = [
    (EC2, "instanceType", "t4g.small", "t4g.micro"),
    (EC2, 'tags["provision:stack"]', "tenant/acme", "tenant/beta"),
    (EC2, 'tags["provision:resource"]', "machine", "other"),
    ("aws:new/thing:Thing", "enabled", True, False),
    ("aws:new/thing:Thing", "", None, None),
    # Changes the other way: rules are about a direction, and nobody said that this one is harmless.
    (EC2, "sourceDestCheck", False, True),
    (RDS, "publiclyAccessible", True, False),
    ("aws:ec2/subnet:Subnet", "mapPublicIpOnLaunch", True, False),
    (RDS, "storageEncrypted", False, True),
    (EC2, "rootBlockDevice.encrypted", False, True),
    (KEY, "enableKeyRotation", False, True),
    (KEY, "isEnabled", False, True),
    (PARAMETERS, 'parameters["rds.force_ssl"]', "0", "1"),
    (LISTENER, "protocol", "HTTP", "HTTPS"),
    (BALANCER, "enableDeletionProtection", False, True),
    (EC2, "disableApiTermination", False, True),
    (RDS, "deleteAutomatedBackups", True, False),
    (RDS, "skipFinalSnapshot", True, False),
    (VERSIONING, "versioningConfiguration.status", "Suspended", "Enabled"),
    (KEY, "deletionWindowInDays", 7, 30),
    (EC2, "metadataOptions.httpTokens", "optional", "required"),
    (EC2, "metadataOptions.httpPutResponseHopLimit", 2, 1),
    (EC2, "metadataOptions.instanceMetadataTags", "enabled", "disabled"),
    (EC2, "keyName", "mine", None),
    (RDS, "iamDatabaseAuthenticationEnabled", False, True),
    (RDS, "manageMasterUserPassword", None, True),
    (PUBLIC, "blockPublicAcls", False, True),
    (BALANCER, "dropInvalidHeaderFields", False, True),
    (BALANCER, "desyncMitigationMode", "monitor", "defensive"),
    (FLOW, "trafficType", "REJECT", "ALL"),
    (ALARM, "actionsEnabled", False, True),
    (EC2, "instanceState", "stopped", "running"),
    (RDS, "status", "stopped", "available"),
    (EC2, "monitoring", True, False),
    (LOG, "retentionInDays", 30, None),
    (RDS, "backupRetentionPeriod", 7, "[secret]"),
]
CASES = [
    (case, weight)
    for cases, weight in (
        (REGRESSIONS, Weight.REGRESSION),
        (OUTAGES, Weight.OUTAGE),
        (HARMLESS, Weight.HARMLESS),
        (UNKNOWN, Weight.UNKNOWN),
    )
    for case in cases
]


def difference(case: tuple[str, str, Any, Any]) -> Difference:
    type_, path, before, after = case
    return Difference(type_, "thing", "urn::thing", path, before, after)


@pytest.mark.parametrize(("case", "weight"), CASES)
def test_what_a_change_by_hand_is(case: tuple[str, str, Any, Any], weight: Weight) -> None:
    assert judge(difference(case)).weight is weight


def test_every_rule_is_needed() -> None:
    """Without any of them something is judged otherwise: none is idle, hidden by another one, or said twice."""
    for number, rule in enumerate(RULES):
        others = [*RULES[:number], *RULES[number + 1 :]]
        changed = [c for c, _ in CASES if judge(difference(c), others) != judge(difference(c))]
        assert changed, rule


def test_a_table_without_the_rule_says_that_it_does_not_know() -> None:
    finding = judge(difference((RDS, "deletionProtection", True, False)), [])
    assert (finding.weight, finding.why) == (Weight.UNKNOWN, "no rule knows it")


def test_gone_is_a_path_of_its_own() -> None:
    assert judge(difference((EC2, "", None, None))).path == GONE
