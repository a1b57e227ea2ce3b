"""Security groups and their rules."""

from collections.abc import Mapping
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.resource import Adopt, Name, Resource, resource
from provisioner.sandbox.provider.types import ec2
from provisioner.sandbox.provider.types.common import fields, params, refuse, tag_map

_SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")


def _group(call: Call, group: str) -> dict[str, Any] | None:
    return call.one("ec2", "describe_security_groups", "SecurityGroups", GroupIds=[group])


def _make_group(call: Call, wanted: Props) -> str:
    answer = call.once(
        "ec2",
        "create_security_group",
        GroupName=wanted["name"],
        **params(wanted, "description vpcId"),
        TagSpecifications=ec2.specification("security-group", wanted),
    )
    return str(answer["GroupId"])


def _close_group(call: Call, group: str, _wanted: Props) -> None:
    """Revoke the rule that AWS gives a new group: all traffic to everywhere. A program's own rules have tags."""
    filters = [{"Name": "group-id", "Values": [group]}]
    rules = call.api("ec2", "describe_security_group_rules", Filters=filters)["SecurityGroupRules"]
    given = [r["SecurityGroupRuleId"] for r in rules if r["IsEgress"] and r["IpProtocol"] == "-1" and not r.get("Tags")]
    if given:
        call.api("ec2", "revoke_security_group_egress", GroupId=group, SecurityGroupRuleIds=given)


def _read_group(call: Call, group: str, _known: Props) -> Props | None:
    found = _group(call, group)
    if found is None:
        return None
    return fields(found, "name=GroupName description vpcId ownerId") | {
        "arn": ec2.arn(call, found.get("OwnerId", ""), "security-group", group),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _group_named(call: Call, wanted: Props) -> str | None:
    filters = [{"Name": "group-name", "Values": [wanted["name"]]}, {"Name": "vpc-id", "Values": [wanted["vpcId"]]}]
    found = call.one("ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
    return str(found["GroupId"]) if found else None


GROUP = resource(
    "aws:ec2/securityGroup:SecurityGroup",
    "name description vpcId revokeRulesOnDelete",
    required="vpcId",
    force_new="name description vpcId",
    defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
    name=Name(),
    make=_make_group,
    read=_read_group,
    finish=_close_group,
    delete=lambda call, group, _state: call.api("ec2", "delete_security_group", GroupId=group),
    retag=ec2.retag,
    adopt=Adopt(duplicates=words("InvalidGroup.Duplicate"), existing=_group_named),
)


def _find_default(call: Call, wanted: Props) -> str:
    filters = [{"Name": "group-name", "Values": ["default"]}, {"Name": "vpc-id", "Values": [wanted["vpcId"]]}]
    found = call.one("ec2", "describe_security_groups", "SecurityGroups", Filters=filters)
    if found is None:
        raise refuse(f"{wanted['vpcId']} has no default security group")
    return str(found["GroupId"])


def _read_default(call: Call, group: str, known: Props) -> Props | None:
    state = _read_group(call, group, known)
    found = _group(call, group)
    if state is None or found is None:
        return None
    rules = {"ingress": found.get("IpPermissions"), "egress": found.get("IpPermissionsEgress")}
    return state | {key: [{"protocol": r["IpProtocol"]} for r in value or ()] for key, value in rules.items()}


def _empty_default(call: Call, group: str, _wanted: Props, _changed: frozenset[str]) -> None:
    """Revoke what AWS put in by itself: traffic among the group's members, and out to everywhere."""
    found = _group(call, group) or {}
    for operation, key in (
        ("revoke_security_group_egress", "IpPermissionsEgress"),
        ("revoke_security_group_ingress", "IpPermissions"),
    ):
        if found.get(key):
            call.api("ec2", operation, GroupId=group, IpPermissions=found[key])


def _only_closed(inputs: Props) -> list[str]:
    if inputs.get("ingress") or inputs.get("egress"):
        return ["the sandbox supports a default security group without rules only"]
    return []


DEFAULT_GROUP = resource(
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    "vpcId ingress egress revokeRulesOnDelete",
    required="vpcId",
    force_new="vpcId",
    defaults={"ingress": [], "egress": [], "revokeRulesOnDelete": False},
    make=_find_default,
    read=_read_default,
    update=_empty_default,
    complete=_only_closed,
    retag=ec2.retag,
)


def _permission(props: Props) -> dict[str, Any]:
    permission = params(props, "ipProtocol fromPort toPort")
    words_ = {"Description": props["description"]} if props.get("description") else {}
    if cidr := props.get("cidrIpv4"):
        permission["IpRanges"] = [{"CidrIp": cidr, **words_}]
    elif cidr := props.get("cidrIpv6"):
        permission["Ipv6Ranges"] = [{"CidrIpv6": cidr, **words_}]
    elif prefixes := props.get("prefixListId"):
        permission["PrefixListIds"] = [{"PrefixListId": prefixes, **words_}]
    else:
        permission["UserIdGroupPairs"] = [{"GroupId": props["referencedSecurityGroupId"], **words_}]
    return permission


def _check_rule(inputs: Props) -> list[str]:
    if sum(bool(inputs.get(key)) for key in _SOURCES) != 1:
        return [f"a rule needs exactly one of {', '.join(_SOURCES)}"]
    everything = str(inputs["ipProtocol"]) == "-1"
    if everything and ("fromPort" in inputs or "toPort" in inputs):
        return ["a rule for all protocols has no ports"]
    if not everything and not {"fromPort", "toPort"} <= inputs.keys():
        return ["a rule for one protocol needs fromPort and toPort"]
    return []


def _rule_state(call: Call, found: Mapping[str, Any]) -> Props:
    state = fields(
        found,
        "securityGroupId=GroupId ipProtocol fromPort toPort cidrIpv4 cidrIpv6 prefixListId description "
        "securityGroupRuleId",
    )
    if state["ipProtocol"] == "-1":
        state["fromPort"] = state["toPort"] = None
    return state | {
        "referencedSecurityGroupId": (found.get("ReferencedGroupInfo") or {}).get("GroupId"),
        "arn": ec2.arn(call, found.get("GroupOwnerId", ""), "security-group-rule", found["SecurityGroupRuleId"]),
        "tagsAll": tag_map(found.get("Tags")),
    }


def _update_rule(call: Call, rule: str, wanted: Props, _changed: frozenset[str]) -> None:
    change = params(
        wanted,
        "ipProtocol fromPort toPort cidrIpv4 cidrIpv6 prefixListId description "
        "referencedSecurityGroupId=ReferencedGroupId",
    )
    change = {"FromPort": -1, "ToPort": -1} | change if wanted["ipProtocol"] == "-1" else change
    rules = [{"SecurityGroupRuleId": rule, "SecurityGroupRule": change}]
    call.api("ec2", "modify_security_group_rules", GroupId=wanted["securityGroupId"], SecurityGroupRules=rules)


def _rule(token: str, direction: str) -> Resource:
    egress = direction == "egress"

    def make(call: Call, wanted: Props) -> str:
        answer = call.once(
            "ec2",
            f"authorize_security_group_{direction}",
            GroupId=wanted["securityGroupId"],
            IpPermissions=[_permission(wanted)],
            TagSpecifications=ec2.specification("security-group-rule", wanted),
        )
        return str(answer["SecurityGroupRules"][0]["SecurityGroupRuleId"])

    def read(call: Call, rule: str, _known: Props) -> Props | None:
        path = "SecurityGroupRules"
        found = call.one("ec2", "describe_security_group_rules", path, SecurityGroupRuleIds=[rule])
        return _rule_state(call, found) if found and bool(found["IsEgress"]) == egress else None

    def existing(call: Call, wanted: Props) -> str | None:
        filters = [{"Name": "group-id", "Values": [wanted["securityGroupId"]]}]
        keys = ("ipProtocol", "fromPort", "toPort", *_SOURCES)
        for found in call.api("ec2", "describe_security_group_rules", Filters=filters)["SecurityGroupRules"]:
            state = _rule_state(call, found)
            if bool(found["IsEgress"]) == egress and all(state.get(k) == wanted.get(k) for k in keys):
                return str(found["SecurityGroupRuleId"])
        return None

    def delete(call: Call, rule: str, state: Props) -> None:
        operation = f"revoke_security_group_{direction}"
        call.api("ec2", operation, GroupId=state["securityGroupId"], SecurityGroupRuleIds=[rule])

    return resource(
        token,
        "securityGroupId ipProtocol fromPort toPort description " + " ".join(_SOURCES),
        required="securityGroupId ipProtocol",
        # AWS changes the source in place within its kind; moto does so for IPv4 ranges only.
        force_new="securityGroupId cidrIpv6 prefixListId referencedSecurityGroupId",
        make=make,
        read=read,
        update=_update_rule,
        delete=delete,
        complete=_check_rule,
        retag=ec2.retag,
        adopt=Adopt(duplicates=words("InvalidPermission.Duplicate"), existing=existing),
    )


TYPES = (
    GROUP,
    DEFAULT_GROUP,
    _rule("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "ingress"),
    _rule("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", "egress"),
)
