"""Alarms of the tenant, and the topic that carries them."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from provisioner.model.stack import metrics_namespace
from stacks.policies import allow, document
from stacks.scope import Scope

_GIB = 1024**3
_MIB = 1024**2
_PERIOD = 300


@dataclass(frozen=True, slots=True)
class Alarm:
    """One metric against one threshold for 15 minutes. `missing`: what silence means (AWS's `treatMissingData`);
    `path`: the file system, where the metric is one's."""

    name: str
    namespace: str
    metric: str
    threshold: float
    below: bool = False
    statistic: str = "Average"
    missing: str = "missing"
    path: str | None = None


@dataclass(frozen=True, slots=True)
class WatchArgs:
    """What is watched: dimensions of machine, database and (where there is one) balancer."""

    scope: Scope
    key_arn: pulumi.Input[str]
    machine: Mapping[str, pulumi.Input[str]]
    database: Mapping[str, pulumi.Input[str]]
    balancer: Mapping[str, pulumi.Input[str]] | None


class Watch(pulumi.ComponentResource):
    """An encrypted topic, and an alarm for each way in which a tenant is known to fall ill."""

    topic_arn: pulumi.Output[str]

    def __init__(self, name: str, args: WatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:Watch", name, None, opts)
        self._scope = args.scope
        self._named = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        self.topic_arn = self._topic(args.key_arn)
        watched = [(a, args.machine) for a in _machine_alarms(self._scope)]
        watched += [(a, args.database) for a in _database_alarms(self._scope)]
        watched += [(a, args.balancer) for a in _BALANCER_ALARMS if args.balancer is not None]
        for alarm, dimensions in watched:
            self._alarm(alarm, dimensions)
        self.register_outputs({"topic_arn": self.topic_arn})

    def _topic(self, key_arn: pulumi.Input[str]) -> pulumi.Output[str]:
        scope = self._scope
        topic = aws.sns.Topic(
            "alarms",
            name=scope.physical("alarms"),
            # CloudWatch can't publish to a topic under AWS's own key.
            kms_master_key_id=key_arn,
            tags=scope.tags("alarms"),
            opts=self._named,
        )
        publish = allow(
            ["sns:Publish"],
            [topic.arn],
            service="cloudwatch.amazonaws.com",
            condition={
                "StringEquals": {"aws:SourceAccount": scope.args.account},
                "ArnLike": {"aws:SourceArn": scope.arn("cloudwatch", f"alarm:{scope.physical('*')}")},
            },
        )
        aws.sns.TopicPolicy("alarms-policy", arn=topic.arn, policy=document(publish), opts=self._named)
        arn: pulumi.Output[str] = topic.arn
        return arn

    def _alarm(self, alarm: Alarm, dimensions: Mapping[str, pulumi.Input[str]]) -> None:
        aws.cloudwatch.MetricAlarm(
            alarm.name,
            name=self._scope.physical(alarm.name),
            alarm_description=f"{alarm.metric} of tenant {self._scope.args.tenant}",
            namespace=alarm.namespace,
            metric_name=alarm.metric,
            dimensions={**dimensions, "path": alarm.path} if alarm.path else dimensions,
            statistic=alarm.statistic,
            period=_PERIOD,
            evaluation_periods=3,
            comparison_operator="LessThanThreshold" if alarm.below else "GreaterThanOrEqualToThreshold",
            threshold=alarm.threshold,
            treat_missing_data=alarm.missing,
            alarm_actions=[self.topic_arn],
            ok_actions=[self.topic_arn],
            tags=self._scope.tags(alarm.name),
            opts=self._named,
        )


def _machine_alarms(scope: Scope) -> list[Alarm]:
    return [
        Alarm("machine-status", "AWS/EC2", "StatusCheckFailed", 1, statistic="Maximum", missing="breaching"),
        Alarm("machine-disk", metrics_namespace(scope.args.tenant), "disk_used_percent", 85, path="/"),
        *_cpu("machine", "AWS/EC2", burstable=scope.sizing.instance_type.startswith("t")),
    ]


def _database_alarms(scope: Scope) -> list[Alarm]:
    space = scope.sizing.database_storage_gib * _GIB * 0.15
    return [
        *_cpu("database", "AWS/RDS", burstable=scope.sizing.database_class.startswith("db.t")),
        Alarm("database-space", "AWS/RDS", "FreeStorageSpace", space, below=True, missing="breaching"),
        Alarm("database-memory", "AWS/RDS", "FreeableMemory", 64 * _MIB, below=True),
        # The smallest class allows about 110; PostgreSQL keeps some for its superuser.
        Alarm("database-connections", "AWS/RDS", "DatabaseConnections", 80),
    ]


def _cpu(subject: str, namespace: str, *, burstable: bool) -> list[Alarm]:
    """A burstable class is slow, too, when its credit is used up; what it has beyond that costs extra."""
    busy = Alarm(f"{subject}-cpu", namespace, "CPUUtilization", 90)
    return (
        [busy, Alarm(f"{subject}-cpu-credit", namespace, "CPUCreditBalance", 20, below=True)] if burstable else [busy]
    )


_BALANCER_ALARMS = (
    # Nothing is said of it while there is none.
    Alarm(
        "balancer-errors",
        "AWS/ApplicationELB",
        "HTTPCode_Target_5XX_Count",
        10,
        statistic="Sum",
        missing="notBreaching",
    ),
    Alarm("balancer-unhealthy", "AWS/ApplicationELB", "UnHealthyHostCount", 1, statistic="Maximum"),
)
