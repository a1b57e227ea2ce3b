"""Requests of real boto3 clients are told apart, in every protocol."""

import contextlib
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from provisioner.sandbox.identify import Call, identify

RDS = {"DBInstanceIdentifier": "d", "DBInstanceClass": "c", "Engine": "postgres"}


def _environ(request: AWSPreparedRequest) -> tuple[dict[str, Any], bytes]:
    url = urlsplit(request.url)
    untyped: Any = request  # botocore's stubs take every body for bytes
    sent: Any = untyped.body or b""
    content: bytes = sent.read() if hasattr(sent, "read") else sent.encode() if hasattr(sent, "encode") else bytes(sent)
    headers = {k.lower(): v.decode() if isinstance(v, bytes) else v for k, v in untyped.headers.items()}
    environ: dict[str, Any] = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in headers.items()}
    environ |= {
        "REQUEST_METHOD": request.method, "PATH_INFO": url.path, "QUERY_STRING": url.query, "SERVER_NAME": "h",
        "SERVER_PORT": "1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(content), "RAW_URI": url.path,
        "CONTENT_TYPE": headers.get("content-type", ""), "CONTENT_LENGTH": str(len(content)),
    }  # fmt: skip
    return environ, content


def _call(service: str, act: Callable[[Any], Any]) -> Call:
    """What `identify` makes of the request that boto3 would send."""
    found: list[Call] = []

    def stop(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        found.append(identify(*_environ(request)))
        return AWSResponse(request.url, 200, {}, io.BytesIO(b"{}"))  # type: ignore[arg-type]

    client = boto3.client(  # type: ignore[call-overload]
        service, region_name="eu-west-1", aws_access_key_id="sandbox", aws_secret_access_key="sandbox",
        endpoint_url="http://127.0.0.1:9",
    )  # fmt: skip
    client.meta.events.register("before-send", stop)
    with contextlib.suppress(Exception):  # an empty answer is none in some protocols; the request is what counts
        act(client)
    return found[0]


@pytest.mark.parametrize(
    ("service", "act", "operation", "protocol", "reads"),
    [
        ("ec2", lambda c: c.run_instances(MinCount=1, MaxCount=1), "RunInstances", "ec2", False),
        ("ec2", lambda c: c.describe_vpcs(), "DescribeVpcs", "ec2", True),
        ("rds", lambda c: c.create_db_instance(**RDS), "CreateDBInstance", "query", False),
        ("iam", lambda c: c.get_role(RoleName="r"), "GetRole", "query", True),
        ("elbv2", lambda c: c.describe_load_balancers(), "DescribeLoadBalancers", "query", True),
        ("ssm", lambda c: c.send_command(DocumentName="d"), "SendCommand", "json", False),
        ("kms", lambda c: c.decrypt(CiphertextBlob=b"x"), "Decrypt", "json", True),
        ("secretsmanager", lambda c: c.get_secret_value(SecretId="s"), "GetSecretValue", "json", True),
        ("logs", lambda c: c.create_log_group(logGroupName="g"), "CreateLogGroup", "json", False),
        ("cloudwatch", lambda c: c.describe_alarms(), "DescribeAlarms", "json", True),
        ("s3", lambda c: c.put_object(Bucket="bucket", Key="a/b", Body=b"x"), "PutObject", "rest-xml", False),
        ("s3", lambda c: c.get_bucket_versioning(Bucket="bucket"), "GetBucketVersioning", "rest-xml", True),
        ("s3", lambda c: c.list_objects_v2(Bucket="bucket"), "ListObjectsV2", "rest-xml", True),
        ("s3", lambda c: c.head_bucket(Bucket="bucket"), "HeadBucket", "rest-xml", True),
        ("route53", lambda c: c.get_hosted_zone(Id="Z1"), "GetHostedZone", "rest-xml", True),
        ("backup", lambda c: c.create_backup_vault(BackupVaultName="v"), "CreateBackupVault", "rest-json", False),
        ("sts", lambda c: c.assume_role(RoleArn="a" * 20, RoleSessionName="ss"), "AssumeRole", "query", False),
    ],
)
def test_service_and_operation(
    service: str, act: Callable[[Any], Any], operation: str, protocol: str, reads: bool
) -> None:
    call = _call(service, act)
    assert (call.service, call.operation, call.protocol, call.reads) == (service, operation, protocol, reads)
    assert (call.region, call.access_key) == ("eu-west-1", "sandbox")


def test_what_is_no_call_is_nobodys() -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/favicon.ico", "QUERY_STRING": ""}
    call = identify(environ, b"")
    assert (call.service, call.access_key) == ("", None)
    assert str(call) == "unknown service./favicon.ico"
