"""Security groups: who may speak to whom. There is no administrator's port; people come in through SSM."""

from collections.abc import Callable
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.scope import Scope

PRODUCT_PORT = 8080
# Not PostgreSQL's default: scanners that got this far look there first (FSBP RDS.23).
DATABASE_PORT = 5433
_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class AccessArgs:
    """`vpc_id`: where the groups live. `public`: whether anybody comes in from outside."""

    scope: Scope
    vpc_id: pulumi.Input[str]
    public: bool = True


class Access(pulumi.ComponentResource):
    """A group for each of database, machine and (where there is one) balancer, with the few rules between them."""

    database_group_id: pulumi.Output[str]
    machine_group_id: pulumi.Output[str]
    balancer_group_id: pulumi.Output[str] | None
    rules: list[pulumi.Resource]

    def __init__(self, name: str, args: AccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:Access", name, None, opts)
        self._scope = args.scope
        self._vpc_id = args.vpc_id
        self.rules = []
        self.database_group_id = self._group("database")
        self.machine_group_id = self._group("machine")
        self.balancer_group_id = self._group("balancer") if self._scope.sizing.front == "balancer" else None
        public: tuple[int, ...] = ()
        if args.public:
            public = (443, 80) if self._scope.on_aws else (PRODUCT_PORT,)
        if self.balancer_group_id is None:
            self._from_anywhere("machine", self.machine_group_id, public)
        else:
            self._from_anywhere("balancer", self.balancer_group_id, public)
            self._between("balancer", self.balancer_group_id, "machine", self.machine_group_id, PRODUCT_PORT)
        self._between("machine", self.machine_group_id, "database", self.database_group_id, DATABASE_PORT)
        self._egress("machine-to-https", self.machine_group_id, 443, cidr_ipv4=_ANYWHERE)
        self.register_outputs({})

    def _group(self, name: str) -> pulumi.Output[str]:
        group: pulumi.Output[str] = aws.ec2.SecurityGroup(
            f"{name}-group",
            name=self._scope.physical(name),
            description=f"The {name} of tenant {self._scope.args.tenant}",
            vpc_id=self._vpc_id,
            tags=self._scope.tags(f"{name}-group"),
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        ).id
        return group

    def _from_anywhere(self, name: str, group: pulumi.Output[str], ports: tuple[int, ...]) -> None:
        for port in ports:
            self._ingress(f"{name}-from-anywhere-{port}", group, port, cidr_ipv4=_ANYWHERE)

    def _between(
        self, source: str, source_id: pulumi.Output[str], target: str, target_id: pulumi.Output[str], port: int
    ) -> None:
        self._ingress(f"{target}-from-{source}", target_id, port, referenced_security_group_id=source_id)
        self._egress(f"{source}-to-{target}", source_id, port, referenced_security_group_id=target_id)

    def _ingress(self, name: str, group: pulumi.Output[str], port: int, **peer: pulumi.Input[str]) -> None:
        self._rule(aws.vpc.SecurityGroupIngressRule, name, group, port, peer)

    def _egress(self, name: str, group: pulumi.Output[str], port: int, **peer: pulumi.Input[str]) -> None:
        self._rule(aws.vpc.SecurityGroupEgressRule, name, group, port, peer)

    def _rule(
        self,
        kind: Callable[..., pulumi.Resource],
        name: str,
        group: pulumi.Output[str],
        port: int,
        peer: dict[str, pulumi.Input[str]],
    ) -> None:
        self.rules.append(
            kind(
                name,
                security_group_id=group,
                description=name.replace("-", " "),
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                tags=self._scope.tags(name),
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
                **peer,
            )
        )
