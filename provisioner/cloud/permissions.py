"""What the caller may do, and whether it agrees with AWS about the time."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from provisioner.cloud.session import Clients, translated

_ASSUMED = re.compile(r"^arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/")
_AT_ONCE = 100


def denied(clients: Clients, caller: str, actions: Sequence[str]) -> list[str]:
    """Actions that IAM's simulation doesn't allow the caller, sorted. The simulation knows the caller's policies and
    boundary; it doesn't know tags of resources, so that a condition on them counts as not met unless it is given."""
    source = _principal(clients, caller)
    refused: list[str] = []
    wanted = sorted(set(actions))
    with translated("iam SimulatePrincipalPolicy"):
        for start in range(0, len(wanted), _AT_ONCE):
            pages = (
                clients["iam"]
                .get_paginator("simulate_principal_policy")
                .paginate(PolicySourceArn=source, ActionNames=wanted[start : start + _AT_ONCE])
            )
            results = (r for page in pages for r in page["EvaluationResults"])
            # An implicit denial that only lacks context is no missing permission: the statement is there.
            refused += [
                r["EvalActionName"]
                for r in results
                if r["EvalDecision"] == "explicitDeny"
                or (r["EvalDecision"] == "implicitDeny" and not r.get("MissingContextValues"))
            ]
    return refused


def clock_skew(clients: Clients) -> timedelta:
    """AWS's clock (of its answer) minus ours."""
    with translated("sts GetCallerIdentity"):
        before = datetime.now(UTC)
        answer = clients["sts"].get_caller_identity()
        after = datetime.now(UTC)
    theirs = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return theirs - (before + (after - before) / 2)


def key_state(clients: Clients, key: str) -> str | None:
    """Of a KMS key; None where it is gone."""
    with translated("kms DescribeKey"):
        try:
            return str(clients["kms"].describe_key(KeyId=key)["KeyMetadata"]["KeyState"])
        except clients["kms"].exceptions.NotFoundException:
            return None


def _principal(clients: Clients, caller: str) -> str:
    """The user or role behind a caller. A session's ARN lacks the role's path, so the role is asked."""
    assumed = _ASSUMED.match(caller)
    if assumed is None:
        return caller
    with translated("iam GetRole"):
        return str(clients["iam"].get_role(RoleName=assumed["role"])["Role"]["Arn"])
