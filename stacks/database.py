"""The tenant's PostgreSQL: private, encrypted, TLS only, its master password made and kept by RDS."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from stacks.instance import Neighbours, instance
from stacks.policies import trust
from stacks.scope import Scope

_MONITORING_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
_PARAMETERS = {
    "rds.force_ssl": "1",
    "log_connections": "1",
    "log_disconnections": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": "1000",
    "log_temp_files": "10240",
}


@dataclass(frozen=True, slots=True)
class DatabaseArgs:
    """`subnet_ids`: private ones in two zones. `group_id`: the databases' security group. `watched`: logs and figures
    are kept of what happens in them."""

    scope: Scope
    key_arn: pulumi.Input[str]
    subnet_ids: list[pulumi.Output[str]]
    group_id: pulumi.Input[str]
    watched: bool = True


class Database(pulumi.ComponentResource):
    """The RDS instance that serves, and beside it those that a restore has made or replaced, in one subnet group and
    with one parameter group, and its monitoring where zones fail over.

    The outputs are those of the one that serves; `all` has every database's, by its suffix.
    """

    identifier: pulumi.Output[str]
    address: pulumi.Output[str]
    port: pulumi.Output[int]
    master_secret_arn: pulumi.Output[str]
    all: dict[str, dict[str, pulumi.Output[Any]]]

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:Database", name, None, opts)
        self._args = args
        self._scope = args.scope
        self._named = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        shared = Neighbours(
            self._scope,
            parent=self,
            key_arn=args.key_arn,
            group_id=args.group_id,
            subnets=self._subnet_group().name,
            parameters=self._parameter_group().name,
            monitoring=self._monitoring() if self._scope.sizing.multi_az else None,
            watched=args.watched,
        )
        self.all = {d.suffix: _outputs(instance(d, shared)) for d in self._scope.args.databases}
        serving = self.all[self._scope.args.serving.suffix]
        self.identifier = serving["identifier"]
        self.address = serving["address"]
        self.port = serving["port"]
        self.master_secret_arn = serving["master_secret_arn"]
        self.register_outputs({"address": self.address, "master_secret_arn": self.master_secret_arn})

    @property
    def master_secret_arns(self) -> list[pulumi.Output[str]]:
        """Of all databases, oldest first."""
        return [outputs["master_secret_arn"] for outputs in self.all.values()]

    def _monitoring(self) -> tuple[aws.iam.Role, pulumi.Resource]:
        role = aws.iam.Role(
            "database-monitoring-role",
            name=self._scope.physical("database-monitoring"),
            assume_role_policy=trust("monitoring.rds.amazonaws.com", self._scope.args.account),
            permissions_boundary=self._scope.boundary_arn,
            tags=self._scope.tags("database-monitoring-role"),
            opts=self._named,
        )
        attachment = aws.iam.RolePolicyAttachment(
            "database-monitoring-policy", role=role.name, policy_arn=_MONITORING_POLICY, opts=self._named
        )
        return role, attachment

    def _parameter_group(self) -> aws.rds.ParameterGroup:
        """Its name has the major version: an upgrade makes the new group while the old one is still in use."""
        major = self._scope.sizing.database_version.partition(".")[0]
        return aws.rds.ParameterGroup(
            "database-parameters",
            name=f"{self._scope.args.name}-postgres{major}",
            family=f"postgres{major}",
            description=f"PostgreSQL {major} of tenant {self._scope.args.tenant}",
            parameters=[
                aws.rds.ParameterGroupParameterArgs(name=key, value=value, apply_method="immediate")
                for key, value in _PARAMETERS.items()
            ],
            tags=self._scope.tags("database-parameters"),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _subnet_group(self) -> aws.rds.SubnetGroup:
        return aws.rds.SubnetGroup(
            "database-subnets",
            name=self._scope.args.name,
            description=f"Private subnets of tenant {self._scope.args.tenant}",
            subnet_ids=self._args.subnet_ids,
            tags=self._scope.tags("database-subnets"),
            opts=self._named,
        )


def _outputs(made: aws.rds.Instance) -> dict[str, pulumi.Output[Any]]:
    return {
        "identifier": made.identifier,
        "address": made.address,
        "port": made.port,
        "resource_id": made.resource_id,
        "master_secret_arn": made.master_user_secrets[0].secret_arn,
    }
