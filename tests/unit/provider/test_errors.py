"""What an answer of the cloud means for what to do next, and how often it is asked."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from provisioner.sandbox.provider.aws import Aws, Call
from provisioner.sandbox.provider.errors import AwsError, ProviderError, aws_error


def answer(code: str, status: int) -> AwsError:
    response = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return aws_error("ec2 create_vpc", ClientError(response, "CreateVpc"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "kinds"),
    [
        (answer("RequestLimitExceeded", 503), {"throttled", "refused"}),
        (answer("ThrottlingException", 400), {"throttled", "refused"}),
        (answer("InsufficientInstanceCapacity", 500), {"no_capacity", "refused"}),
        (answer("InternalFailure", 500), {"ambiguous"}),
        (answer("NotSupportedBySandbox", 501), set()),
        (answer("InvalidVpcID.NotFound", 400), {"missing"}),
        (answer("NoSuchEntity", 404), {"missing"}),
        (answer("404", 404), {"missing"}),
        (answer("VpcLimitExceeded", 400), set()),
        (aws_error("x", ReadTimeoutError(endpoint_url="http://127.0.0.1")), {"ambiguous"}),
        (aws_error("x", EndpointConnectionError(endpoint_url="http://127.0.0.1")), {"ambiguous"}),
    ],
)
def test_kinds(error: AwsError, kinds: set[str]) -> None:
    assert {k for k in ("throttled", "no_capacity", "refused", "ambiguous", "missing") if getattr(error, k)} == kinds


def call(sleeps: list[float]) -> Call:
    class Patient(Call):
        def pause(self, seconds: float) -> None:
            sleeps.append(seconds)

    return Patient(Aws("http://127.0.0.1:1"), "123456789012", "eu-west-1", 0)


@pytest.mark.parametrize(
    ("error", "again", "attempts"),
    [
        (answer("RequestLimitExceeded", 503), lambda e: e.refused, 8),
        (answer("InsufficientInstanceCapacity", 500), lambda e: e.refused, 3),
        (answer("InternalFailure", 500), lambda e: e.refused, 1),
        (answer("InternalFailure", 500), lambda e: e.ambiguous, 8),
        (answer("VpcLimitExceeded", 400), lambda e: e.ambiguous or e.refused, 1),
    ],
)
def test_attempts(error: AwsError, again: Callable[[AwsError], bool], attempts: int) -> None:
    sleeps: list[float] = []
    tried = []

    def action() -> None:
        tried.append(1)
        raise error

    with pytest.raises(AwsError):
        call(sleeps).retry(action, again)
    assert len(tried) == attempts
    assert len(sleeps) == attempts - 1
    assert all(0 < s <= 5 for s in sleeps)


def test_a_wait_ends_at_the_deadline() -> None:
    with pytest.raises(ProviderError, match="timed out while waiting for the moon"):
        call([]).poll("the moon", lambda: None)
