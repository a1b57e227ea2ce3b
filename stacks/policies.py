"""IAM policy documents, as values: statements with lists, so that the policy tests can read them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

Statement = dict[str, Any]


def allow(
    actions: Sequence[str],
    resources: Sequence[pulumi.Input[str]],
    *,
    service: str | None = None,
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    """One statement. With `service` it is for a resource's own policy and names who may act."""
    statement: Statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    if service:
        statement["Principal"] = {"Service": service}
    if condition:
        statement["Condition"] = condition
    return statement


def document(*statements: Statement) -> pulumi.Output[str]:
    """The policy's JSON. Unknown parts make it unknown in a preview."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str, account: str | None = None) -> str:
    """Who may assume a role: `service`, and where it supports that only on behalf of `account`."""
    statement: Statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": ["sts:AssumeRole"]}
    if account:
        statement["Condition"] = {"StringEquals": {"aws:SourceAccount": account}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
