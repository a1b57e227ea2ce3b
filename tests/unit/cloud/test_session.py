"""Assumed roles: one session for each tenant, tagged and named after it, and errors that say what to do."""

from typing import Any

import pytest
from moto import mock_aws

from provisioner.cloud.aws import AwsCloud
from provisioner.cloud.session import Access, Clients, translated
from provisioner.model.errors import AuthenticationError

ROLE = "arn:aws:iam::444455556666:role/provision-deployer"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@mock_aws
def test_the_caller_is_the_role_s_session_named_after_the_tenant() -> None:
    caller = AwsCloud(Access("eu-west-1", role_arn=ROLE, tenant="acme")).caller()
    assert caller.account == "444455556666"
    assert caller.arn == "arn:aws:sts::444455556666:assumed-role/provision-deployer/provision-acme"
    assert caller.region == "eu-west-1"


@mock_aws
def test_the_session_is_tagged_with_the_tenant() -> None:
    asked: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(dict(params))

    clients = Clients(Access("eu-west-1", role_arn=ROLE, tenant="acme"))
    from provisioner.cloud.session import _session

    base = _session()._session
    base.register("provide-client-params.sts.AssumeRole", note)
    try:
        clients["sts"].get_caller_identity()
    finally:
        base.unregister("provide-client-params.sts.AssumeRole", note)
    assert [(a["RoleArn"], a["RoleSessionName"], a["Tags"]) for a in asked] == [
        (ROLE, "provision-acme", [{"Key": "tenant", "Value": "acme"}])
    ]


@mock_aws
def test_without_a_role_the_caller_is_the_caller() -> None:
    assert AwsCloud(Access("eu-west-1")).caller().account == "123456789012"


def test_a_refused_role_is_named_with_what_it_needs() -> None:
    from botocore.exceptions import ClientError

    refused: Any = {"Error": {"Code": "AccessDenied", "Message": "arn:x is not authorized to perform: sts:AssumeRole"}}
    with pytest.raises(AuthenticationError, match="not authorized") as caught, translated(f"sts AssumeRole {ROLE}"):
        raise ClientError(refused, "AssumeRole")
    assert ROLE in caught.value.message
    assert "provision deployer" in str(caught.value.hint)


def test_a_refusal_of_anything_else_is_no_login_problem() -> None:
    from botocore.exceptions import ClientError

    from provisioner.model.errors import ProvisionError

    refused: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}}
    with pytest.raises(ProvisionError) as caught, translated("s3 ListBuckets"):
        raise ClientError(refused, "ListBuckets")
    assert not isinstance(caught.value, AuthenticationError)
