"""Errors in the shape that AWS's clients read, in each protocol."""

import json
from dataclasses import dataclass
from uuid import uuid4
from xml.sax.saxutils import escape

from provisioner.sandbox.identify import Call

NOT_SUPPORTED = "NotSupportedBySandbox"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP reply."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def error(call: Call, status: int, code: str, message: str) -> Reply:
    """An error of AWS for this call: boto3 raises ClientError with `code` and `message`."""
    request_id = str(uuid4())
    if call.protocol in ("json", "rest-json"):
        body = json.dumps({"__type": code, "message": message})
        kind = "application/x-amz-json-1.1" if call.protocol == "json" else "application/json"
    else:
        body = '<?xml version="1.0" encoding="UTF-8"?>\n' + _xml(call, code, escape(message), request_id)
        kind = "text/xml"
    headers = (("Content-Type", kind), ("x-amzn-RequestId", request_id), ("x-amzn-ErrorType", code))
    return Reply(status, headers, body.encode())


def not_supported(call: Call) -> Reply:
    """The sandbox can't do that, and says so. 501: clients try 500, 502, 503 and 504 again, and this is for good."""
    return error(call, 501, NOT_SUPPORTED, f"{call} is not supported by the sandbox")


def _xml(call: Call, code: str, message: str, request_id: str) -> str:
    content = f"<Code>{code}</Code><Message>{message}</Message>"
    if call.service == "ec2":
        return f"<Response><Errors><Error>{content}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
    if call.service == "s3":
        return f"<Error>{content}<RequestId>{request_id}</RequestId></Error>"
    return (
        f"<ErrorResponse><Error><Type>Sender</Type>{content}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
