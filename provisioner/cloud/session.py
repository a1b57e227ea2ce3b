"""boto3 clients for one account and region, and the one place where the SDK's errors become ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

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
_LOGIN_HINT = "aws sso login   (or export AWS_PROFILE=..., or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cloud. None leaves the choice to the SDK's own chain (profile, environment, instance role)."""

    region: str
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None


class Clients:
    """Cached boto3 clients; safe from several threads."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._lock = Lock()
        self._clients: dict[str, Any] = {}

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
        return _session().client(
            service,
            region_name=self.access.region,
            endpoint_url=self.access.endpoint_url,
            aws_access_key_id=self.access.access_key_id,
            aws_secret_access_key=self.access.secret_access_key,
            config=config,
        )


@cache
def _session() -> Any:
    import boto3

    return boto3.session.Session()


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
    except (sdk.TokenRetrievalError, sdk.UnauthorizedSSOTokenError, sdk.CredentialRetrievalError) as error:
        raise AuthenticationError(f"{what}: the AWS credentials can't be used: {error}", hint=_LOGIN_HINT) from error
    except (sdk.ProfileNotFound, sdk.NoRegionError, sdk.ConfigParseError) as error:
        raise AuthenticationError(f"{what}: {error}", hint="aws configure list") from error
    except (sdk.ConnectTimeoutError, sdk.ReadTimeoutError) as error:
        raise TimedOutError(f"{what}: {error}", hint="provision doctor") from error
    except sdk.BotoCoreError as error:
        raise ProvisionError(f"{what}: {error}", hint="provision doctor") from error


def _from_code(what: str, error: Any) -> ProvisionError:
    code = code_of(error) or "Unknown"
    text = error.response.get("Error", {}).get("Message") or str(error)
    if code in _EXPIRED:
        return AuthenticationError(f"{what}: the AWS credentials have expired ({code})", hint=_LOGIN_HINT)
    if code in _UNKNOWN_CALLER:
        return AuthenticationError(f"{what}: AWS does not know these credentials ({code})", hint=_LOGIN_HINT)
    if "not supported by the sandbox" in text:
        return UnsupportedError(f"{what}: {text}")
    return ProvisionError(f"{what}: {code}: {text}")
