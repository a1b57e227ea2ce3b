"""Bucket policies that ask for TLS. The sandbox speaks plain HTTP, and on loopback only, where nobody listens in: it
counts as secure. Moto reads no conditions, and would take such a refusal for one of everything."""

import json
from collections.abc import Callable
from typing import Any

from moto.s3.models import FakeBucket

from provisioner.sandbox.hooking import around

_TLS = "aws:SecureTransport"


def install() -> None:
    """Have moto judge a bucket's policy without the statements that only refuse plain HTTP."""

    @around(FakeBucket, "get_permission")
    def permission(original: Callable[..., Any], bucket: Any, action: str, resource: str) -> Any:
        kept = bucket.policy
        if kept is None:
            return original(bucket, action, resource)
        try:
            bucket.policy = _without_tls(kept)
            return original(bucket, action, resource)
        finally:
            bucket.policy = kept


def _without_tls(policy: bytes) -> bytes | None:
    document = json.loads(policy)
    statements = document["Statement"]
    rest = [s for s in (statements if isinstance(statements, list) else [statements]) if not _refuses_plain(s)]
    return json.dumps({**document, "Statement": rest}).encode() if rest else None


def _refuses_plain(statement: dict[str, Any]) -> bool:
    condition = statement.get("Condition", {}).get("Bool", {})
    return statement.get("Effect") == "Deny" and str(condition.get(_TLS)).lower() == "false"
