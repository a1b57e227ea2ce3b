"""boto3 clients for one account and region, and the one place where the SDK's errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

from provisioner.model.deployer.place import CHECK
from provisioner.model.errors import AuthenticationError, ProvisionError, TimedOutError, UnsupportedError

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_UNKNOWN_CALLER = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "AuthFailure",
        "SignatureDoesNotMatch",
        "InvalidAccessKeyId",
    }
)
# Calls by which the SDK gets credentials: whatever goes wrong there, there are none.
_GETTING = frozenset({"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "CreateToken", "GetRoleCredentials"})
_LOGIN_HINT = "aws sso login   (or export AWS_PROFILE=..., or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cloud. None leaves the choice to the SDK's own chain (profile, environment, instance role).
    `role_arn` is assumed on top of that, in a session that is named and tagged after `tenant`: without one as
    nobody's, since the role can't be had without a tag."""

    region: str
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    role_arn: str | None = None
    tenant: str | None = None


class Clients:
    """Cached boto3 clients; safe from several threads."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._lock = Lock()
        self._clients: dict[str, Any] = {}
        with translated("AWS configuration"):
            self._session = _of(access)

    def __getitem__(self, service: str) -> Any:
        with self._lock:
            if service not in self._clients:
                with translated(service):
                    self._clients[service] = self._make(service)
            return self._clients[service]

    def _make(self, service: str) -> Any:
        from botocore.config import Config

        config = Config(
            retries={"mode": "standard", "total_max_attempts": 6},
            connect_timeout=5,
            read_timeout=20,
            max_pool_connections=32,
        )
        return self._session.client(
            service,
            region_name=self.access.region,
            endpoint_url=self.access.endpoint_url,
            aws_access_key_id=self.access.access_key_id,
            aws_secret_access_key=self.access.secret_access_key,
            config=config,
        )


def _of(access: Access) -> Any:
    if access.role_arn:
        return _assumed(access)
    return _session(own_keys=True) if access.access_key_id else _session()


@cache
def _session(*, own_keys: bool = False) -> Any:
    """boto3's session. With keys of its own no profile is asked for: somebody's AWS_PROFILE is nothing to a sandbox."""
    import boto3
    from botocore.session import get_session

    if own_keys:
        return boto3.session.Session(botocore_session=get_session({"profile": (None, [], None, None)}))
    return boto3.session.Session()


def _assumed(access: Access) -> Any:
    """A session in the role's account. Its credentials are got on first use, and renewed before they expire."""
    import boto3
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
    from botocore.session import get_session

    base = _session()._session  # noqa: SLF001 - boto3 has no name for the botocore session below it

    def source() -> Any:
        found = base.get_credentials()
        if found is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
        return found

    arguments: dict[str, Any] = {
        "RoleSessionName": f"provision-{access.tenant}"[:64] if access.tenant else CHECK,
        "Tags": [{"Key": "tenant", "Value": access.tenant or CHECK}],
    }

    def refresh() -> Any:
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=base.create_client,
            source_credentials=source(),
            role_arn=str(access.role_arn),
            extra_args=arguments,
        )
        with translated(f"sts AssumeRole {access.role_arn}"):
            return fetcher.fetch_credentials()

    session = get_session()
    credentials = DeferredRefreshableCredentials(refresh_using=refresh, method="assume-role")
    session._credentials = credentials  # type: ignore[attr-defined] # noqa: SLF001 - the only way for refreshing ones
    session.set_config_variable("region", access.region)
    return boto3.session.Session(botocore_session=session)


def code_of(error: BaseException) -> str | None:
    """The AWS error code that an exception of the SDK carries, if it carries one."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn botocore's exceptions into ProvisionErrors; `what` names the call, as in "rds DescribeDBInstances"."""
    from botocore import exceptions as sdk

    try:
        yield
    except sdk.ClientError as error:
        raise _from_code(what, error) from error
    except (sdk.NoCredentialsError, sdk.PartialCredentialsError) as error:
        raise AuthenticationError(f"{what}: no AWS credentials were found", hint=_LOGIN_HINT) from error
    except _unusable() as error:
        raise AuthenticationError(f"{what}: the AWS credentials can't be used: {error}", hint=_LOGIN_HINT) from error
    except (sdk.ProfileNotFound, sdk.NoRegionError, sdk.ConfigParseError, sdk.InvalidConfigError) as error:
        raise AuthenticationError(f"{what}: {error}", hint="aws configure list") from error
    except (sdk.ConnectTimeoutError, sdk.ReadTimeoutError) as error:
        raise TimedOutError(f"{what}: {error}", hint="provision doctor") from error
    except sdk.BotoCoreError as error:
        raise ProvisionError(f"{what}: {error}", hint="provision doctor") from error


@cache
def _unusable() -> tuple[type[Exception], ...]:
    """What the SDK raises where a profile names credentials that are expired, gone or can't be renewed."""
    from botocore import exceptions as sdk

    return (
        sdk.CredentialRetrievalError,
        sdk.MetadataRetrievalError,
        sdk.RefreshWithMFAUnsupportedError,
        sdk.SSOError,
        sdk.TokenRetrievalError,
        sdk.UnknownCredentialError,
        getattr(sdk, "LoginError", sdk.SSOError),  # of `aws login`, which is younger than the oldest SDK we take
    )


def _from_code(what: str, error: Any) -> ProvisionError:
    code = code_of(error) or "Unknown"
    text = error.response.get("Error", {}).get("Message") or str(error)
    if code in _EXPIRED:
        return AuthenticationError(f"{what}: the AWS credentials have expired ({code})", hint=_LOGIN_HINT)
    if error.operation_name == "AssumeRole" and code in ("AccessDenied", "AccessDeniedException"):
        return AuthenticationError(
            f"{what}: refused ({text})", hint="provision deployer trust and provision deployer caller say what it needs"
        )
    if error.operation_name in _GETTING:
        return AuthenticationError(f"{what}: the AWS credentials can't be used: {code}: {text}", hint=_LOGIN_HINT)
    if code in _UNKNOWN_CALLER:
        return AuthenticationError(f"{what}: AWS does not know these credentials ({code})", hint=_LOGIN_HINT)
    if "not supported by the sandbox" in text:
        return UnsupportedError(f"{what}: {text}")
    return ProvisionError(f"{what}: {code}: {text}")
