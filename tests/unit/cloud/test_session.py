"""Assumed roles: one session for each tenant, tagged and named after it, and errors that say what to do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from provisioner.cloud.aws import AwsCloud
from provisioner.cloud.session import Access, _session, translated
from provisioner.model.deployer import trust
from provisioner.model.errors import AuthenticationError
from provisioner.model.tenant import CloudKind, Target
from provisioner.registry.fields import is_tenant_id
from tests.unit.deployer.evaluate import allowed

ROLE = "arn:aws:iam::444455556666:role/provision-deployer"


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An SDK that has found nothing yet, and nothing to find."""
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _session.cache_clear()
    yield
    _session.cache_clear()


@contextmanager
def assuming() -> Iterator[list[dict[str, Any]]]:
    """What AssumeRole is sent."""
    asked: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(dict(params))

    base = _session()._session
    base.register("provide-client-params.sts.AssumeRole", note)
    try:
        yield asked
    finally:
        base.unregister("provide-client-params.sts.AssumeRole", note)


@mock_aws
def test_the_caller_is_the_role_s_session_named_after_the_tenant() -> None:
    caller = AwsCloud(Access("eu-west-1", role_arn=ROLE, tenant="acme")).caller()
    assert caller.account == "444455556666"
    assert caller.arn == "arn:aws:sts::444455556666:assumed-role/provision-deployer/provision-acme"
    assert caller.region == "eu-west-1"


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


def test_where_no_tenant_is_meant_the_session_is_nobody_s_and_the_trust_lets_it_in() -> None:
    target = Target("production", CloudKind.AWS, ("eu-west-1",), "example.com", account="444455556666", role=ROLE)
    for tenant in (None, "acme"):
        with mock_aws(), assuming() as asked:
            AwsCloud(Access("eu-west-1", role_arn=ROLE, tenant=tenant)).caller()
        (sent,) = asked
        tags = {f"aws:RequestTag/{t['Key']}": t["Value"] for t in sent["Tags"]}
        context = {**tags, "aws:TagKeys": [t["Key"] for t in sent["Tags"]]}
        for action in ("sts:AssumeRole", "sts:TagSession"):
            assert allowed(trust(target, "arn:x")["Statement"], action, ROLE, context)
        assert tags == {"aws:RequestTag/tenant": tenant or "provision-check"}
        assert sent["RoleSessionName"] == ("provision-acme" if tenant else "provision-check")
    assert not is_tenant_id("provision-check")


@pytest.mark.parametrize("role", [None, ROLE])
def test_a_profile_that_is_not_there_is_5(monkeypatch: pytest.MonkeyPatch, role: str | None, empty: None) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(AuthenticationError, match="nope"):
        AwsCloud(Access("eu-west-1", role_arn=role)).caller()


def test_and_is_nothing_to_who_has_keys(monkeypatch: pytest.MonkeyPatch, empty: None) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with mock_aws():
        assert AwsCloud(Access("eu-west-1", None, "sandbox", "sandbox")).caller().account == "123456789012"


CONFIG = {
    "sso": "sso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = eu-west-1\n"
    "sso_start_url = https://example.com\nsso_registration_scopes = sso:account:access",
    "old sso": "sso_start_url = https://example.com\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r",
    "half an sso": "sso_start_url = https://example.com",
    "loop": "role_arn = arn:aws:iam::123456789012:role/x\nsource_profile = other\n"
    "[profile other]\nrole_arn = arn:aws:iam::123456789012:role/y\nsource_profile = it",
    "no source": "role_arn = arn:aws:iam::123456789012:role/x\nsource_profile = nowhere",
    "process": "credential_process = false",
    "broken": "[[[",
}


@pytest.mark.parametrize("name", CONFIG)
def test_a_profile_that_can_not_be_used_is_5(monkeypatch: pytest.MonkeyPatch, empty: None, name: str) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    Path(os.environ["AWS_CONFIG_FILE"]).write_text(f"[profile it]\n{CONFIG[name]}\n")
    monkeypatch.setenv("AWS_PROFILE", "it")
    with pytest.raises(AuthenticationError) as caught:
        AwsCloud(Access("eu-west-1")).caller()
    assert caught.value.hint


@pytest.mark.parametrize("error", ["SSOTokenLoadError", "LoginRefreshRequired", "MetadataRetrievalError"])
def test_whatever_the_sdk_calls_it(error: str) -> None:
    from botocore import exceptions

    with pytest.raises(AuthenticationError, match="can't be used"), translated("sts"):
        raise getattr(exceptions, error)(error_msg="expired")


def test_a_sign_on_that_gives_no_role_is_5() -> None:
    from botocore.exceptions import ClientError

    refused: Any = {"Error": {"Code": "ForbiddenException", "Message": "No access"}}
    with pytest.raises(AuthenticationError, match="No access"), translated("sts"):
        raise ClientError(refused, "GetRoleCredentials")
