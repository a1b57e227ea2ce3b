"""Where the deployer works, and the words in which permissions are said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TENANT = "${aws:PrincipalTag/tenant}"
CHECK = "provision-check"
"""The tenant in the session's tag where none is meant. No tenant may be called so, hence it reaches nobody's."""
BORN = {"StringEquals": {"aws:RequestTag/provision:tenant": TENANT}}
OWN = {"StringEquals": {"aws:ResourceTag/provision:tenant": TENANT}}
NOBODYS = {"Null": {"aws:ResourceTag/provision:tenant": "true"}}
"""What is about to be made, or was never any tenant's: to be tagged as ours only together with `BORN`."""

Statement = dict[str, Any]
Condition = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the deployer works: the account, its regions, and the DNS zone below which tenants answer."""

    account: str
    regions: tuple[str, ...]
    domain: str

    def arn(self, service: str, resource: str, *, region: str = "*") -> str:
        """An ARN of this account; `region` "" for global services."""
        return f"arn:aws:{service}:{region}:{self.account}:{resource}"


def statement(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Condition | None = None
) -> Statement:
    """One permission."""
    made: Statement = {"Sid": sid, "Effect": "Allow", "Action": sorted(actions), "Resource": list(resources)}
    if condition:
        made["Condition"] = {k: dict(v) for k, v in condition.items()}
    return made


def deny(sid: str, actions: Sequence[str], condition: Condition) -> Statement:
    """One thing that is never permitted, to whatever it is done."""
    return {**statement(sid, actions, ["*"], condition), "Effect": "Deny"}
