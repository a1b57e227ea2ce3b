"""Operations of RDS that moto lacks: what can be ordered here, and resetting parameters."""

from typing import Any

from moto.core.responses import ActionResult
from moto.rds.responses import RDSResponse

from provisioner.sandbox.databases import rules
from provisioner.sandbox.databases.binaries import find

_STORAGE = ("gp2", "gp3", "io1", "io2", "standard")


def install() -> None:
    """Add them. Moto finds an operation by the name of a plain function of the class."""
    for function in (
        describe_db_engine_versions,
        describe_orderable_db_instance_options,
        describe_pending_maintenance_actions,
        reset_db_parameter_group,
    ):
        setattr(RDSResponse, function.__name__, function)


def describe_db_engine_versions(self: Any) -> ActionResult:
    """The one version that runs here."""
    binaries = find()
    asked = (
        self.params.get("Engine", "postgres"),
        self.params.get("DBParameterGroupFamily", f"postgres{binaries.major}"),
    )
    version = self.params.get("EngineVersion") or binaries.version
    found = asked == ("postgres", f"postgres{binaries.major}") and version in {binaries.major, binaries.version}
    described = {
        "Engine": "postgres",
        "MajorEngineVersion": binaries.major,
        "EngineVersion": binaries.version,
        "DBParameterGroupFamily": f"postgres{binaries.major}",
        "DBEngineDescription": "PostgreSQL",
        "DBEngineVersionDescription": f"PostgreSQL {binaries.version} of the sandbox",
        "ValidUpgradeTarget": [],
        "ExportableLogTypes": ["postgresql", "upgrade"],
        "SupportsLogExportsToCloudwatchLogs": True,
        "SupportsReadReplica": False,
        "Status": "available",
    }
    return ActionResult({"DBEngineVersions": [described] if found else []})


def describe_orderable_db_instance_options(self: Any) -> ActionResult:
    """Every class and type of storage that `CreateDBInstance` takes."""
    binaries = find()
    asked, version = self.params.get("DBInstanceClass"), self.params.get("EngineVersion") or binaries.version
    names = [f"db.{family}.{size}" for family, sizes in rules.CLASSES.items() for size in sizes]
    if self.params.get("Engine") != "postgres" or version not in {binaries.major, binaries.version}:
        names = []
    options = [_option(name, kind) for name in names if asked in {None, name} for kind in _STORAGE]
    return ActionResult({"OrderableDBInstanceOptions": options})


def describe_pending_maintenance_actions(_: Any) -> ActionResult:
    """None: there is no version to go to."""
    return ActionResult({"PendingMaintenanceActions": []})


def reset_db_parameter_group(self: Any) -> ActionResult:
    """Back to the engine's defaults."""
    parameters = [parameter.original_dict() for parameter in self.params.get("Parameters", [])]
    every = bool(self.params.get("ResetAllParameters", not parameters))
    group = self.backend.reset_db_parameter_group(self.params["DBParameterGroupName"], parameters, every=every)
    return ActionResult({"DBParameterGroupName": group.name})


def _option(name: str, kind: str) -> dict[str, Any]:
    return {
        "Engine": "postgres",
        "EngineVersion": find().version,
        "DBInstanceClass": name,
        "StorageType": kind,
        "LicenseModel": "postgresql-license",
        "AvailabilityZones": [],
        "MultiAZCapable": True,
        "Vpc": True,
        "SupportsStorageEncryption": True,
        "SupportsIops": kind in {"io1", "io2", "gp3"},
    }
