"""The tenant's address: an Elastic IP on the machine, or a load balancer before it, and the name that points there."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.access import PRODUCT_PORT
from stacks.scope import Scope

_TTL = 60
_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


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
        super().__init__("provision:tenant:AddressFront", name, None, opts)
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
            ttl=_TTL,
            records=[address.public_ip],
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.url = _url(scope, address.public_dns)
        self.register_outputs({"url": self.url})


@dataclass(frozen=True, slots=True)
class BalancerArgs:
    """`subnet_ids`: public ones in two zones. `group_id`: the balancer's security group."""

    scope: Scope
    zone_id: pulumi.Input[str]
    machine_id: pulumi.Input[str]
    vpc_id: pulumi.Input[str]
    subnet_ids: list[pulumi.Output[str]]
    group_id: pulumi.Input[str]
    ways_out: list[pulumi.Resource]


class BalancerFront(pulumi.ComponentResource):
    """A load balancer that ends TLS with a certificate of the tenant's name; in the sandbox it speaks HTTP."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:BalancerFront", name, None, opts)
        self._args = args
        self._scope = args.scope
        self._child = pulumi.ResourceOptions(parent=self)
        self._named = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        balancer = self._balancer()
        group = self._target_group()
        if self._scope.on_aws:
            self._listen_tls(balancer, group)
        else:
            self._listen("listener", balancer, PRODUCT_PORT, _forward(group))
        aws.route53.Record(
            "name",
            zone_id=args.zone_id,
            name=self._scope.host,
            type="A",
            aliases=[
                aws.route53.RecordAliasArgs(
                    name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=False
                )
            ],
            opts=self._named,
        )
        self.balancer_suffix: pulumi.Output[str] = balancer.arn_suffix
        self.group_suffix: pulumi.Output[str] = group.arn_suffix
        self.url = _url(self._scope, balancer.dns_name)
        self.register_outputs({"url": self.url})

    def _balancer(self) -> aws.lb.LoadBalancer:
        return aws.lb.LoadBalancer(
            "balancer",
            # The id itself: a prefix would not fit into 32 characters.
            name=self._scope.args.tenant,
            internal=False,
            load_balancer_type="application",
            subnets=self._args.subnet_ids,
            security_groups=[self._args.group_id],
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_deletion_protection=self._scope.guarded,
            tags=self._scope.tags("balancer"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=self._args.ways_out, delete_before_replace=True),
        )

    def _target_group(self) -> aws.lb.TargetGroup:
        group = aws.lb.TargetGroup(
            "targets",
            name=self._scope.args.tenant,
            vpc_id=self._args.vpc_id,
            target_type="instance",
            protocol="HTTP",
            port=PRODUCT_PORT,
            deregistration_delay=30,
            health_check=aws.lb.TargetGroupHealthCheckArgs(
                path="/healthz", matcher="200", interval=10, timeout=5, healthy_threshold=2, unhealthy_threshold=3
            ),
            tags=self._scope.tags("targets"),
            opts=self._named,
        )
        aws.lb.TargetGroupAttachment(
            "targets-machine",
            target_group_arn=group.arn,
            target_id=self._args.machine_id,
            port=PRODUCT_PORT,
            opts=self._child,
        )
        return group

    def _listen_tls(self, balancer: aws.lb.LoadBalancer, group: aws.lb.TargetGroup) -> None:
        validation = self._certificate()
        self._listen(
            "listener",
            balancer,
            443,
            _forward(group),
            certificate_arn=validation.certificate_arn,
            ssl_policy=_TLS_POLICY,
        )
        redirect = aws.lb.ListenerDefaultActionRedirectArgs(port="443", protocol="HTTPS", status_code="HTTP_301")
        action = aws.lb.ListenerDefaultActionArgs(type="redirect", redirect=redirect)
        self._listen("listener-redirect", balancer, 80, action)

    def _listen(
        self,
        name: str,
        balancer: aws.lb.LoadBalancer,
        port: int,
        action: aws.lb.ListenerDefaultActionArgs,
        **tls: pulumi.Input[str],
    ) -> None:
        aws.lb.Listener(
            name,
            load_balancer_arn=balancer.arn,
            port=port,
            protocol="HTTPS" if tls else "HTTP",
            default_actions=[action],
            tags=self._scope.tags(name),
            opts=self._named,
            **tls,
        )

    def _certificate(self) -> aws.acm.CertificateValidation:
        certificate = aws.acm.Certificate(
            "certificate",
            domain_name=self._scope.host,
            validation_method="DNS",
            tags=self._scope.tags("certificate"),
            opts=self._child,
        )
        wanted = certificate.domain_validation_options[0]
        record = aws.route53.Record(
            "certificate-proof",
            zone_id=self._args.zone_id,
            name=wanted.resource_record_name,
            type=wanted.resource_record_type,
            ttl=_TTL,
            records=[wanted.resource_record_value],
            opts=self._named,
        )
        return aws.acm.CertificateValidation(
            "certificate-valid",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn],
            opts=self._child,
        )


def _forward(group: aws.lb.TargetGroup) -> aws.lb.ListenerDefaultActionArgs:
    return aws.lb.ListenerDefaultActionArgs(type="forward", target_group_arn=group.arn)


def _url(scope: Scope, sandbox_name: pulumi.Output[str]) -> pulumi.Output[str]:
    """The tenant's URL. A name of the sandbox has a port where the host has one loopback address only."""
    if scope.on_aws:
        return pulumi.Output.from_input(f"https://{scope.host}")
    return sandbox_name.apply(lambda name: f"http://{name}" if ":" in name else f"http://{name}:{PRODUCT_PORT}")
