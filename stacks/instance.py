"""One RDS instance of a stack: made from nothing, from a snapshot, or from another one's history."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from provisioner.model import stack
from stacks.access import DATABASE_PORT
from stacks.scope import Scope, log_group

DATABASE_NAME = "product"
DATABASE_USER = "product"
MASTER_USER = "provision"
_EXPORTS = ("postgresql", "upgrade")
# AWS's own minor upgrades reach the inner rings first.
_UPGRADE_DAY = ("mon", "tue", "wed", "thu")
# They say how it began. A snapshot that retention has deleted since must not replace the database.
_ORIGIN = ["snapshotIdentifier", "restoreToPointInTime"]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What all databases of a stack share: names of the subnet and parameter group, the security group's id, and (where
    zones fail over) the monitoring role with its grant. `watched`: logs and figures are kept of what happens in them.
    `parent`: the component that they belong to."""

    scope: Scope
    parent: pulumi.Resource
    key_arn: pulumi.Input[str]
    group_id: pulumi.Input[str]
    subnets: pulumi.Input[str]
    parameters: pulumi.Input[str]
    monitoring: tuple[aws.iam.Role, pulumi.Resource] | None
    watched: bool


def instance(database: stack.DatabaseArgs, shared: Neighbours) -> aws.rds.Instance:
    """The instance with its log groups. One whose `final` snapshot was named may be deleted, whatever the tier says."""
    scope, sizing = shared.scope, shared.scope.sizing
    identifier, name = scope.args.identifier(database), _name("database", database)
    log_groups = _log_groups(database, shared)
    # One that waits for its end serves nobody who would miss it. What is broken is left as it is.
    idle = database.kept and not database.broken
    monitoring = None if idle else shared.monitoring
    guarded = scope.guarded and database.final is None
    return aws.rds.Instance(
        name,
        identifier=identifier,
        engine="postgres",
        # A version without its minor follows RDS's minors; an exact one stays, or it would drift.
        auto_minor_version_upgrade="." not in sizing.database_version,
        engine_lifecycle_support="open-source-rds-extended-support-disabled",
        instance_class=sizing.database_class,
        storage_type="gp3",
        storage_encrypted=True,
        kms_key_id=shared.key_arn,
        port=DATABASE_PORT,
        username=MASTER_USER,
        manage_master_user_password=True,
        master_user_secret_kms_key_id=shared.key_arn,
        iam_database_authentication_enabled=True,
        ca_cert_identifier="rds-ca-rsa2048-g1",
        publicly_accessible=False,
        db_subnet_group_name=shared.subnets,
        vpc_security_group_ids=[shared.group_id],
        parameter_group_name=shared.parameters,
        multi_az=sizing.multi_az and not idle,
        backup_retention_period=sizing.backup_retention_days,
        backup_window="01:00-02:00",
        maintenance_window=_maintenance_window(scope.args.ring),
        copy_tags_to_snapshot=True,
        delete_automated_backups=not guarded,
        deletion_protection=guarded,
        skip_final_snapshot=not guarded and not database.final,
        final_snapshot_identifier=database.final or f"{identifier}-final",
        # `provision` chooses the moment; deferred changes would make the state say what isn't so.
        apply_immediately=True,
        monitoring_interval=60 if monitoring else 0,
        monitoring_role_arn=monitoring[0].arn if monitoring else None,
        tags=scope.tags(name),
        opts=pulumi.ResourceOptions(
            parent=shared.parent,
            protect=guarded,
            depends_on=[*log_groups, *([monitoring[1]] if monitoring else [])],
            # Its name is fixed, so a replacement (which needs a waiver) can't stand beside the old one.
            delete_before_replace=True,
            ignore_changes=_ORIGIN if _restored(database) else None,
        ),
        **_insights(shared),
        **_origin(database),
        **_size(database, scope),
    )


def _name(part: str, database: stack.DatabaseArgs) -> str:
    return f"{part}-{database.suffix}" if database.suffix else part


def _log_groups(database: stack.DatabaseArgs, shared: Neighbours) -> list[aws.cloudwatch.LogGroup]:
    scope, identifier = shared.scope, shared.scope.args.identifier(database)
    return [
        log_group(
            scope,
            _name(f"database-log-{export}", database),
            scope.database_log_path(identifier, export),
            shared.key_arn,
            shared.parent,
        )
        for export in (_EXPORTS if shared.watched else ())
    ]


def _insights(shared: Neighbours) -> dict[str, Any]:
    if not shared.watched:
        return {"performance_insights_enabled": False}
    return {
        "enabled_cloudwatch_logs_exports": list(_EXPORTS),
        "performance_insights_enabled": True,
        "performance_insights_kms_key_id": shared.key_arn,
        "performance_insights_retention_period": 7,
    }


def _restored(database: stack.DatabaseArgs) -> bool:
    return database.snapshot is not None or database.source is not None


def _origin(database: stack.DatabaseArgs) -> dict[str, Any]:
    """What it begins from. What a restore makes has the database in it already, and RDS takes no name for it."""
    if database.snapshot is not None:
        return {"snapshot_identifier": database.snapshot}
    if database.source is not None:
        point = aws.rds.InstanceRestoreToPointInTimeArgs(
            source_dbi_resource_id=database.source,
            restore_time=database.at,
            use_latest_restorable_time=True if database.at is None else None,
        )
        return {"restore_to_point_in_time": point}
    return {"db_name": DATABASE_NAME}


def _size(database: stack.DatabaseArgs, scope: Scope) -> dict[str, Any]:
    """Version and storage. The source of a restore may have grown by itself, and RDS refuses to make storage smaller:
    what a restore makes is as big as that until it serves. In a quarantine nothing of the backup is changed at all."""
    if scope.args.quarantine is not None:
        return {}
    sizing = scope.sizing
    wanted = {
        "engine_version": sizing.database_version,
        "allocated_storage": sizing.database_storage_gib,
        "max_allocated_storage": sizing.database_max_storage_gib,
    }
    if database.kept and _restored(database):
        del wanted["allocated_storage"]
    return wanted


def _maintenance_window(ring: int) -> str:
    """When AWS may do what only AWS can, in UTC, after the backup."""
    day = _UPGRADE_DAY[min(ring, len(_UPGRADE_DAY) - 1)]
    return f"{day}:02:30-{day}:03:30"
