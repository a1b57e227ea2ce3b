"""A tenant's load balancer, its certificate on AWS, and the name that points there.

A module of its own, imported only for tenants that have one: `pulumi_aws.lb` and `pulumi_aws.acm` cost time and memory,
and nothing else touches them, so that the import lock keeps threads from loading them at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.access import PRODUCT_PORT
from stacks.front import ADDRESS, BALANCER, TTL, in_place_of, tenant_url
from stacks.scope import Scope

_TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-2021-06"


@dataclass(frozen=True, slots=True)
class BalancerArgs:
    """`machine_ids`: by logical name, who gets requests. `subnet_ids`: public ones in two zones. `group_id`: the
    balancer's security group."""

    scope: Scope
    zone_id: pulumi.Input[str]
    machine_ids: Mapping[str, pulumi.Input[str]]
    vpc_id: pulumi.Input[str]
    subnet_ids: list[pulumi.Output[str]]
    group_id: pulumi.Input[str]
    ways_out: list[pulumi.Resource]


class BalancerFront(pulumi.ComponentResource):
    """A load balancer that ends TLS with a certificate of the tenant's name; in the sandbox it speaks HTTP."""

    url: pulumi.Output[str]

    def __init__(self, name: str, args: BalancerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(BALANCER, name, None, in_place_of(ADDRESS, opts))
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
        self.group_arn: pulumi.Output[str] = group.arn
        self.url = tenant_url(self._scope, balancer.dns_name)
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
        for name, machine_id in self._args.machine_ids.items():
            aws.lb.TargetGroupAttachment(
                f"targets-{name}",
                target_group_arn=group.arn,
                target_id=machine_id,
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
            ttl=TTL,
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
