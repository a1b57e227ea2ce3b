"""One case for each type: inputs, a change in place (None: there is none), and a change that needs a new resource."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.sandbox.provider.case_inputs import (
    Inputs,
    alarm_inputs,
    bucket_policy_inputs,
    encryption_inputs,
    endpoint_inputs,
    flow_log_inputs,
    lifecycle_inputs,
    listener_inputs,
    machine_inputs,
    parameters_inputs,
    rule_inputs,
    topic_policy_inputs,
)
from tests.sandbox.provider.world import Stack, allow, trust


@dataclass(frozen=True)
class Case:
    """`imports`: the id by which it is imported, where it isn't the id in the state."""

    inputs: Callable[[Stack], Inputs]
    change: Callable[[Stack], Inputs] | None = None
    replace: Callable[[Stack], Inputs] | None = None
    tagged: bool = True
    imports: Callable[[Stack, str], str] | None = None
    outputs: tuple[str, ...] = field(default=("arn",))


def fixed(**values: Any) -> Callable[[Stack], Inputs]:
    return lambda _stack: dict(values)


CASES: dict[str, Case] = {
    "aws:ec2/vpc:Vpc": Case(
        fixed(cidrBlock="10.1.0.0/16", enableDnsHostnames=True),
        fixed(cidrBlock="10.1.0.0/16", enableDnsHostnames=False),
        fixed(cidrBlock="10.2.0.0/16", enableDnsHostnames=True),
        outputs=("arn", "mainRouteTableId", "defaultSecurityGroupId", "defaultNetworkAclId", "ownerId"),
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Case(
        lambda s: {"vpcId": s.id("vpc"), "ingress": [], "egress": []}, outputs=("arn", "name", "ownerId")
    ),
    "aws:ec2/subnet:Subnet": Case(
        lambda s: {"vpcId": s.id("vpc"), "cidrBlock": "10.0.9.0/24", "availabilityZone": "eu-west-1c"},
        lambda s: {
            "vpcId": s.id("vpc"),
            "cidrBlock": "10.0.9.0/24",
            "availabilityZone": "eu-west-1c",
            "mapPublicIpOnLaunch": True,
        },
        lambda s: {"vpcId": s.id("vpc"), "cidrBlock": "10.0.10.0/24", "availabilityZone": "eu-west-1c"},
        outputs=("arn", "availabilityZoneId"),
    ),
    "aws:ec2/internetGateway:InternetGateway": Case(lambda s: {"vpcId": s.id("vpc")}, fixed()),
    "aws:ec2/natGateway:NatGateway": Case(
        lambda s: {"subnetId": s.id("subnet-a"), "allocationId": s.id("address")},
        replace=lambda s: {"subnetId": s.id("subnet-b"), "allocationId": s.id("address")},
        outputs=("publicIp", "privateIp"),
    ),
    "aws:ec2/routeTable:RouteTable": Case(lambda s: {"vpcId": s.id("vpc")}, replace=fixed(vpcId="vpc-2")),
    "aws:ec2/route:Route": Case(
        lambda s: {
            "routeTableId": s.id("table"),
            "destinationCidrBlock": "0.0.0.0/0",
            "gatewayId": s.id("gateway"),
        },
        replace=lambda s: {
            "routeTableId": s.id("table"),
            "destinationCidrBlock": "192.168.0.0/16",
            "gatewayId": s.id("gateway"),
        },
        tagged=False,
        imports=lambda s, _id: f"{s.id('table')}_0.0.0.0/0",
        outputs=("state", "origin"),
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Case(
        lambda s: {"subnetId": s.id("subnet-a"), "routeTableId": s.id("table")},
        replace=lambda s: {"subnetId": s.id("subnet-b"), "routeTableId": s.id("table")},
        tagged=False,
        imports=lambda s, _id: f"{s.id('subnet-a')}/{s.id('table')}",
        outputs=(),
    ),
    "aws:ec2/securityGroup:SecurityGroup": Case(
        lambda s: {"vpcId": s.id("vpc"), "description": "to be tested"},
        replace=lambda s: {"vpcId": s.id("vpc"), "description": "another"},
        outputs=("arn", "name", "ownerId"),
    ),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Case(
        lambda s: rule_inputs(s, cidrIpv4="0.0.0.0/0", description="the product"),
        lambda s: rule_inputs(s, cidrIpv4="10.0.0.0/8", description="the product"),
        lambda s: rule_inputs(s, referencedSecurityGroupId=s.id("group-2"), description="the product"),
        outputs=("arn", "securityGroupRuleId"),
    ),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Case(
        lambda s: {"securityGroupId": s.id("group"), "ipProtocol": "-1", "cidrIpv4": "0.0.0.0/0"},
        lambda s: {"securityGroupId": s.id("group"), "ipProtocol": "-1", "cidrIpv4": "10.0.0.0/8"},
        lambda s: {
            "securityGroupId": s.id("group"),
            "ipProtocol": "-1",
            "referencedSecurityGroupId": s.id("group-2"),
        },
        outputs=("arn", "securityGroupRuleId"),
    ),
    "aws:ec2/eip:Eip": Case(fixed(domain="vpc"), outputs=("publicIp", "allocationId", "publicDns", "arn")),
    "aws:ec2/eipAssociation:EipAssociation": Case(
        lambda s: {"allocationId": s.id("address"), "instanceId": s.id("machine"), "allowReassociation": True},
        replace=lambda s: {"allocationId": s.id("address"), "instanceId": "i-other", "allowReassociation": True},
        tagged=False,
        outputs=("publicIp", "networkInterfaceId"),
    ),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Case(
        lambda s: endpoint_inputs(s, "table"),
        endpoint_inputs,
        lambda s: {**endpoint_inputs(s, "table"), "serviceName": "com.amazonaws.eu-west-1.dynamodb"},
        outputs=("arn", "state", "prefixListId"),
    ),
    "aws:ec2/flowLog:FlowLog": Case(flow_log_inputs, replace=lambda s: flow_log_inputs(s, trafficType="REJECT")),
    "aws:ec2/instance:Instance": Case(
        machine_inputs,
        lambda s: machine_inputs(
            s,
            instanceType="t4g.medium",
            vpcSecurityGroupIds=[s.id("group-2"), s.id("group")],
            metadataOptions={"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 2},
            rootBlockDevice={**machine_inputs(s)["rootBlockDevice"], "volumeSize": 30},
            disableApiTermination=False,
            monitoring=False,
            userData="#cloud-config\nwrite_files: [] # changed\n",
        ),
        lambda s: machine_inputs(s, subnetId=s.id("subnet-b")),
        outputs=("arn", "privateIp", "privateDns", "instanceState", "primaryNetworkInterfaceId"),
    ),
    "aws:ebs/volume:Volume": Case(
        lambda s: {
            "availabilityZone": "eu-west-1a",
            "size": 8,
            "type": "gp3",
            "kmsKeyId": s.arn("key"),
            "encrypted": True,
        },
        lambda s: {
            "availabilityZone": "eu-west-1a",
            "size": 9,
            "type": "gp3",
            "kmsKeyId": s.arn("key"),
            "encrypted": True,
        },
        fixed(availabilityZone="eu-west-1b", size=8, type="gp3", encrypted=True),
    ),
    "aws:ec2/volumeAttachment:VolumeAttachment": Case(
        lambda s: {"volumeId": s.id("volume"), "instanceId": s.id("machine"), "deviceName": "/dev/sdh"},
        replace=lambda s: {"volumeId": s.id("volume"), "instanceId": "i-other", "deviceName": "/dev/sdh"},
        tagged=False,
        imports=lambda s, _id: f"/dev/sdh:{s.id('volume')}:{s.id('machine')}",
        outputs=(),
    ),
    "aws:lb/loadBalancer:LoadBalancer": Case(
        lambda s: {
            "subnets": [s.id("subnet-a"), s.id("subnet-b")],
            "securityGroups": [s.id("group")],
            "dropInvalidHeaderFields": True,
            "desyncMitigationMode": "defensive",
        },
        lambda s: {
            "subnets": [s.id("subnet-a"), s.id("subnet-b")],
            "securityGroups": [s.id("group"), s.id("group-2")],
            "dropInvalidHeaderFields": True,
            "desyncMitigationMode": "strictest",
            "idleTimeout": 30,
        },
        lambda s: {"subnets": [s.id("subnet-a"), s.id("subnet-b")], "internal": True},
        outputs=("arn", "dnsName", "zoneId", "arnSuffix"),
    ),
    "aws:lb/targetGroup:TargetGroup": Case(
        lambda s: {
            "port": 8080,
            "protocol": "HTTP",
            "vpcId": s.id("vpc"),
            "deregistrationDelay": 30,
            "healthCheck": {"path": "/healthz", "matcher": "200", "interval": 10, "timeout": 5},
        },
        lambda s: {
            "port": 8080,
            "protocol": "HTTP",
            "vpcId": s.id("vpc"),
            "deregistrationDelay": 60,
            "healthCheck": {"path": "/healthz", "matcher": "200-299", "interval": 15, "timeout": 5},
        },
        lambda s: {"port": 9090, "protocol": "HTTP", "vpcId": s.id("vpc")},
        outputs=("arn", "arnSuffix"),
    ),
    "aws:lb/listener:Listener": Case(
        listener_inputs,
        lambda s: listener_inputs(s, "targets-2"),
        lambda s: listener_inputs(s, loadBalancerArn="arn:aws:other"),
    ),
    "aws:lb/targetGroupAttachment:TargetGroupAttachment": Case(
        lambda s: {"targetGroupArn": s.id("targets"), "targetId": s.id("machine"), "port": 8080},
        replace=lambda s: {"targetGroupArn": s.id("targets"), "targetId": s.id("machine"), "port": 8081},
        tagged=False,
        outputs=(),
    ),
    "aws:rds/parameterGroup:ParameterGroup": Case(
        fixed(family="postgres17", parameters=parameters_inputs(**{"rds.force_ssl": "1", "log_connections": "1"})),
        fixed(family="postgres17", parameters=parameters_inputs(**{"rds.force_ssl": "1", "log_lock_waits": "1"})),
        fixed(family="postgres16", parameters=[]),
    ),
    "aws:rds/subnetGroup:SubnetGroup": Case(
        lambda s: {"name": "the-subnets", "subnetIds": [s.id("subnet-a"), s.id("subnet-b")]},
        lambda s: {
            "name": "the-subnets",
            "subnetIds": [s.id("subnet-b"), s.id("subnet-a")],
            "description": "other words",
        },
        lambda s: {"name": "others", "subnetIds": [s.id("subnet-a"), s.id("subnet-b")]},
        outputs=("arn", "vpcId"),
    ),
    "aws:kms/key:Key": Case(
        fixed(description="one", enableKeyRotation=True, deletionWindowInDays=7, policy=allow("kms:*")),
        fixed(description="two", enableKeyRotation=False, deletionWindowInDays=7, policy=allow("kms:Decrypt")),
        fixed(description="one", enableKeyRotation=True, multiRegion=True),
        outputs=("arn", "keyId"),
    ),
    "aws:kms/alias:Alias": Case(
        lambda s: {"name": "alias/tenant", "targetKeyId": s.id("key")},
        lambda s: {"name": "alias/tenant", "targetKeyId": s.id("key-2")},
        lambda s: {"name": "alias/other", "targetKeyId": s.id("key")},
        tagged=False,
        outputs=("arn", "targetKeyArn"),
    ),
    "aws:iam/role:Role": Case(
        fixed(assumeRolePolicy=trust("ec2.amazonaws.com"), description="one"),
        fixed(assumeRolePolicy=trust("rds.amazonaws.com"), description="two", maxSessionDuration=7200),
        fixed(assumeRolePolicy=trust("ec2.amazonaws.com"), path="/tenant/"),
        outputs=("arn", "uniqueId", "name"),
    ),
    "aws:iam/policy:Policy": Case(
        fixed(policy=allow("s3:GetObject")),
        fixed(policy=allow("s3:PutObject")),
        fixed(policy=allow("s3:GetObject"), description="another"),
        outputs=("arn", "policyId"),
    ),
    "aws:iam/rolePolicy:RolePolicy": Case(
        lambda s: {"role": s.id("role"), "name": "inline", "policy": allow("s3:GetObject")},
        lambda s: {"role": s.id("role"), "name": "inline", "policy": allow("s3:PutObject")},
        lambda s: {"role": s.id("role"), "name": "other", "policy": allow("s3:GetObject")},
        tagged=False,
        outputs=(),
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Case(
        lambda s: {"role": s.id("role"), "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"},
        replace=lambda s: {"role": s.id("role"), "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        tagged=False,
        outputs=(),
    ),
    "aws:iam/instanceProfile:InstanceProfile": Case(
        lambda s: {"role": s.id("role")}, fixed(), lambda s: {"role": s.id("role"), "path": "/x/"}
    ),
    "aws:secretsmanager/secret:Secret": Case(
        lambda s: {"description": "one", "kmsKeyId": s.arn("key"), "recoveryWindowInDays": 0},
        lambda s: {"description": "two", "kmsKeyId": s.arn("key-2"), "recoveryWindowInDays": 0},
        fixed(name="another", recoveryWindowInDays=0),
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Case(
        lambda s: {"secretId": s.id("secret"), "secretString": "one"},
        replace=lambda s: {"secretId": s.id("secret"), "secretString": "two"},
        tagged=False,
        outputs=("arn", "versionId"),
    ),
    "aws:ssm/parameter:Parameter": Case(
        fixed(name="/tenant/one", type="String", value="a"),
        fixed(name="/tenant/one", type="String", value="b", description="changed"),
        fixed(name="/tenant/two", type="String", value="a"),
        outputs=("arn", "version"),
    ),
    "aws:s3/bucket:Bucket": Case(
        fixed(forceDestroy=True),
        fixed(forceDestroy=False),
        fixed(bucket="another-bucket"),
        outputs=("arn", "bucketRegionalDomainName", "bucket"),
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Case(
        lambda s: {"bucket": s.id("bucket"), "versioningConfiguration": {"status": "Enabled"}},
        lambda s: {"bucket": s.id("bucket"), "versioningConfiguration": {"status": "Suspended"}},
        fixed(bucket="other", versioningConfiguration={"status": "Enabled"}),
        tagged=False,
        outputs=(),
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Case(
        lambda s: encryption_inputs(s, "key"), lambda s: encryption_inputs(s, "key-2"), tagged=False, outputs=()
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Case(
        lambda s: {
            "bucket": s.id("bucket"),
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        lambda s: {"bucket": s.id("bucket"), "blockPublicAcls": True},
        fixed(bucket="other"),
        tagged=False,
        outputs=(),
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Case(
        lambda s: lifecycle_inputs(s, 90), lambda s: lifecycle_inputs(s, 30), tagged=False, outputs=()
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Case(
        lambda s: {"bucket": s.id("bucket"), "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        lambda s: {"bucket": s.id("bucket"), "rule": {"objectOwnership": "BucketOwnerPreferred"}},
        tagged=False,
        outputs=(),
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Case(
        lambda s: bucket_policy_inputs(s, "Deny"), lambda s: bucket_policy_inputs(s, "Allow"), tagged=False, outputs=()
    ),
    "aws:cloudwatch/logGroup:LogGroup": Case(
        lambda s: {"name": "/tenant/case", "retentionInDays": 30, "kmsKeyId": s.arn("key")},
        lambda s: {"name": "/tenant/case", "retentionInDays": 365, "kmsKeyId": s.arn("key-2")},
        fixed(name="/tenant/other"),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Case(
        fixed(**alarm_inputs(1)), fixed(**alarm_inputs(2, period=60)), fixed(**alarm_inputs(1, name="another"))
    ),
    "aws:sns/topic:Topic": Case(
        lambda s: {"kmsMasterKeyId": s.arn("key")},
        lambda s: {"kmsMasterKeyId": s.arn("key-2"), "displayName": "Alarms"},
        fixed(name="another"),
        outputs=("arn", "owner", "name"),
    ),
    "aws:sns/topicPolicy:TopicPolicy": Case(
        lambda s: topic_policy_inputs(s, "one"),
        lambda s: topic_policy_inputs(s, "two"),
        tagged=False,
        outputs=("owner",),
    ),
    "aws:sns/topicSubscription:TopicSubscription": Case(
        lambda s: {"topic": s.arn("topic"), "protocol": "email", "endpoint": "ops@example.com"},
        replace=lambda s: {"topic": s.arn("topic"), "protocol": "email", "endpoint": "other@example.com"},
        tagged=False,
    ),
    "aws:route53/zone:Zone": Case(
        fixed(name="case.test", comment="one"),
        fixed(name="case.test", comment="two"),
        fixed(name="other.test"),
        outputs=("arn", "zoneId", "nameServers"),
    ),
    "aws:route53/record:Record": Case(
        lambda s: {"zoneId": s.id("zone"), "name": "www.stack.test", "type": "A", "ttl": 60, "records": ["10.0.0.1"]},
        lambda s: {"zoneId": s.id("zone"), "name": "www.stack.test", "type": "A", "ttl": 30, "records": ["10.0.0.2"]},
        lambda s: {"zoneId": s.id("zone"), "name": "web.stack.test", "type": "A", "ttl": 60, "records": ["10.0.0.1"]},
        tagged=False,
        outputs=("fqdn",),
    ),
    "aws:acm/certificate:Certificate": Case(
        fixed(domainName="case.stack.test", validationMethod="DNS"),
        replace=fixed(domainName="other.stack.test", validationMethod="DNS"),
        outputs=("arn", "domainValidationOptions", "status"),
    ),
}
