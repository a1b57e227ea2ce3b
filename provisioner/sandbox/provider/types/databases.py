"""RDS instances: new ones, and those that begin as a snapshot or as another one was at a time."""

import re
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import fields, new_tags, params, refuse, tag_map
from provisioner.sandbox.provider.types.database_groups import RETAG

_FIXED = "engine username=MasterUsername dbName=DBName storageEncrypted kmsKeyId availabilityZone"
_SHARED = (
    "multiAz=MultiAZ autoMinorVersionUpgrade copyTagsToSnapshot deletionProtection publiclyAccessible storageType "
    "iops storageThroughput maxAllocatedStorage backupRetentionPeriod backupWindow=PreferredBackupWindow "
    "maintenanceWindow=PreferredMaintenanceWindow caCertIdentifier=CACertificateIdentifier monitoringInterval "
    "monitoringRoleArn iamDatabaseAuthenticationEnabled=EnableIAMDatabaseAuthentication"
)
_INSIGHTS = (
    "performanceInsightsEnabled=EnablePerformanceInsights performanceInsightsKmsKeyId=PerformanceInsightsKMSKeyId "
    "performanceInsightsRetentionPeriod"
)
_SIZE = "instanceClass=DBInstanceClass allocatedStorage engineVersion"
_NETWORK = "parameterGroupName=DBParameterGroupName vpcSecurityGroupIds=VpcSecurityGroupIds"
_BIRTH = "licenseModel engineLifecycleSupport"
_MASTER = "manageMasterUserPassword masterUserSecretKmsKeyId password=MasterUserPassword"
# Nobody can tell from the cloud: they say how to delete or change.
_OF_THE_PROVIDER = (
    "applyImmediately allowMajorVersionUpgrade skipFinalSnapshot finalSnapshotIdentifier deleteAutomatedBackups"
)
_ORIGIN = "snapshotIdentifier restoreToPointInTime"
_POINT = "sourceDbInstanceIdentifier=SourceDBInstanceIdentifier sourceDbiResourceId restoreTime useLatestRestorableTime"
# A restored instance has these from its source, the rest gets them by a modification.
_FROM_SOURCE = "engine username allocatedStorage"
_NOT_RESTORED = words(
    "MasterUsername MasterUserPassword DBName StorageEncrypted KmsKeyId EngineVersion MaxAllocatedStorage "
    "PreferredMaintenanceWindow MonitoringInterval MonitoringRoleArn EnablePerformanceInsights "
    "PerformanceInsightsKMSKeyId PerformanceInsightsRetentionPeriod"
)
_FAILED = {
    *("failed", "deleted", "deleting", "storage-full", "restore-error", "incompatible-parameters"),
    *("incompatible-restore", "inaccessible-encryption-credentials"),
}


def _describe(call: Call, database: str) -> dict[str, Any] | None:
    """By resource id (`db-ABC...`, the id in the state) or by identifier (on import)."""
    if re.fullmatch(r"db-[A-Z0-9]{20,}", database):
        filters = [{"Name": "dbi-resource-id", "Values": [database]}]
        found = call.one("rds", "describe_db_instances", "DBInstances", Filters=filters)
        return found if found and found.get("DbiResourceId") == database else None
    return call.one("rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=database)


def _make(call: Call, wanted: Props) -> str:
    names = f"{_FIXED} {_SHARED} {_INSIGHTS} {_SIZE} {_NETWORK} {_MASTER} {_BIRTH} port"
    given = params(wanted, f"{names} dbSubnetGroupName=DBSubnetGroupName")
    operation, where = "create_db_instance", {"DBInstanceIdentifier": wanted["identifier"]}
    if origin := _origin(wanted):
        operation, where = origin
        given = {name: value for name, value in given.items() if name not in _NOT_RESTORED}
    answer = call.once(
        "rds",
        operation,
        **where,
        **given,
        EnableCloudwatchLogsExports=wanted.get("enabledCloudwatchLogsExports"),
        Tags=new_tags(wanted),
    )
    return str(answer["DBInstance"]["DbiResourceId"])


def _origin(wanted: Props) -> tuple[str, dict[str, Any]] | None:
    """The operation that restores it, with what says from where and as what; None for a new one."""
    identifier = wanted.get("identifier")
    if snapshot := wanted.get("snapshotIdentifier"):
        names = {"DBSnapshotIdentifier": snapshot, "DBInstanceIdentifier": identifier}
        return "restore_db_instance_from_db_snapshot", names
    if point := wanted.get("restoreToPointInTime"):
        said = {name: value for name, value in params(point, _POINT).items() if value is not False}
        return "restore_db_instance_to_point_in_time", {**said, "TargetDBInstanceIdentifier": identifier}
    return None


def _finish(call: Call, database: str, wanted: Props) -> None:
    """A restore takes no password, and nobody can read whether there is another one: set it once."""
    if _origin(wanted) and wanted.get("password"):
        _ready(call, database, wanted)
        _update(call, database, wanted, frozenset({"password"}))


def _read(call: Call, database: str, known: Props) -> Props | None:
    found = _describe(call, database)
    if found is None or found["DBInstanceStatus"] == "deleting":
        return None
    state = fields(found, f"identifier=DBInstanceIdentifier {_FIXED} {_SHARED} {_SIZE} licenseModel")
    endpoint = found.get("Endpoint") or {}
    version = str(found.get("EngineVersion"))
    groups, subnets = found.get("DBParameterGroups") or [], found.get("DBSubnetGroup") or {}
    secret = found.get("MasterUserSecret")
    return state | {
        "id": found["DbiResourceId"],
        "resourceId": found["DbiResourceId"],
        "arn": found["DBInstanceArn"],
        "status": found["DBInstanceStatus"],
        "engineVersion": _asked_version(str(known.get("engineVersion") or version), version),
        "engineVersionActual": version,
        "address": endpoint.get("Address"),
        "port": endpoint.get("Port"),
        "endpoint": f"{endpoint['Address']}:{endpoint['Port']}" if endpoint else None,
        "hostedZoneId": endpoint.get("HostedZoneId"),
        "iamDatabaseAuthenticationEnabled": found.get("IAMDatabaseAuthenticationEnabled"),
        "performanceInsightsEnabled": found.get("PerformanceInsightsEnabled"),
        "performanceInsightsKmsKeyId": found.get("PerformanceInsightsKMSKeyId"),
        "performanceInsightsRetentionPeriod": found.get("PerformanceInsightsRetentionPeriod"),
        "enabledCloudwatchLogsExports": found.get("EnabledCloudwatchLogsExports") or [],
        "vpcSecurityGroupIds": [g["VpcSecurityGroupId"] for g in found.get("VpcSecurityGroups") or ()],
        "parameterGroupName": groups[0]["DBParameterGroupName"] if groups else None,
        "dbSubnetGroupName": subnets.get("DBSubnetGroupName"),
        "masterUserSecrets": [fields(secret, "secretArn kmsKeyId secretStatus")] if secret else [],
        "tagsAll": tag_map(found.get("TagList")),
    }


def _asked_version(asked: str, actual: str) -> str:
    """A version without its minor ("17") is held by any of its minors."""
    return asked if actual == asked or actual.startswith(f"{asked}.") else actual


def _ready(call: Call, database: str, _wanted: Props) -> None:
    def look() -> bool | None:
        found = _describe(call, database)
        status = found["DBInstanceStatus"] if found else "deleted"
        if status in _FAILED:
            raise refuse(f"{database} is {status}", "look at it with provision sandbox logs")
        if status == "stopped":
            return True
        pending = (found or {}).get("MasterUserSecret") or {}
        return True if status == "available" and pending.get("SecretStatus", "active") == "active" else None

    call.poll(f"{database} to be available", look)


def _update(call: Call, database: str, wanted: Props, changed: frozenset[str]) -> None:
    found = _describe(call, database)
    if found is None:
        raise refuse(f"{database} is gone", "run the same command with --refresh")
    names = f"{_SHARED} {_INSIGHTS} {_SIZE} {_NETWORK} {_MASTER} port=DBPortNumber dbSubnetGroupName=DBSubnetGroupName"
    change = params({k: wanted.get(k) for k in changed}, names)
    if "identifier" in changed:
        change["NewDBInstanceIdentifier"] = wanted["identifier"]
    if "enabledCloudwatchLogsExports" in changed:
        change["CloudwatchLogsExportConfiguration"] = _exports(found, wanted)
    if change:
        call.api(
            "rds",
            "modify_db_instance",
            DBInstanceIdentifier=found["DBInstanceIdentifier"],
            ApplyImmediately=bool(wanted.get("applyImmediately")),
            AllowMajorVersionUpgrade=wanted.get("allowMajorVersionUpgrade"),
            **change,
        )


def _exports(found: dict[str, Any], wanted: Props) -> dict[str, list[str]]:
    old, new = set(found.get("EnabledCloudwatchLogsExports") or ()), set(wanted["enabledCloudwatchLogsExports"] or ())
    return {"EnableLogTypes": sorted(new - old), "DisableLogTypes": sorted(old - new)}


def _delete(call: Call, database: str, state: Props) -> None:
    found = _describe(call, database)
    if found is None:
        return
    skip = bool(state.get("skipFinalSnapshot"))
    final = state.get("finalSnapshotIdentifier")
    if not skip and not final:
        raise refuse(
            "finalSnapshotIdentifier is required when skipFinalSnapshot is false",
            "set one of them in the program and run up before the delete",
        )
    if found["DBInstanceStatus"] != "deleting":
        _start_delete(call, found["DBInstanceIdentifier"], state, None if skip else str(final))
    call.poll(f"{database} to be deleted", lambda: None if _describe(call, database) else True)


def _start_delete(call: Call, identifier: str, state: Props, final: str | None) -> None:
    def send() -> None:
        call.api(
            "rds",
            "delete_db_instance",
            DBInstanceIdentifier=identifier,
            SkipFinalSnapshot=final is None,
            FinalDBSnapshotIdentifier=final,
            DeleteAutomatedBackups=state.get("deleteAutomatedBackups", True),
        )

    try:
        send()
    except AwsError as error:
        # As the real provider does: where the state says unprotected, a protection set by hand is taken off.
        by_hand = not state.get("deletionProtection") and state.get("applyImmediately")
        if "deletion protection" not in str(error).lower() or not by_hand:
            raise
        call.api("rds", "modify_db_instance", DBInstanceIdentifier=identifier, DeletionProtection=False)
        send()


def _named(call: Call, wanted: Props) -> str | None:
    found = _describe(call, wanted["identifier"])
    return str(found["DbiResourceId"]) if found else None


def _complete(inputs: Props) -> list[str]:
    problems = []
    managed, own = bool(inputs.get("manageMasterUserPassword")), bool(inputs.get("password"))
    if managed and own:
        problems.append("password and manageMasterUserPassword exclude each other")
    if inputs.get("snapshotIdentifier") and inputs.get("restoreToPointInTime"):
        problems.append("snapshotIdentifier and restoreToPointInTime exclude each other")
    if _origin(inputs) is None:
        missing = [name for name in _FROM_SOURCE.split() if inputs.get(name) is None]
        problems += [f"{name} is needed for an instance that isn't restored" for name in missing]
        if not managed and not own:
            problems.append("password or manageMasterUserPassword is needed")
    point = inputs.get("restoreToPointInTime") or {}
    if point and bool(point.get("restoreTime")) == bool(point.get("useLatestRestorableTime")):
        problems.append("restoreToPointInTime needs either restoreTime or useLatestRestorableTime")
    if point and bool(point.get("sourceDbInstanceIdentifier")) == bool(point.get("sourceDbiResourceId")):
        problems.append("restoreToPointInTime needs either sourceDbInstanceIdentifier or sourceDbiResourceId")
    return problems


def _property_names(*lists: str) -> str:
    return " ".join(word.partition("=")[0] for names in lists for word in names.split())


INSTANCE = resource(
    "aws:rds/instance:Instance",
    _property_names(_FIXED, _SHARED, _INSIGHTS, _SIZE, _NETWORK, _MASTER, _BIRTH, _OF_THE_PROVIDER)
    + f" identifier port dbSubnetGroupName enabledCloudwatchLogsExports {_ORIGIN}",
    required="instanceClass",
    force_new=f"engine username dbName storageEncrypted kmsKeyId availabilityZone {_ORIGIN}",
    defaults={
        "applyImmediately": False,
        "autoMinorVersionUpgrade": True,
        "backupRetentionPeriod": 0,
        "copyTagsToSnapshot": False,
        "deleteAutomatedBackups": True,
        "deletionProtection": False,
        "iamDatabaseAuthenticationEnabled": False,
        "monitoringInterval": 0,
        "publiclyAccessible": False,
        "skipFinalSnapshot": False,
    },
    sets="vpcSecurityGroupIds enabledCloudwatchLogsExports",
    computed=f"{_FROM_SOURCE} engineVersion kmsKeyId availabilityZone multiAz storageType iops storageThroughput "
    "backupWindow maintenanceWindow caCertIdentifier licenseModel dbSubnetGroupName parameterGroupName "
    "vpcSecurityGroupIds masterUserSecretKmsKeyId performanceInsightsKmsKeyId performanceInsightsRetentionPeriod "
    "port identifier dbName",
    chosen="port",
    name=Name(property="identifier", longest=63, separator="", clean=str.lower),
    make=_make,
    read=_read,
    update=_update,
    finish=_finish,
    ready=_ready,
    delete=_delete,
    complete=_complete,
    retag=RETAG,
    adopt=Adopt(duplicates=words("DBInstanceAlreadyExists DBInstanceAlreadyExistsFault"), existing=_named),
)


TYPES = (INSTANCE,)
