"""Each kind of fault as a real boto3 client sees it, with its retries and without."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from provisioner.model.errors import SandboxError
from tests.sandbox.conftest import Sandbox

ONCE: dict[str, Any] = {"retries": {"total_max_attempts": 1}}
RETRYING: dict[str, Any] = {"retries": {"mode": "standard", "total_max_attempts": 4}}


@pytest.fixture(autouse=True)
def _no_faults_left(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.control.clear_faults()


def _parameters(sandbox: Sandbox) -> set[str]:
    return {p["Name"] for p in sandbox.client("ssm").describe_parameters()["Parameters"]}


def _put(client: Any, name: str) -> Any:
    return client.put_parameter(Name=name, Value="1", Type="String")


@pytest.mark.parametrize(
    ("service", "operation", "code", "status"),
    [
        ("ec2", "describe_vpcs", "RequestLimitExceeded", 503),
        ("rds", "describe_db_instances", "Throttling", 400),
        ("ssm", "describe_parameters", "ThrottlingException", 400),
        ("s3", "list_buckets", "SlowDown", 503),
        ("route53", "list_hosted_zones", "Throttling", 400),
        ("cloudwatch", "describe_alarms", "ThrottlingException", 400),
    ],
)
def test_throttling_in_each_protocol(sandbox: Sandbox, service: str, operation: str, code: str, status: int) -> None:
    sandbox.control.add_fault({"kind": "throttle", "service": service, "stop": 3})
    with pytest.raises(ClientError) as problem:
        getattr(sandbox.client(service, **ONCE), operation)()
    assert problem.value.response["Error"]["Code"] == code
    assert problem.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    answer = getattr(sandbox.client(service, **RETRYING), operation)()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2, "botocore takes it for throttling and goes on"


def test_an_error_refuses_before_the_change(sandbox: Sandbox) -> None:
    sandbox.control.add_fault({"kind": "error", "service": "ssm", "operation": "PutParameter", "stop": 1})
    with pytest.raises(ClientError, match=r"InternalFailure.*fault fault-\d+ of the sandbox"):
        _put(sandbox.client("ssm", **ONCE), "refused")
    assert "refused" not in _parameters(sandbox)


def test_an_errors_code_and_status_can_be_chosen(sandbox: Sandbox) -> None:
    sandbox.control.add_fault({"kind": "error", "service": "sts", "code": "ExpiredToken", "status": 403})
    with pytest.raises(ClientError, match="ExpiredToken"):
        sandbox.client("sts").get_caller_identity()


def test_no_capacity(sandbox: Sandbox) -> None:
    sandbox.control.add_fault({"kind": "no-capacity"})
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        sandbox.client("ec2", **ONCE).run_instances(MinCount=1, MaxCount=1)
    with pytest.raises(ClientError, match="InsufficientDBInstanceCapacity"):
        sandbox.client("rds", **ONCE).start_db_instance(DBInstanceIdentifier="x")


def test_a_lost_reply_is_a_change_that_was_made(sandbox: Sandbox) -> None:
    sandbox.control.add_fault({"kind": "lost-reply", "operation": "PutParameter", "stop": 1})
    with pytest.raises(ClientError, match="InternalFailure"):
        _put(sandbox.client("ssm", **ONCE), "lost")
    assert "lost" in _parameters(sandbox)
    sandbox.kill()
    sandbox.start()
    assert "lost" in _parameters(sandbox), "made is made: it was durable before the reply was lost"
    sandbox.control.add_fault({"kind": "lost-reply", "operation": "PutParameter", "stop": 1})
    with pytest.raises(ClientError, match="ParameterAlreadyExists"):  # of one's own making: callers must adopt
        _put(sandbox.client("ssm", **RETRYING), "lost-again")


def test_a_reset_cuts_the_connection_after_the_change(sandbox: Sandbox) -> None:
    sandbox.control.add_fault({"kind": "reset", "operation": "PutParameter", "stop": 1})
    with pytest.raises(ConnectionClosedError):
        _put(sandbox.client("ssm", **ONCE), "cut")
    assert "cut" in _parameters(sandbox)


def test_a_hang_is_over_for_the_client_when_its_patience_is(sandbox: Sandbox) -> None:
    sandbox.control.add_fault({"kind": "hang", "operation": "PutParameter", "stop": 1, "seconds": 30})
    with pytest.raises(ReadTimeoutError):
        _put(sandbox.client("ssm", **ONCE, read_timeout=0.3), "hung")
    assert "hung" not in _parameters(sandbox), "and others were served meanwhile"
    sandbox.control.add_fault({"kind": "hang", "operation": "PutParameter", "stop": 1, "seconds": 0.2})
    _put(sandbox.client("ssm", **RETRYING, read_timeout=5), "hung")


def test_latency_only_delays(sandbox: Sandbox) -> None:
    sandbox.control.add_fault({"kind": "latency", "operation": "PutParameter", "stop": 1, "seconds": 0.4})
    with pytest.raises(ReadTimeoutError):
        _put(sandbox.client("ssm", **ONCE, read_timeout=0.1), "late-1")
    _put(sandbox.client("ssm", **ONCE), "late-2")
    assert "late-2" in _parameters(sandbox)


def test_a_rule_counts_its_matches_from_start_to_stop(sandbox: Sandbox) -> None:
    sandbox.control.add_fault(
        {"kind": "error", "service": "ssm", "operation": "(Put|Get)Parameter", "start": 2, "stop": 3}
    )
    client, seen = sandbox.client("ssm", **ONCE), []
    for turn in range(4):
        try:
            _put(client, f"turn-{turn}")
            seen.append("done")
        except ClientError:
            seen.append("refused")
    assert seen == ["done", "refused", "refused", "done"]
    assert sandbox.control.faults()[0]["matched"] == 4


def test_a_rule_can_be_for_one_tenant(sandbox: Sandbox) -> None:
    ec2 = sandbox.client("ec2", **ONCE)
    vpcs = {}
    for tenant in ("acme", "globex"):
        tags = [{"ResourceType": "vpc", "Tags": [{"Key": "provision:tenant", "Value": tenant}]}]
        vpcs[tenant] = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]
    sandbox.control.add_fault({"kind": "throttle", "tenant": "acme"})
    ec2.create_subnet(VpcId=vpcs["globex"], CidrBlock="10.0.1.0/24")
    with pytest.raises(ClientError, match="RequestLimitExceeded"):  # the call names the VPC, its tag the tenant
        ec2.create_subnet(VpcId=vpcs["acme"], CidrBlock="10.0.1.0/24")
    with pytest.raises(ClientError, match="ThrottlingException"):
        _put(sandbox.client("ssm", **ONCE), "/tenants/acme/x")
    _put(sandbox.client("ssm", **ONCE), "/tenants/acmetwo/x")


def test_a_rule_can_look_for_words(sandbox: Sandbox) -> None:
    sandbox.control.add_fault({"kind": "error", "contains": "/needle here/"})
    with pytest.raises(ClientError):
        sandbox.client("iam", **ONCE).list_roles(PathPrefix="/needle here/")
    sandbox.client("iam", **ONCE).list_roles(PathPrefix="/hay/")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"kind": "explode"}, "kind 'explode' is none of throttle, error"),
        ({"service": "ec2"}, "a rule needs a kind"),
        ({"kind": "error", "sevrice": "ec2"}, "a rule has no sevrice"),
        ({"kind": "error", "operation": "("}, "is no regular expression"),
        ({"kind": "error", "start": 3, "stop": 2}, "holds no call"),
        ({"kind": "hang", "seconds": -1}, "can't be negative"),
    ],
)
def test_a_rule_that_says_nothing_is_refused(sandbox: Sandbox, rule: dict[str, Any], message: str) -> None:
    with pytest.raises(SandboxError, match=message):
        sandbox.control.add_fault(rule)
    assert sandbox.control.faults() == []


def test_one_rule_can_be_cleared(sandbox: Sandbox) -> None:
    first = sandbox.control.add_fault({"kind": "throttle", "service": "ec2"})
    sandbox.control.add_fault({"kind": "throttle", "service": "rds"})
    sandbox.control.clear_faults(first)
    assert [r["service"] for r in sandbox.control.faults()] == ["rds"]
