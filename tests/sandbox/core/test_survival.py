"""An object in each service outlives an orderly stop and a kill -9, with what it points to."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sandbox.conftest import Sandbox

ROLE = '{"Version": "2012-10-17", "Statement": []}'
BUCKET = {"Bucket": "kept", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
Client = Callable[[str], Any]


def _kms_sign(c: Client) -> Any:
    key = c("kms").list_aliases()["Aliases"][0]["TargetKeyId"]
    return c("kms").get_public_key(KeyId=key)["PublicKey"]


MAKE: dict[str, Callable[[Client], Any]] = {
    "ec2": lambda c: c("ec2").create_vpc(CidrBlock="10.9.0.0/16"),
    "rds": lambda c: c("rds").create_db_parameter_group(
        DBParameterGroupName="kept", DBParameterGroupFamily="postgres17", Description="kept"
    ),
    "kms": lambda c: c("kms").create_alias(
        AliasName="alias/kept",
        TargetKeyId=c("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"],
    ),
    "iam": lambda c: c("iam").create_role(RoleName="kept", AssumeRolePolicyDocument=ROLE),
    "s3": lambda c: (c("s3").create_bucket(**BUCKET), c("s3").put_object(Bucket="kept", Key="a b/ü", Body=b"\x00data")),
    "secretsmanager": lambda c: c("secretsmanager").create_secret(Name="kept", SecretString="hidden"),
    "ssm": lambda c: c("ssm").put_parameter(Name="/kept", Value="1", Type="String"),
    "cloudwatch": lambda c: c("cloudwatch").put_metric_alarm(
        AlarmName="kept", EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold", MetricName="m", Namespace="n",
        Period=60, Statistic="Sum", Threshold=1.0,
    ),
    "logs": lambda c: c("logs").create_log_group(logGroupName="/kept"),
    "route53": lambda c: c("route53").create_hosted_zone(Name="kept.test", CallerReference="1"),
    "sns": lambda c: c("sns").create_topic(Name="kept"),
    "sqs": lambda c: c("sqs").create_queue(QueueName="kept"),
    "elbv2": lambda c: c("elbv2").create_target_group(Name="kept", Protocol="HTTP", Port=80, VpcId=_vpc(c)),
    "acm": lambda c: c("acm").request_certificate(DomainName="kept.test", ValidationMethod="DNS"),
    "backup": lambda c: c("backup").create_backup_vault(BackupVaultName="kept"),
    "events": lambda c: c("events").put_rule(Name="kept", ScheduleExpression="rate(1 day)"),
    "budgets": lambda c: c("budgets").create_budget(
        AccountId="123456789012", Budget={
            "BudgetName": "kept", "TimeUnit": "MONTHLY", "BudgetType": "COST",
            "BudgetLimit": {"Amount": "1", "Unit": "USD"},
        },
    ),
}  # fmt: skip
READ: dict[str, Callable[[Client], Any]] = {
    "ec2": lambda c: sorted((v["VpcId"], v["CidrBlock"]) for v in c("ec2").describe_vpcs()["Vpcs"]),
    "rds": lambda c: c("rds").describe_db_parameter_groups(DBParameterGroupName="kept")["DBParameterGroups"],
    "kms": _kms_sign,
    "iam": lambda c: c("iam").get_role(RoleName="kept")["Role"]["RoleId"],
    "s3": lambda c: c("s3").get_object(Bucket="kept", Key="a b/ü")["Body"].read(),
    "secretsmanager": lambda c: c("secretsmanager").get_secret_value(SecretId="kept")["SecretString"],
    "ssm": lambda c: c("ssm").get_parameter(Name="/kept")["Parameter"],
    "cloudwatch": lambda c: [a["AlarmArn"] for a in c("cloudwatch").describe_alarms()["MetricAlarms"]],
    "logs": lambda c: c("logs").describe_log_groups(logGroupNamePrefix="/kept")["logGroups"],
    "route53": lambda c: c("route53").list_hosted_zones()["HostedZones"],
    "sns": lambda c: c("sns").list_topics()["Topics"],
    "sqs": lambda c: c("sqs").get_queue_url(QueueName="kept")["QueueUrl"],
    "elbv2": lambda c: c("elbv2").describe_target_groups()["TargetGroups"],
    "acm": lambda c: [s["CertificateArn"] for s in c("acm").list_certificates()["CertificateSummaryList"]],
    "backup": lambda c: c("backup").describe_backup_vault(BackupVaultName="kept")["CreationDate"],
    "events": lambda c: c("events").list_rules()["Rules"],
    "budgets": lambda c: c("budgets").describe_budgets(AccountId="123456789012")["Budgets"][0]["BudgetName"],
}


def _vpc(c: Client) -> str:
    return str(c("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"])


@pytest.fixture(scope="module")
def kept(sandbox: Sandbox) -> dict[str, Any]:
    for make in MAKE.values():
        make(sandbox.client)
    role = sandbox.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/kept", RoleSessionName="kept")
    return {name: read(sandbox.client) for name, read in READ.items()} | {"session": role["Credentials"]}


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_an_object_of_each_service_is_there_again(sandbox: Sandbox, kept: dict[str, Any], end: str) -> None:
    port = sandbox.info.endpoint_url
    sandbox.control.stop() if end == "stop" else sandbox.kill()
    assert sandbox.control.running() is None
    sandbox.start()
    assert sandbox.info.endpoint_url == port, "machines that outlive a daemon know its port"
    assert {name: read(sandbox.client) for name, read in READ.items()} == {k: v for k, v in kept.items() if k in READ}
    sandbox.client("ssm").put_parameter(Name=f"/new-{end}", Value="1", Type="String")


def test_a_role_session_outlives_the_daemon(sandbox: Sandbox, kept: dict[str, Any]) -> None:
    import boto3

    sandbox.kill()
    sandbox.start()
    keys = kept["session"]
    sts = boto3.client(
        "sts", region_name="eu-west-1", endpoint_url=sandbox.info.endpoint_url,
        aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )  # fmt: skip
    assert sts.get_caller_identity()["Arn"] == "arn:aws:sts::123456789012:assumed-role/kept/kept"
