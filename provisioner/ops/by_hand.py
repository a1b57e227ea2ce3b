"""What a refresh can't see: rules of our security groups that no resource of the stack is, and what was stopped.

A stack that keeps a group's rules as resources of their own reads these alone, and a machine is as the program wants it
whether it runs or not. So both are looked up, and mended, beside the engine's run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioner.model.change import Difference, Event, EventKind
from provisioner.model.cloud import GroupRule
from provisioner.model.ports import Cloud, StepContext
from provisioner.ops.awake import wake_database, wake_machine
from provisioner.ops.house import House

_MACHINE = "aws:ec2/instance:Instance"
_DATABASE = "aws:rds/instance:Instance"
_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_RULES = (
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
)
_STOPPED = ("stopped", "stopping")
Deployment = Mapping[str, Any]


@dataclass(slots=True)
class Own:
    """What a stack's state has, by the ids of the cloud: each with its URN. Databases by their identifiers."""

    machines: dict[str, str] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, deployment: Deployment | None) -> "Own":
        """From a deployment as the engine exports it."""
        own = cls()
        for resource in deployment["deployment"].get("resources") or () if deployment else ():
            urn, kind = str(resource.get("urn", "")), resource.get("type")
            if kind == _DATABASE:
                known = {**(resource.get("inputs") or {}), **(resource.get("outputs") or {})}
                own.databases[str(known.get("identifier") or resource.get("id"))] = urn
            place = own.machines if kind == _MACHINE else own.groups if kind == _GROUP else None
            if kind in _RULES:
                place = own.rules
            if place is not None:
                place[str(resource.get("id"))] = urn
        return own


def by_hand(cloud: Cloud, tenant_id: str, deployment: Deployment | None) -> tuple[Difference, ...]:
    """The differences that only this look finds."""
    own = Own.of(deployment)
    found = [_added(own.groups[rule.group], rule) for rule in strangers(cloud, own)]
    for machine, state in _stopped_machines(cloud, tenant_id, own).items():
        urn = own.machines[machine]
        found.append(Difference(_MACHINE, _name(urn), urn, "instanceState", "running", state))
    for database, status in _stopped_databases(cloud, own).items():
        urn = own.databases[database]
        found.append(Difference(_DATABASE, _name(urn), urn, "status", "available", status))
    return tuple(found)


def strangers(cloud: Cloud, own: Own) -> list[GroupRule]:
    """Rules of the stack's groups that the state doesn't know."""
    found = cloud.group_rules(list(own.groups)) if own.groups else []
    return [rule for rule in found if rule.id not in own.rules]


def wake(house: House, ctx: StepContext, cloud: Cloud, deployment: Deployment | None) -> None:
    """Start what was stopped, and wait: RDS changes nothing that is."""
    own = Own.of(deployment)
    for database in _stopped_databases(cloud, own):
        _tell(ctx, f"database {database} was stopped; it is started")
        wake_database(house, ctx, cloud, database)
    for machine in _stopped_machines(cloud, ctx.tenant, own):
        _tell(ctx, f"machine {machine} was stopped; it is started")
        wake_machine(house, ctx, cloud, machine)


def close(ctx: StepContext, cloud: Cloud, deployment: Deployment | None) -> None:
    """Take away rules that nobody asked for. After the engine's run, whose state has all that are ours."""
    own = Own.of(deployment)
    for rule in strangers(cloud, own):
        ctx.guard()
        _tell(ctx, f"{_name(own.groups[rule.group])}: the rule {rule} is nobody's; it is taken away")
        cloud.revoke_rule(rule)


def _stopped_machines(cloud: Cloud, tenant_id: str, own: Own) -> dict[str, str]:
    if not own.machines:
        return {}
    return {m.id: m.state for m in cloud.machines(tenant_id) if m.id in own.machines and m.state in _STOPPED}


def _stopped_databases(cloud: Cloud, own: Own) -> dict[str, str]:
    found = [(name, cloud.database(name)) for name in own.databases]
    return {name: database.status for name, database in found if database and database.status in _STOPPED}


def _added(urn: str, rule: GroupRule) -> Difference:
    return Difference(_GROUP, _name(urn), urn, "egress" if rule.egress else "ingress", None, str(rule))


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _tell(ctx: StepContext, words: str) -> None:
    ctx.progress(Event(EventKind.MESSAGE, ctx.tenant, "by hand", message=words))
