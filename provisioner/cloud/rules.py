"""Rules of security groups, as AWS has them."""

from collections.abc import Collection
from typing import Any

from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.cloud import GroupRule

# AWS takes up to 200 values of one filter.
_AT_ONCE = 100


def group_rules(clients: Clients, groups: Collection[str]) -> list[GroupRule]:
    """All rules of these groups, sorted by id."""
    ids, found = sorted(groups), []
    with translated("ec2 DescribeSecurityGroupRules"):
        for start in range(0, len(ids), _AT_ONCE):
            filters = [{"Name": "group-id", "Values": ids[start : start + _AT_ONCE]}]
            pages = clients["ec2"].get_paginator("describe_security_group_rules").paginate(Filters=filters)
            found += [rule for page in pages for rule in page["SecurityGroupRules"]]
    return sorted((_rule(raw) for raw in found), key=lambda rule: rule.id)


def revoke_rule(clients: Clients, rule: GroupRule) -> None:
    """Take a rule away; one that is gone is success."""
    direction = "egress" if rule.egress else "ingress"
    with translated(f"ec2 RevokeSecurityGroup{direction.capitalize()}"):
        try:
            revoke = getattr(clients["ec2"], f"revoke_security_group_{direction}")
            revoke(GroupId=rule.group, SecurityGroupRuleIds=[rule.id])
        except clients["ec2"].exceptions.ClientError as error:
            if code_of(error) not in ("InvalidSecurityGroupRuleId.NotFound", "InvalidPermission.NotFound"):
                raise


def _rule(raw: dict[str, Any]) -> GroupRule:
    group = (raw.get("ReferencedGroupInfo") or {}).get("GroupId")
    everything = raw["IpProtocol"] == "-1"
    return GroupRule(
        id=raw["SecurityGroupRuleId"],
        group=raw["GroupId"],
        egress=bool(raw["IsEgress"]),
        protocol=raw["IpProtocol"],
        from_port=None if everything else raw.get("FromPort"),
        to_port=None if everything else raw.get("ToPort"),
        peer=raw.get("CidrIpv4") or raw.get("CidrIpv6") or raw.get("PrefixListId") or group or "nobody",
    )
