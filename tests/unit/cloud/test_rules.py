"""Rules of security groups: which there are, in words, and taking one away."""

from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from provisioner.cloud.rules import group_rules, revoke_rule
from provisioner.cloud.session import Access, Clients
from provisioner.model.cloud import GroupRule
from provisioner.model.errors import ProvisionError


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield Clients(Access("eu-west-1"))


@pytest.fixture
def groups(clients: Clients) -> list[str]:
    """Two groups of a network, the first one with rules of all kinds."""
    ec2 = clients["ec2"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"]
    first, second = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"] for name in ("one", "two")
    )
    permissions: list[dict[str, Any]] = [
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        {"IpProtocol": "udp", "FromPort": 1, "ToPort": 9, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": second}]},
    ]
    ec2.authorize_security_group_ingress(GroupId=first, IpPermissions=permissions)
    return [first, second]


def words(rules: list[GroupRule]) -> list[str]:
    return sorted(map(str, rules))


def test_all_rules_of_the_groups_in_words(clients: Clients, groups: list[str]) -> None:
    everything = "everything to 0.0.0.0/0"
    found = group_rules(clients, groups[:1])
    assert words(found) == sorted(
        [everything, "tcp 22 from 0.0.0.0/0", f"tcp 80 from {groups[1]}", "udp 1-9 from ::/0"]
    )
    assert {rule.group for rule in found} == {groups[0]}
    assert [rule.id for rule in found] == sorted(rule.id for rule in found)
    assert words(group_rules(clients, groups[1:])) == [everything]


@pytest.mark.parametrize("said", ["tcp 22 from 0.0.0.0/0", "everything to 0.0.0.0/0"])
def test_one_is_taken_away_and_the_others_stay(clients: Clients, groups: list[str], said: str) -> None:
    before = group_rules(clients, groups)
    [rule] = [r for r in before if str(r) == said and r.group == groups[0]]
    revoke_rule(clients, rule)
    after = group_rules(clients, groups)
    assert (len(after), rule in after) == (len(before) - 1, False)


def test_one_that_is_gone_is_success_and_a_group_that_is_gone_is_not(clients: Clients, groups: list[str]) -> None:
    [rule] = [r for r in group_rules(clients, groups) if str(r) == "tcp 22 from 0.0.0.0/0"]
    revoke_rule(clients, rule)
    revoke_rule(clients, rule)
    other = GroupRule("sgr-1", "sg-0123456789abcdef0", False, "tcp", 22, 22, "0.0.0.0/0")
    with pytest.raises(ProvisionError, match="RevokeSecurityGroupIngress"):
        revoke_rule(clients, other)
