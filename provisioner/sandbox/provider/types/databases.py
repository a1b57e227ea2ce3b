"""RDS instances, parameter groups, subnet groups."""

import re
from typing import Any

from provisioner.sandbox.provider.aws import Call
from provisioner.sandbox.provider.convert import Props, words
from provisioner.sandbox.provider.errors import AwsError
from provisioner.sandbox.provider.resource import Adopt, Name, resource
from provisioner.sandbox.provider.types.common import by_arn, fields, new_tags, params, refuse, tag_map

_retag = by_arn("rds", arn="ResourceName", add="add_tags_to_resource", remove="remove_tags_from_resource")
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
_MASTER = "manageMasterUserPassword masterUserSecretKmsKeyId password=MasterUserPassword"
# Nobody can tell from the cloud: they say how to delete or change.
_OF_THE_PROVIDER = (
    "applyImmediately allowMajorVersionUpgrade skipFinalSnapshot finalSnapshotIdentifier deleteAutomatedBackups"
)


def _describe(call: Call, database: str) -> dict[str, Any] | None:
    """By resource id (`db-ABC...`, the id in the state) or by identifier (on import)."""
    if re.fullmatch(r"db-[A-Z0-9]{20,}", database):
        filters = [{"Name": "dbi-resource-id", "Values": [database]}]
        found = call.one("rds", "describe_db_instances", "DBInstances", Filters=filters)
        return found if found and found.get("DbiResourceId") == database else None
    return call.one("rds", "describe_db_instances", "DBInstances", DBInstanceIdentifier=database)


def _make(call: Call, wanted: Props) -> str:
    names = f"identifier=DBInstanceIdentifier {_FIXED} {_SHARED} {_INSIGHTS} {_SIZE} {_NETWORK} {_MASTER} port"
    answer = call.once(
        "rds",
        "create_db_instance",
        **params(wanted, names),
        **params(wanted, "dbSubnetGroupName=DBSubnetGroupName licenseModel engineLifecycleSupport"),
        EnableCloudwatchLogsExports=wanted.get("enabledCloudwatchLogsExports"),
        Tags=new_tags(wanted),
    )
    return str(answer["DBInstance"]["DbiResourceId"])


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
        if status in ("failed", "deleted", "deleting", "incompatible-parameters", "storage-full", "restore-error"):
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
    if inputs.get("manageMasterUserPassword") and inputs.get("password"):
        return ["password and manageMasterUserPassword exclude each other"]
    if not inputs.get("manageMasterUserPassword") and not inputs.get("password"):
        return ["password or manageMasterUserPassword is needed"]
    return []


def _property_names(*lists: str) -> str:
    return " ".join(word.partition("=")[0] for names in lists for word in names.split())


INSTANCE = resource(
    "aws:rds/instance:Instance",
    _property_names(_FIXED, _SHARED, _INSIGHTS, _SIZE, _NETWORK, _MASTER, _OF_THE_PROVIDER)
    + " identifier port dbSubnetGroupName licenseModel engineLifecycleSupport enabledCloudwatchLogsExports",
    required="instanceClass engine allocatedStorage username",
    force_new="engine username dbName storageEncrypted kmsKeyId availabilityZone",
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
    computed="engineVersion kmsKeyId availabilityZone multiAz storageType iops storageThroughput backupWindow "
    "maintenanceWindow caCertIdentifier licenseModel dbSubnetGroupName parameterGroupName vpcSecurityGroupIds "
    "masterUserSecretKmsKeyId performanceInsightsKmsKeyId performanceInsightsRetentionPeriod port identifier dbName",
    chosen="port",
    name=Name(property="identifier", longest=63, separator="", clean=str.lower),
    make=_make,
    read=_read,
    update=_update,
    ready=_ready,
    delete=_delete,
    complete=_complete,
    retag=_retag,
    adopt=Adopt(duplicates=words("DBInstanceAlreadyExists DBInstanceAlreadyExistsFault"), existing=_named),
)


def _make_parameters(call: Call, wanted: Props) -> str:
    answer = call.once(
        "rds",
        "create_db_parameter_group",
        **params(wanted, "name=DBParameterGroupName family=DBParameterGroupFamily description"),
        Tags=new_tags(wanted),
    )
    return str(answer["DBParameterGroup"]["DBParameterGroupName"])


def _read_parameters(call: Call, name: str, _known: Props) -> Props | None:
    found = call.one("rds", "describe_db_parameter_groups", "DBParameterGroups", DBParameterGroupName=name)
    if found is None:
        return None
    own = _own_parameters(call, name)
    return fields(found, "name=DBParameterGroupName family=DBParameterGroupFamily description") | {
        "parameters": [fields(p, "name=ParameterName value=ParameterValue applyMethod") for p in own],
        "arn": found["DBParameterGroupArn"],
        "tagsAll": tag_map(
            call.api("rds", "list_tags_for_resource", ResourceName=found["DBParameterGroupArn"])["TagList"]
        ),
    }


def _own_parameters(call: Call, name: str) -> list[dict[str, Any]]:
    """Those that were set; defaults are hundreds and the program's business only where it sets them."""
    found: list[dict[str, Any]] = []
    marker = None
    while True:
        page = call.api("rds", "describe_db_parameters", DBParameterGroupName=name, Source="user", Marker=marker)
        found += page["Parameters"]
        marker = page.get("Marker")
        if not marker:
            return [p for p in found if p.get("ParameterValue") is not None]


def _update_parameters(call: Call, name: str, wanted: Props, changed: frozenset[str]) -> None:
    if "parameters" not in changed:
        return
    names = "name=ParameterName value=ParameterValue applyMethod"
    new = [params(p, names) | {"ParameterValue": str(p["value"])} for p in wanted.get("parameters") or ()]
    kept = {p["ParameterName"] for p in new}
    gone = [
        {"ParameterName": p["ParameterName"], "ApplyMethod": p.get("ApplyMethod") or "immediate"}
        for p in _own_parameters(call, name)
        if p["ParameterName"] not in kept
    ]
    for start in range(0, len(new), 20):  # AWS takes 20 at a time
        call.api("rds", "modify_db_parameter_group", DBParameterGroupName=name, Parameters=new[start : start + 20])
    for start in range(0, len(gone), 20):
        call.api("rds", "reset_db_parameter_group", DBParameterGroupName=name, Parameters=gone[start : start + 20])


def _complete_parameters(inputs: Props) -> list[str]:
    for parameter in inputs.get("parameters") or ():
        if isinstance(parameter, dict):
            parameter.setdefault("applyMethod", "immediate")
    return []


PARAMETERS = resource(
    "aws:rds/parameterGroup:ParameterGroup",
    "name family description parameters",
    required="family",
    force_new="name family description",
    defaults={"description": "Managed by Pulumi"},
    sets="parameters",
    name=Name(clean=str.lower),
    make=_make_parameters,
    read=_read_parameters,
    update=_update_parameters,
    delete=lambda call, name, _state: call.api("rds", "delete_db_parameter_group", DBParameterGroupName=name),
    complete=_complete_parameters,
    retag=_retag,
    adopt=Adopt(duplicates=words("DBParameterGroupAlreadyExists"), existing=lambda _call, wanted: str(wanted["name"])),
)

_GROUP = "name=DBSubnetGroupName description=DBSubnetGroupDescription"


def _make_subnets(call: Call, wanted: Props) -> str:
    call.once("rds", "create_db_subnet_group", **params(wanted, f"{_GROUP} subnetIds"), Tags=new_tags(wanted))
    return str(wanted["name"])


def _read_subnets(call: Call, name: str, _known: Props) -> Props | None:
    found = call.one("rds", "describe_db_subnet_groups", "DBSubnetGroups", DBSubnetGroupName=name)
    if found is None:
        return None
    arn = found["DBSubnetGroupArn"]
    return fields(found, f"{_GROUP} vpcId") | {
        "subnetIds": [s["SubnetIdentifier"] for s in found.get("Subnets") or ()],
        "arn": arn,
        "tagsAll": tag_map(call.api("rds", "list_tags_for_resource", ResourceName=arn)["TagList"]),
    }


def _update_subnets(call: Call, _name: str, wanted: Props, _changed: frozenset[str]) -> None:
    call.api("rds", "modify_db_subnet_group", **params(wanted, f"{_GROUP} subnetIds"))


SUBNETS = resource(
    "aws:rds/subnetGroup:SubnetGroup",
    "name description subnetIds",
    required="subnetIds",
    force_new="name",
    defaults={"description": "Managed by Pulumi"},
    sets="subnetIds",
    name=Name(clean=str.lower),
    make=_make_subnets,
    read=_read_subnets,
    update=_update_subnets,
    delete=lambda call, name, _state: call.api("rds", "delete_db_subnet_group", DBSubnetGroupName=name),
    retag=_retag,
    adopt=Adopt(duplicates=words("DBSubnetGroupAlreadyExists"), existing=lambda _call, wanted: str(wanted["name"])),
)

TYPES = (INSTANCE, PARAMETERS, SUBNETS)
