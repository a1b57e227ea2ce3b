"""Whose access key a call is signed with. Signatures aren't verified: on loopback the key's id is enough."""

from moto.core.utils import utcnow
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

from provisioner.sandbox.errors import Reply, error
from provisioner.sandbox.identify import Call
from provisioner.sandbox.info import ACCESS_KEY_ID, ACCOUNT

_UNKNOWN = {
    "ec2": (401, "AuthFailure"),
    "s3": (403, "InvalidAccessKeyId"),
}
_HINT = "provision sandbox env prints the operator's"


def refusal(call: Call) -> Reply | None:
    """None for the operator's key, an IAM user's, or a role session's that hasn't expired; else the refusal."""
    key = call.access_key
    if key == ACCESS_KEY_ID:
        return None
    if key is None:
        return error(call, 403, "MissingAuthenticationToken", f"the request isn't signed; {_HINT}")
    session = sts_backends[ACCOUNT]["aws"].get_assumed_role_from_access_key(key)
    if session is not None:
        if session.expiration > utcnow():
            return None
        code = "RequestExpired" if call.service == "ec2" else "ExpiredToken"
        if call.protocol == "json":
            code = "ExpiredTokenException"
        return error(call, 400 if call.service == "ec2" else 403, code, f"the session of {key} has expired")
    if key in iam_backends[ACCOUNT]["aws"].access_keys:
        return None
    status, code = _UNKNOWN.get(
        call.service, (403, "UnrecognizedClientException" if call.protocol == "json" else "InvalidClientTokenId")
    )
    return error(call, status, code, f"the sandbox doesn't know the access key {key!r}; {_HINT}")
