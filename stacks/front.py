"""The tenant's address: an Elastic IP on the machine, and the name that points there; `balancer.py` is the other."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.access import PRODUCT_PORT
from stacks.scope import Scope

TTL = 60
ADDRESS, BALANCER = "provision:tenant:AddressFront", "provision:tenant:BalancerFront"


@dataclass(frozen=True, slots=True)
class AddressArgs:
    """`ways_out`: an address can be used only when its network reaches the internet."""

    scope: Scope
    zone_id: pulumi.Input[str]
    machine_id: pulumi.Input[str]
    ways_out: list[pulumi.Resource]


class AddressFront(pulumi.ComponentResource):
    """An Elastic IP that stays when the machine is replaced. On AWS the image itself ends TLS, for `TLS_NAME`."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: AddressArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(ADDRESS, name, None, in_place_of(BALANCER, opts))
        scope = args.scope
        address = aws.ec2.Eip(
            "address",
            domain="vpc",
            tags=scope.tags("address"),
            opts=pulumi.ResourceOptions(parent=self, protect=scope.guarded, depends_on=args.ways_out),
        )
        aws.ec2.EipAssociation(
            "address-machine",
            allocation_id=address.id,
            instance_id=args.machine_id,
            allow_reassociation=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        aws.route53.Record(
            "name",
            zone_id=args.zone_id,
            name=scope.host,
            type="A",
            ttl=TTL,
            records=[address.public_ip],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.url = tenant_url(scope, address.public_dns)
        self.register_outputs({"url": self.url})


def in_place_of(other: str, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """A tenant has one front. Where it becomes one of the `other` kind, the name stays the same resource and is pointed
    elsewhere: a second record of that name would be refused, and the deletion of the first would leave none."""
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=other)]))


def tenant_url(scope: Scope, sandbox_name: pulumi.Output[str]) -> pulumi.Output[str]:
    """The tenant's URL. A name of the sandbox has a port where the host has one loopback address only."""
    if scope.on_aws:
        return pulumi.Output.from_input(f"https://{scope.host}")
    return sandbox_name.apply(lambda name: f"http://{name}" if ":" in name else f"http://{name}:{PRODUCT_PORT}")
