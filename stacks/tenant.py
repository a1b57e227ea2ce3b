"""The Pulumi program of a tenant: everything that one customer's instance is made of. `quarantine.py` is a drill's."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from provisioner.model.stack import StackArgs
from stacks.access import Access, AccessArgs
from stacks.database import Database, DatabaseArgs
from stacks.environment import environment
from stacks.files import Files, FilesArgs
from stacks.front import AddressArgs, AddressFront
from stacks.machine import Machine, MachineArgs, machine_name
from stacks.network import Network, NetworkArgs
from stacks.outputs import export
from stacks.provider import provider
from stacks.role import MachineRole, MachineRoleArgs
from stacks.scope import Scope
from stacks.secrets import Secrets, SecretsArgs
from stacks.version import program_version
from stacks.watch import Watch, WatchArgs

if TYPE_CHECKING:
    from stacks.balancer import BalancerFront

PROGRAM_VERSION = program_version()


def program(args: StackArgs) -> Callable[[], None]:
    """The program for `args`, to be run by an engine. It exports the fields of `StackOutputs`, and no secret. It can be
    sent to another process."""
    return partial(_make, args)


def _make(args: StackArgs) -> None:
    if args.quarantine is None:
        _Tenant(args).make()
        return
    from stacks.quarantine import Quarantine

    Quarantine(args).make()


def warm() -> None:
    """Load the modules of pulumi_aws that every tenant's program uses (`balancer.py` sees to its own). Call it once in
    the main thread, before any threads: the SDK's lazy modules are not safe to load from several (`_LazyModule` has
    no lock)."""
    _ = (
        aws.Provider,
        aws.cloudwatch.LogGroup,
        aws.ec2.Instance,
        aws.iam.Role,
        aws.kms.Key,
        aws.rds.Instance,
        aws.route53.Record,
        aws.s3.Bucket,
        aws.secretsmanager.Secret,
        aws.sns.Topic,
        aws.vpc.SecurityGroupIngressRule,
    )


class _Tenant:
    """One run of the program: components in the order in which they need each other."""

    def __init__(self, args: StackArgs) -> None:
        self._args = args
        self._scope = Scope(args)
        aws_provider = provider(self._scope)
        self._opts = pulumi.ResourceOptions(providers=[aws_provider])
        self._zone_id: pulumi.Output[str] = aws.route53.get_zone_output(
            name=args.domain, opts=pulumi.InvokeOutputOptions(provider=aws_provider)
        ).zone_id

    def make(self) -> None:
        """Register all resources and export the outputs."""
        scope, opts = self._scope, self._opts
        secrets = Secrets("secrets", SecretsArgs(scope), opts)
        network = Network("network", NetworkArgs(scope, secrets.key_arn), opts)
        access = Access("access", AccessArgs(scope, network.vpc_id), opts)
        files = Files("files", FilesArgs(scope, secrets.key_arn), opts)
        database = Database(
            "database",
            DatabaseArgs(scope, secrets.key_arn, network.private_subnet_ids, access.database_group_id),
            opts,
        )
        role = self._role(secrets, files, database)
        machine, other = self._machines(secrets, network, access, files, database, role)
        front = self._front(network, access, machine, other)
        self._watch(secrets, machine, database, front)
        export(
            secrets,
            database,
            role,
            machine,
            url=front.url,
            files_bucket=files.bucket,
            other_machine_id=other.machine_id if other else "",
            target_group_arn="" if isinstance(front, AddressFront) else front.group_arn,
        )

    def _role(self, secrets: Secrets, files: Files, database: Database) -> MachineRole:
        return MachineRole(
            "machine-role",
            MachineRoleArgs(
                self._scope,
                key_arn=secrets.key_arn,
                product_secret_arn=secrets.product_secret_arn,
                master_secret_arns=database.master_secret_arns,
                bucket_arn=files.arn,
            ),
            self._opts,
        )

    def _machines(
        self,
        secrets: Secrets,
        network: Network,
        access: Access,
        files: Files,
        database: Database,
        role: MachineRole,
    ) -> tuple[Machine, Machine | None]:
        """The machine that serves, and the one beside it. They differ in their release alone."""
        behind_balancer = access.balancer_group_id is not None
        subnets = network.private_subnet_ids if behind_balancer else network.public_subnet_ids

        def machine(scope: Scope, suffix: str) -> Machine:
            variables = environment(
                scope,
                database,
                secrets.product_secret_arn,
                files_bucket=files.bucket,
                tls_name=scope.host if scope.on_aws and not behind_balancer else "",
            )
            return Machine(
                machine_name(suffix),
                MachineArgs(
                    scope,
                    key_arn=secrets.key_arn,
                    subnet_id=subnets[0],
                    group_id=access.machine_group_id,
                    profile_name=role.profile_name,
                    environment=variables,
                    needs=[*network.ways_out, *access.rules, *role.grants],
                    public_address=not behind_balancer,
                ),
                self._opts,
            )

        args, other = self._args, self._args.other
        serving = machine(self._scope, args.machine)
        if other is None:
            return serving, None
        release = replace(args, release=other.release, schema_version=other.schema_version, image_id=other.image_id)
        return serving, machine(Scope(release), other.suffix)

    def _front(
        self, network: Network, access: Access, machine: Machine, other: Machine | None
    ) -> "AddressFront | BalancerFront":
        attached = {machine_name(self._args.machine): machine.machine_id}
        if other is not None and self._args.other is not None and self._args.other.attached:
            attached[machine_name(self._args.other.suffix)] = other.machine_id
        if access.balancer_group_id is None:
            return AddressFront(
                "front",
                AddressArgs(self._scope, self._zone_id, machine.machine_id, network.ways_out),
                self._opts,
            )
        from stacks.balancer import BalancerArgs, BalancerFront

        return BalancerFront(
            "front",
            BalancerArgs(
                self._scope,
                zone_id=self._zone_id,
                machine_ids=attached,
                vpc_id=network.vpc_id,
                subnet_ids=network.public_subnet_ids,
                group_id=access.balancer_group_id,
                ways_out=network.ways_out,
            ),
            self._opts,
        )

    def _watch(
        self, secrets: Secrets, machine: Machine, database: Database, front: "AddressFront | BalancerFront"
    ) -> None:
        balancer = None
        if not isinstance(front, AddressFront):
            balancer = {"LoadBalancer": front.balancer_suffix, "TargetGroup": front.group_suffix}
        Watch(
            "watch",
            WatchArgs(
                self._scope,
                key_arn=secrets.key_arn,
                machine={"InstanceId": machine.machine_id},
                database={"DBInstanceIdentifier": database.identifier},
                balancer=balancer,
            ),
            self._opts,
        )
