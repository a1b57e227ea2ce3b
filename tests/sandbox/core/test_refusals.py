"""What the sandbox can't do, and who may not ask it: errors in AWS's shape, and no retries of what is for good."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.sandbox.conftest import Sandbox


@pytest.mark.parametrize(
    ("service", "call", "operation"),
    [
        ("ec2", lambda c: c.describe_fast_launch_images(), "DescribeFastLaunchImages"),
        ("rds", lambda c: c.describe_account_attributes(), "DescribeAccountAttributes"),
        ("iam", lambda c: c.list_service_specific_credentials(), "ListServiceSpecificCredentials"),
        ("ssm", lambda c: c.list_ops_metadata(), "ListOpsMetadata"),
        ("cloudwatch", lambda c: c.describe_anomaly_detectors(), "DescribeAnomalyDetectors"),
        (
            "acm",
            lambda c: c.update_certificate_options(CertificateArn="a" * 20, Options={}),
            "UpdateCertificateOptions",
        ),
        ("backup", lambda c: c.list_backup_jobs(), "ListBackupJobs"),
        ("route53", lambda c: c.list_traffic_policies(), "ListTrafficPolicies"),
        ("elb", lambda c: c.describe_load_balancers(), "DescribeLoadBalancers"),
        ("dynamodb", lambda c: c.list_tables(), "ListTables"),
        ("lambda", lambda c: c.list_functions(), "ListFunctions"),
    ],
)
def test_unsupported_operations_say_so_in_each_protocol(
    sandbox: Sandbox, service: str, call: Callable[[Any], Any], operation: str
) -> None:
    with pytest.raises(ClientError) as problem:
        call(sandbox.client(service, retries={"mode": "standard", "total_max_attempts": 5}))
    response = problem.value.response
    assert response["Error"]["Code"] == "NotSupportedBySandbox"
    assert response["Error"]["Message"] == f"{service}.{operation} is not supported by the sandbox"
    assert response["ResponseMetadata"]["RetryAttempts"] == 0


def _with_keys(sandbox: Sandbox, service: str, key: str, secret: str = "s", token: str | None = None) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service, region_name="eu-west-1", endpoint_url=sandbox.info.endpoint_url,
        aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("sts", lambda c: c.get_caller_identity(), "InvalidClientTokenId"),
        ("ec2", lambda c: c.describe_vpcs(), "AuthFailure"),
        ("ssm", lambda c: c.describe_parameters(), "UnrecognizedClientException"),
        ("s3", lambda c: c.list_buckets(), "InvalidAccessKeyId"),
    ],
)
def test_unknown_keys_are_refused(sandbox: Sandbox, service: str, call: Callable[[Any], Any], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        call(_with_keys(sandbox, service, "AKIAIOSFODNN7STRANGE"))


def test_keys_of_users_and_sessions_work_until_they_expire(sandbox: Sandbox) -> None:
    iam, sts = sandbox.client("iam"), sandbox.client("sts")
    iam.create_user(UserName="ci")
    key = iam.create_access_key(UserName="ci")["AccessKey"]
    mine = _with_keys(sandbox, "sts", key["AccessKeyId"], key["SecretAccessKey"])
    assert mine.get_caller_identity()["Arn"].endswith(":user/ci")
    role = iam.create_role(RoleName="short", AssumeRolePolicyDocument='{"Version": "2012-10-17"}')["Role"]["Arn"]
    keys = sts.assume_role(RoleArn=role, RoleSessionName="work", DurationSeconds=900)["Credentials"]
    session = _with_keys(sandbox, "sts", keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
    assert session.get_caller_identity()["Arn"].endswith("assumed-role/short/work")


def test_presigned_urls_and_unsigned_requests(sandbox: Sandbox) -> None:
    import urllib.error
    import urllib.request

    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket="presigned", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="presigned", Key="k", Body=b"content")
    url = s3.generate_presigned_url("get_object", {"Bucket": "presigned", "Key": "k"})
    assert urllib.request.urlopen(url).read() == b"content"
    for path in ("/presigned/k", "/moto-api/data.json", "/"):
        with pytest.raises(urllib.error.HTTPError) as problem:
            urllib.request.urlopen(sandbox.info.endpoint_url + path)
        assert problem.value.code == 403


def test_moto_cannot_be_reset_behind_our_back(sandbox: Sandbox) -> None:
    import urllib.error
    import urllib.request

    sandbox.client("ssm").put_parameter(Name="stays", Value="1", Type="String")
    request = urllib.request.Request(f"{sandbox.info.endpoint_url}/moto-api/reset", method="POST")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request)
    assert sandbox.client("ssm").get_parameter(Name="stays")["Parameter"]["Value"] == "1"


def test_a_bucket_that_is_not_there_is_not_found_and_not_unsupported(sandbox: Sandbox) -> None:
    with pytest.raises(ClientError) as refused:
        sandbox.client("s3").head_bucket(Bucket="nobody-has-this-one")
    assert refused.value.response["Error"]["Code"] == "404"
