"""Which operation of which service a request is, in any of AWS's protocols."""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from botocore.exceptions import UnknownServiceError
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import NotFound

SERVICES = {
    "acm": "acm",
    "backup": "backup",
    "budgets": "budgets",
    "ec2": "ec2",
    "elasticloadbalancing": "elbv2",
    "events": "events",
    "iam": "iam",
    "kms": "kms",
    "logs": "logs",
    "monitoring": "cloudwatch",
    "rds": "rds",
    "route53": "route53",
    "s3": "s3",
    "secretsmanager": "secretsmanager",
    "servicequotas": "service-quotas",
    "sns": "sns",
    "sqs": "sqs",
    "ssm": "ssm",
    "sts": "sts",
    "tagging": "resourcegroupstaggingapi",
}
"""What the sandbox has: name in the signature -> name in boto3. Each one's state is known to survive a restart."""

_SCOPE = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request")
_READING = re.compile(
    r"(Describe|Get|List|Head|Lookup|Search|Select|BatchGet|Filter|Test|Verify|Simulate|Validate|Encrypt|Decrypt"
    r"|ReEncrypt|GenerateDataKey|GenerateRandom|Sign$|Estimate|Preview)"
)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `service` and `operation` are boto3's names, empty where they can't be told; `access_key` is None
    for an unsigned request; `text` is path, query and body, decoded, to match against."""

    service: str
    operation: str
    region: str
    access_key: str | None
    protocol: str
    path: str
    body: bytes

    @property
    def reads(self) -> bool:
        """Whether the operation changes nothing."""
        return bool(_READING.match(self.operation))

    @property
    def text(self) -> str:
        """What the client sent, as words."""
        return self.path + "\n" + unquote_plus(self.body.decode("utf-8", "replace"))

    def __str__(self) -> str:
        return f"{self.service or 'unknown service'}.{self.operation or self.path}"


def identify(environ: dict[str, Any], body: bytes) -> Call:
    """Read service, region and access key from the signature, and the operation from where the protocol keeps it."""
    query = environ.get("QUERY_STRING", "")
    path = environ.get("PATH_INFO", "")
    key, region, signed = _scope(environ.get("HTTP_AUTHORIZATION", ""), query)
    service = SERVICES.get(signed, signed)
    kind = environ.get("CONTENT_TYPE", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        operation, protocol = target.rpartition(".")[2], "json"
    elif (protocol := _protocol(service)).startswith("rest-"):
        operation = _rest_operation(service, environ)
    else:
        fields = parse_qs(body.decode("utf-8", "replace") if "x-www-form-urlencoded" in kind else query)
        operation = fields.get("Action", [""])[0]
        protocol = "ec2" if service == "ec2" else "query"
        if service == "elbv2" and fields.get("Version", [""])[0] == "2012-06-01":
            service = "elb"
    return Call(service, operation, region, key, protocol, path + ("?" + query if query else ""), body)


def _scope(authorization: str, query: str) -> tuple[str | None, str, str]:
    """Access key, region and signing name, from the header or from a presigned URL of either version."""
    scope = _SCOPE.search(authorization)
    if scope is None and "X-Amz-Credential=" in query:
        scope = _SCOPE.search("Credential=" + parse_qs(query)["X-Amz-Credential"][0])
    if scope:
        return scope[1], scope[3], scope[4]
    if "AWSAccessKeyId=" in query:
        return parse_qs(query)["AWSAccessKeyId"][0], "us-east-1", "s3"
    return None, "", ""


def _protocol(service: str) -> str:
    try:
        return str(get_service_model(service).protocol)
    except UnknownServiceError:
        return ""


def _rest_operation(service: str, environ: dict[str, Any]) -> str:
    try:
        operation, _ = get_service_router(service).match(Request(environ))
    except (NotFound, NotImplementedError):
        return ""
    return str(operation.name)
