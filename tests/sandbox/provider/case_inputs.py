"""Inputs of the types whose properties are more than a line."""

import json
from typing import Any

from tests.sandbox.provider.world import ACCOUNT, Stack, image

Inputs = dict[str, Any]


def bucket_policy_inputs(stack: Stack, effect: str) -> Inputs:
    statement = {
        "Effect": effect,
        "Principal": "*",
        "Action": ["s3:*"],
        "Resource": f"{stack.arn('bucket')}/*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return {"bucket": stack.id("bucket"), "policy": policy}


def encryption_inputs(stack: Stack, key: str) -> Inputs:
    default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": stack.arn(key)}
    rule = {"applyServerSideEncryptionByDefault": default, "bucketKeyEnabled": True}
    return {"bucket": stack.id("bucket"), "rules": [rule]}


def lifecycle_inputs(stack: Stack, days: int) -> Inputs:
    rule = {
        "id": "old-versions",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrentVersionExpiration": {"noncurrentDays": days},
        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
    }
    return {"bucket": stack.id("bucket"), "rules": [rule]}


def topic_policy_inputs(stack: Stack, sid: str) -> Inputs:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": ["sns:Publish"],
        "Resource": stack.arn("topic"),
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return {"arn": stack.arn("topic"), "policy": policy}


def rule_inputs(stack: Stack, **more: Any) -> Inputs:
    return {"securityGroupId": stack.id("group"), "ipProtocol": "tcp", "fromPort": 8080, "toPort": 8080, **more}


def machine_inputs(stack: Stack, **more: Any) -> Inputs:
    disk = {"volumeType": "gp3", "volumeSize": 20, "encrypted": True, "kmsKeyId": stack.arn("key")}
    return {
        "ami": image(stack.sandbox),
        "instanceType": "t4g.small",
        "subnetId": stack.id("subnet-a"),
        "associatePublicIpAddress": True,
        "vpcSecurityGroupIds": [stack.id("group")],
        "iamInstanceProfile": stack.id("profile"),
        "metadataOptions": {"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
        "rootBlockDevice": {**disk, "deleteOnTermination": True},
        "monitoring": True,
        "disableApiTermination": True,
        "forceDestroy": True,
        "userData": "#cloud-config\nwrite_files: []\n",
        **more,
    }


def listener_inputs(stack: Stack, targets: str = "targets", **more: Any) -> Inputs:
    action = {"type": "forward", "targetGroupArn": stack.id(targets)}
    return {
        "loadBalancerArn": stack.id("balancer"),
        "port": 8080,
        "protocol": "HTTP",
        "defaultActions": [action],
        **more,
    }


def alarm_inputs(threshold: float, **more: Any) -> Inputs:
    return {
        "name": "the-alarm",
        "namespace": "AWS/EC2",
        "metricName": "StatusCheckFailed",
        "dimensions": {"InstanceId": "i-0123456789abcdef0"},
        "statistic": "Maximum",
        "period": 300,
        "evaluationPeriods": 3,
        "comparisonOperator": "GreaterThanOrEqualToThreshold",
        "threshold": threshold,
        "treatMissingData": "breaching",
        "alarmActions": [f"arn:aws:sns:eu-west-1:{ACCOUNT}:the-topic"],
        **more,
    }


def parameters_inputs(**values: str) -> list[Inputs]:
    return [{"name": f"{k}", "value": v, "applyMethod": "immediate"} for k, v in values.items()]


def endpoint_inputs(stack: Stack, *tables: str) -> Inputs:
    service = f"com.amazonaws.{stack.engine.region}.s3"
    return {"vpcId": stack.id("vpc"), "serviceName": service, "routeTableIds": [stack.id(t) for t in tables]}


def flow_log_inputs(stack: Stack, **more: Any) -> Inputs:
    role, logs = stack.arn("role"), stack.arn("logs")
    return {"vpcId": stack.id("vpc"), "trafficType": "ALL", "logDestination": logs, "iamRoleArn": role, **more}
