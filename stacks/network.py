"""The tenant's own network: no peering, nothing shared, so its addresses may be everybody's."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.policies import allow, document, trust
from stacks.scope import Scope, log_group

CIDR = "10.0.0.0/20"
_PUBLIC = ("10.0.0.0/24", "10.0.1.0/24")
_PRIVATE = ("10.0.8.0/24", "10.0.9.0/24")
_LETTERS = "ab"
_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, slots=True)
class NetworkArgs:
    """`key_arn` encrypts the flow log. `bare`: for one machine and some hours, so one public subnet is enough, and
    there is neither a flow log nor a way to S3 of its own."""

    scope: Scope
    key_arn: pulumi.Input[str]
    bare: bool = False


class Network(pulumi.ComponentResource):
    """VPC, a public and a private subnet in each of two zones, the ways out, and a record of who spoke to whom.

    `ways_out` are the resources without which a machine can't reach anything outside.
    """

    vpc_id: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    ways_out: list[pulumi.Resource]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:Network", name, None, opts)
        self._scope = args.scope
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = aws.ec2.Vpc(
            "vpc",
            cidr_block=CIDR,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._scope.tags("vpc"),
            opts=self._child,
        )
        self.vpc_id = vpc.id
        # Adopted to be emptied: nothing may be reached because somebody forgot to name a group.
        aws.ec2.DefaultSecurityGroup(
            "closed", vpc_id=vpc.id, ingress=[], egress=[], tags=self._scope.tags("closed"), opts=self._child
        )
        self._add_subnets(_PUBLIC[:1] if args.bare else _PUBLIC)
        if not args.bare:
            self._add_s3_endpoint()
            self._add_flow_log(args.key_arn)
        self.register_outputs({"vpc_id": vpc.id})

    def _add_subnets(self, public_blocks: tuple[str, ...]) -> None:
        gateway = aws.ec2.InternetGateway(
            "internet", vpc_id=self.vpc_id, tags=self._scope.tags("internet"), opts=self._child
        )
        public = self._route_table("public")
        public_subnets = self._subnets("public", public_blocks)
        private_subnets = self._subnets("private", _PRIVATE)
        to_internet = aws.ec2.Route(
            "public-internet",
            route_table_id=public.id,
            destination_cidr_block=_ANYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )
        self.ways_out = [to_internet, *self._associate("public", public, public_subnets)]
        self._tables = [public.id]
        if self._scope.sizing.front == "balancer":
            # Otherwise only the database is in there: the VPC's own table, which leads nowhere, is right for it.
            private = self._route_table("private")
            self.ways_out += self._associate("private", private, private_subnets)
            self.ways_out.append(self._nat_route(private, public_subnets[0], to_internet))
            self._tables.append(private.id)
        self.public_subnet_ids = [s.id for s in public_subnets]
        self.private_subnet_ids = [s.id for s in private_subnets]

    def _add_s3_endpoint(self) -> None:
        aws.ec2.VpcEndpoint(
            "s3",
            vpc_id=self.vpc_id,
            service_name=f"com.amazonaws.{self._scope.args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=self._tables,
            tags=self._scope.tags("s3"),
            opts=self._child,
        )

    def _route_table(self, kind: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(kind, vpc_id=self.vpc_id, tags=self._scope.tags(kind), opts=self._child)

    def _subnets(self, kind: str, blocks: tuple[str, ...]) -> list[aws.ec2.Subnet]:
        """One for each block, each in another zone."""
        return [
            aws.ec2.Subnet(
                f"{kind}-{letter}",
                vpc_id=self.vpc_id,
                cidr_block=block,
                availability_zone=zone,
                map_public_ip_on_launch=False,
                tags=self._scope.tags(f"{kind}-{letter}"),
                opts=self._child,
            )
            for letter, block, zone in zip(_LETTERS, blocks, self._scope.args.zones, strict=False)
        ]

    def _associate(self, kind: str, table: aws.ec2.RouteTable, subnets: list[aws.ec2.Subnet]) -> list[pulumi.Resource]:
        return [
            aws.ec2.RouteTableAssociation(
                f"{kind}-{letter}", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
            )
            for letter, subnet in zip(_LETTERS, subnets, strict=False)
        ]

    def _nat_route(
        self, table: aws.ec2.RouteTable, subnet: aws.ec2.Subnet, to_internet: aws.ec2.Route
    ) -> aws.ec2.Route:
        """One gateway in one zone: a second one would cost more than the outage of a zone that it survives."""
        address = aws.ec2.Eip(
            "nat-address",
            domain="vpc",
            tags=self._scope.tags("nat-address"),
            # The customer's firewalls may know it.
            opts=pulumi.ResourceOptions(parent=self, protect=self._scope.guarded, depends_on=[to_internet]),
        )
        gateway = aws.ec2.NatGateway(
            "nat",
            allocation_id=address.id,
            subnet_id=subnet.id,
            connectivity_type="public",
            tags=self._scope.tags("nat"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[to_internet], delete_before_replace=True),
        )
        return aws.ec2.Route(
            "private-nat",
            route_table_id=table.id,
            destination_cidr_block=_ANYWHERE,
            nat_gateway_id=gateway.id,
            opts=self._child,
        )

    def _add_flow_log(self, key_arn: pulumi.Input[str]) -> None:
        scope = self._scope
        named = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        group = log_group(scope, "flow-log-group", scope.flow_log_path, key_arn, self)
        role = aws.iam.Role(
            "flow-log-role",
            name=scope.physical("flow-log"),
            assume_role_policy=trust("vpc-flow-logs.amazonaws.com", scope.args.account),
            permissions_boundary=scope.boundary_arn,
            tags=scope.tags("flow-log-role"),
            opts=named,
        )
        grant = aws.iam.RolePolicy(
            "flow-log-policy",
            name="write-flow-log",
            role=role.name,
            policy=document(
                allow(
                    ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                    [pulumi.Output.concat(group.arn, ":*")],
                ),
                allow(["logs:DescribeLogGroups"], ["*"]),
            ),
            opts=named,
        )
        aws.ec2.FlowLog(
            "flow-log",
            vpc_id=self.vpc_id,
            traffic_type="ALL",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            max_aggregation_interval=600,
            tags=scope.tags("flow-log"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[grant]),
        )
