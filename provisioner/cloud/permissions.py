"""What the caller may do, and whether it agrees with AWS about the time."""

import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.deployer.simulation import Answers, Question

_ASSUMED = re.compile(r"^arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/")
_AT_ONCE = 4


def denied(clients: Clients, caller: str, questions: Sequence[Question]) -> Answers:
    """The contract is `provisioner.model.ports.Cloud.denied`."""
    source = _principal(clients, caller)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        answers = list(pool.map(lambda question: _simulated(clients, source, question), questions))
    return Answers(
        tuple(sorted(word for answer in answers for word in answer.missing)),
        tuple(sorted(word for answer in answers for word in answer.untold)),
    )


def _simulated(clients: Clients, source: str, question: Question) -> Answers:
    from botocore.exceptions import ClientError

    words: dict[str, Any] = {
        "PolicySourceArn": source,
        "ActionNames": list(question.actions),
        "ResourceArns": list(question.resources),
        "ContextEntries": [
            {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": list(values)}
            for key, (kind, values) in question.context.items()
        ],
    }
    with translated("iam SimulatePrincipalPolicy"):
        try:
            pages = list(clients["iam"].get_paginator("simulate_principal_policy").paginate(**words))
        except ClientError as error:
            # A question that IAM doesn't understand says nothing about the permission.
            if code_of(error) in ("InvalidInput", "ValidationError"):
                return Answers((), tuple(f"{action} ({question.sid})" for action in question.actions))
            raise
    results = [r for page in pages for r in page["EvaluationResults"]]
    said = {f"{r['EvalActionName']} ({question.sid})": _verdicts(r) for r in results}
    return Answers(
        tuple(word for word, verdicts in said.items() if "denied" in verdicts),
        tuple(word for word, verdicts in said.items() if "denied" not in verdicts and "untold" in verdicts),
    )


def _verdicts(result: Mapping[str, Any]) -> set[str]:
    """Of all resources. A denial that no statement speaks, and where a condition couldn't be judged, tells nothing."""
    each = result.get("ResourceSpecificResults") or [{**result, "EvalResourceDecision": result["EvalDecision"]}]
    found = set()
    for one in each:
        if one["EvalResourceDecision"] == "allowed":
            found.add("allowed")
        elif one["EvalResourceDecision"] == "implicitDeny" and one.get("MissingContextValues"):
            found.add("untold")
        else:
            found.add("denied")
    return found


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
