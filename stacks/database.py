"""The tenant's PostgreSQL: private, encrypted, TLS only, its master password made and kept by RDS."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from stacks.access import DATABASE_PORT
from stacks.policies import trust
from stacks.scope import Scope, log_group

DATABASE_NAME = "product"
DATABASE_USER = "product"
MASTER_USER = "provision"
_EXPORTS = ("postgresql", "upgrade")
_MONITORING_POLICY = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
_PARAMETERS = {
    "rds.force_ssl": "1",
    "log_connections": "1",
    "log_disconnections": "1",
    "log_lock_waits": "1",
    "log_min_duration_statement": "1000",
    "log_temp_files": "10240",
}
# AWS's own minor upgrades reach the inner rings first.
_UPGRADE_DAY = ("mon", "tue", "wed", "thu")


@dataclass(frozen=True, slots=True)
class DatabaseArgs:
    """`subnet_ids`: private ones in two zones. `group_id`: the database's security group."""

    scope: Scope
    key_arn: pulumi.Input[str]
    subnet_ids: list[pulumi.Output[str]]
    group_id: pulumi.Input[str]


class Database(pulumi.ComponentResource):
    """One RDS instance with its log groups, parameter and subnet group, and its monitoring where zones fail over."""

    identifier: pulumi.Output[str]
    address: pulumi.Output[str]
    port: pulumi.Output[int]
    master_secret_arn: pulumi.Output[str]

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("provision:tenant:Database", name, None, opts)
        self._args = args
        self._scope = args.scope
        self._named = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        groups = [
            log_group(self._scope, f"database-log-{export}", self._scope.database_log_path(export), args.key_arn, self)
            for export in _EXPORTS
        ]
        monitoring = self._monitoring() if self._scope.sizing.multi_az else None
        instance = self._instance(groups, monitoring)
        self.identifier = instance.identifier
        self.address = instance.address
        self.port = instance.port
        self.master_secret_arn = instance.master_user_secrets[0].secret_arn
        self.register_outputs({"address": self.address, "master_secret_arn": self.master_secret_arn})

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
            name=f"{self._scope.args.tenant}-postgres{major}",
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
            name=self._scope.args.tenant,
            description=f"Private subnets of tenant {self._scope.args.tenant}",
            subnet_ids=self._args.subnet_ids,
            tags=self._scope.tags("database-subnets"),
            opts=self._named,
        )

    def _instance(
        self, log_groups: list[aws.cloudwatch.LogGroup], monitoring: tuple[aws.iam.Role, pulumi.Resource] | None
    ) -> aws.rds.Instance:
        scope, sizing, key_arn = self._scope, self._scope.sizing, self._args.key_arn
        return aws.rds.Instance(
            "database",
            identifier=scope.args.tenant,
            engine="postgres",
            engine_version=sizing.database_version,
            # A version without its minor follows RDS's minors; an exact one stays, or it would drift.
            auto_minor_version_upgrade="." not in sizing.database_version,
            engine_lifecycle_support="open-source-rds-extended-support-disabled",
            instance_class=sizing.database_class,
            storage_type="gp3",
            allocated_storage=sizing.database_storage_gib,
            max_allocated_storage=sizing.database_max_storage_gib,
            storage_encrypted=True,
            kms_key_id=key_arn,
            db_name=DATABASE_NAME,
            port=DATABASE_PORT,
            username=MASTER_USER,
            manage_master_user_password=True,
            master_user_secret_kms_key_id=key_arn,
            iam_database_authentication_enabled=True,
            ca_cert_identifier="rds-ca-rsa2048-g1",
            publicly_accessible=False,
            db_subnet_group_name=self._subnet_group().name,
            vpc_security_group_ids=[self._args.group_id],
            parameter_group_name=self._parameter_group().name,
            multi_az=sizing.multi_az,
            backup_retention_period=sizing.backup_retention_days,
            backup_window="01:00-02:00",
            maintenance_window=_maintenance_window(scope.args.ring),
            copy_tags_to_snapshot=True,
            delete_automated_backups=not scope.guarded,
            deletion_protection=scope.guarded,
            skip_final_snapshot=not scope.guarded,
            final_snapshot_identifier=f"{scope.args.tenant}-final",
            # `provision` chooses the moment; deferred changes would make the state say what isn't so.
            apply_immediately=True,
            enabled_cloudwatch_logs_exports=list(_EXPORTS),
            monitoring_interval=60 if monitoring else 0,
            monitoring_role_arn=monitoring[0].arn if monitoring else None,
            performance_insights_enabled=True,
            performance_insights_kms_key_id=key_arn,
            performance_insights_retention_period=7,
            tags=scope.tags("database"),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=scope.guarded,
                depends_on=[*log_groups, *([monitoring[1]] if monitoring else [])],
                # Its name is fixed, so a replacement (which needs a waiver) can't stand beside the old one.
                delete_before_replace=True,
            ),
        )


def _maintenance_window(ring: int) -> str:
    """When AWS may do what only AWS can, in UTC, after the backup."""
    day = _UPGRADE_DAY[min(ring, len(_UPGRADE_DAY) - 1)]
    return f"{day}:02:30-{day}:03:30"
