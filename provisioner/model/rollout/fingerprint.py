"""What a failure is about: one text for one cause on any tenant, and whether that cause is the tenant's own."""

import re
from dataclasses import dataclass

_LONGEST = 300

_OWN: tuple[tuple[str, str], ...] = (
    (r"no space left on device|disk (?:is )?full|could not extend file|storage[ -]full|DiskFull", "its disk is full"),
    (
        r"KMSInvalidState|KMSKeyNotAccessible|KMS\w*Disabled|inaccessible-encryption-credentials",
        "its key can't be used",
    ),
    (
        r"\bkey\b.{0,120}?\b(?:is|was) (?:disabled|pending deletion|scheduled for deletion)",
        "its key can't be used",
    ),
    # RequestLimitExceeded is a throttle, which passes.
    (r"QuotaExceeded|(?<!Request)LimitExceeded", "its account's quota is used up"),
    (r"quota (?:was |is |has been )?(?:exceeded|reached|exhausted)", "its account's quota is used up"),
    (r"not authorized to perform: sts:AssumeRole", "its role can't be assumed"),
)
_OWN_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), words) for pattern, words in _OWN)

PASSING = (
    r"Throttl|RequestLimitExceeded|TooManyRequests|SlowDown|Rate exceeded"
    r"|Insufficient\w*Capacity|InsufficientFreeAddresses|ServiceUnavailable|InternalError|InternalFailure|ServerInternal|(?:Connect|Read)Timeout|EndpointConnectionError"
)
"""What AWS and botocore say of trouble that is neither the release's nor the tenant's, and that passes."""
_PASSING = re.compile(PASSING)

_VALUES: tuple[tuple[str, str], ...] = (
    # PostgreSQL's details quote the data that a statement met.
    (r"failing row contains \(.*?\)(?=[.;\s]|$)", "failing row contains <row>"),
    (r"\)=\([^)]*\)", ")=<value>"),
    (r':\s*"(?:[^"\\]|\\.)*"', ": <value>"),
    (r"arn:aws[\w-]*:[^\s,;'\")]+", "<arn>"),
    (r"\b[a-z][a-z0-9+.-]*://[^\s/,;'\")]+", "<host>"),
    (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "<mail>"),
    (r"\b\d{4}-\d\d-\d\d(?:[t ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?(?:z|[+-]\d\d:?\d\d)?", "<time>"),
    (r"\b\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?\b", "<time>"),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
    (r"\[?\b(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{1,4}\b\]?(?:%\w+)?", "<address>"),
    (r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b", "<address>"),
    (r"\b[a-z]{1,10}-(?=[0-9a-f]*\d)[0-9a-f]{6,17}\b", "<id>"),
    (r"\b0x[0-9a-f]+\b", "<id>"),
    (r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b", "<id>"),
    (r"(?<![\w.])[+-]?\d+(?:\.\d+)*(?=(?:ms|s|m|h|[kmg]i?b|%)?(?![\w]))", "<n>"),
)
_VALUE_PATTERNS = tuple((re.compile(pattern), mark) for pattern, mark in _VALUES)


@dataclass(frozen=True, slots=True)
class Finding:
    """`fingerprint`: equal for equal causes. `own`: why the cause is the tenant's own, None where it is (or may be) the
    release's."""

    fingerprint: str
    own: str | None


def look(cause: str, tenant: str) -> Finding:
    """What a tenant's failure is about."""
    return Finding(fingerprint(cause, tenant), own_cause(cause))


def fingerprint(cause: str, tenant: str) -> str:
    """The cause without what differs between tenants and tries: its name, ids, numbers, times, addresses, data."""
    text = cause.lower()
    for pattern, mark in _VALUE_PATTERNS:
        text = pattern.sub(mark, text)
    text = re.sub(rf"(?<![a-z0-9]){re.escape(tenant.lower())}(?![a-z0-9])", "<tenant>", text)
    return " ".join(text.split())[:_LONGEST]


def passing(cause: str) -> bool:
    """Whether it is the cloud's own trouble, which passes."""
    return _PASSING.search(cause) is not None


def own_cause(cause: str) -> str | None:
    """Why a cause is the tenant's own; None where it isn't known to be."""
    return next((words for pattern, words in _OWN_PATTERNS if pattern.search(cause)), None)
