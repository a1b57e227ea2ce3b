"""What RDS refuses about a PostgreSQL instance, in RDS's own errors. Moto accepts all of it."""

import re
from collections.abc import Mapping
from typing import Any

from moto.rds.exceptions import RDSClientError

from provisioner.sandbox.databases import settings
from provisioner.sandbox.databases.binaries import find
from provisioner.sandbox.databases.instance import Instance
from provisioner.sandbox.errors import NOT_SUPPORTED

_BURSTABLE = ("micro", "small", "medium", "large", "xlarge", "2xlarge")
_GENERAL = ("large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge")
CLASSES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("t3", "t4g"), _BURSTABLE),
    **dict.fromkeys(("m5", "m6g", "m6i", "m7g", "m7i", "m8g", "r5", "r6g", "r6i", "r7g", "r7i", "r8g"), _GENERAL),
}
_SMALLEST = {"gp2": 20, "gp3": 20, "io1": 100, "io2": 100, "standard": 5}
_LARGEST = 65_536
_RESERVED_USERS = {
    *("admin", "rdsadmin", "rdsrepladmin", "public", "user", "none", "all", "select", "table", "grant", "role"),
    *("current_user", "session_user"),
}
_RESERVED_NAMES = {"template0", "template1", "rdsadmin"}


def invalid(message: str) -> RDSClientError:
    """InvalidParameterValue."""
    return RDSClientError("InvalidParameterValue", message)


def contradiction(message: str) -> RDSClientError:
    """InvalidParameterCombination."""
    return RDSClientError("InvalidParameterCombination", message)


def wrong_state(message: str) -> RDSClientError:
    """InvalidDBInstanceState."""
    return RDSClientError("InvalidDBInstanceState", message)


def unsupported(what: str) -> RDSClientError:
    """What RDS can and the sandbox can't."""
    return RDSClientError(NOT_SUPPORTED, f"{what} is not supported by the sandbox")


def check_status(db: Instance, *allowed: str) -> None:
    """An operation needs an instance in one of these states; the message names the first."""
    if db.status not in allowed:
        raise wrong_state(f"Instance {db.db_instance_identifier} is not in {allowed[0]} state.")


def check_engine(engine: str) -> None:
    """Only PostgreSQL has a body here."""
    if engine != "postgres":
        raise unsupported(f"engine {engine}")


def engine_version(asked: str | None) -> str:
    """The version that stands for what was asked: none, the major, or the very one."""
    binaries = find()
    if asked not in {None, "", binaries.major, binaries.version}:
        raise contradiction(f"Cannot find version {asked} for postgres (the sandbox has {binaries.version} only)")
    return binaries.version


def check_class(name: str) -> None:
    """A class that RDS has for PostgreSQL."""
    prefix, _, rest = name.partition(".")
    family, _, size = rest.partition(".")
    if prefix != "db" or size not in CLASSES.get(family, ()):
        raise invalid(f"Invalid DB Instance class: {name}")


def check_storage(size: int, kind: str) -> None:
    """Size in GiB against the limits of a type of storage."""
    if kind not in _SMALLEST:
        raise invalid(f"Invalid storage type: {kind}")
    if not _SMALLEST[kind] <= size <= _LARGEST:
        raise invalid(f"Invalid storage size for engine name postgres and storage type {kind}: {size}")


def grown_storage(now: int, asked: int) -> int:
    """The size after a modification: never smaller, and if larger by 10 percent at least, as RDS rounds it."""
    if asked < now:
        raise invalid(f"Invalid storage size: allocated storage can't be reduced from {now} GiB to {asked} GiB")
    return asked if asked == now else max(asked, -(-now * 11 // 10))


def check_password(password: str | None) -> None:
    """RDS's alphabet and lengths."""
    if not password:
        raise invalid("The parameter MasterUserPassword must be provided and must not be blank.")
    if not 8 <= len(password) <= 128:
        raise invalid(
            "The parameter MasterUserPassword is not a valid password: it must have between 8 and 128 characters."
        )
    if not re.fullmatch(r"[!-~]+", password) or set(password) & set('/@"'):
        raise invalid(
            "The parameter MasterUserPassword is not a valid password. "
            "Only printable ASCII characters besides '/', '@', '\"', ' ' may be used."
        )


def check_user(name: str | None) -> None:
    """A role that RDS would make the master."""
    if not name:
        raise invalid("The parameter MasterUsername must be provided and must not be blank.")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name):
        raise invalid(f"The parameter MasterUsername is not a valid identifier: {name}")
    if name.lower() in _RESERVED_USERS or name.lower().startswith(("pg_", "rds_")):
        raise invalid(f"MasterUsername {name} cannot be used as it is a reserved word used by the engine")


def check_database(name: str) -> None:
    """A name for the initial database."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
        raise invalid("DBName must begin with a letter and contain only alphanumeric characters.")
    if name.lower() in _RESERVED_NAMES:
        raise invalid(f"DBName {name} cannot be used as it is a reserved word used by the engine")


def check_retention(days: int) -> None:
    """Days that automated backups are kept; 0 turns them off."""
    if not 0 <= days <= 35:
        raise invalid(f"Invalid backup retention period: {days}. Retention period must be between 0 and 35.")


def check_family(group: Any) -> None:
    """A parameter group must be of the engine's major."""
    wanted = f"postgres{find().major}"
    if group.family != wanted:
        raise contradiction(
            f"The Parameter Group {group.name} with DBParameterGroupFamily {group.family} can't be used for this "
            f"instance. Please use a Parameter Group with DBParameterGroupFamily {wanted}"
        )


def check_create(asked: Mapping[str, Any]) -> None:
    """Everything about a CreateDBInstance but its version."""
    check_class(asked["db_instance_class"])
    kind = asked.get("storage_type") or ("io1" if asked.get("iops") else "gp2")
    if asked.get("allocated_storage") is None:
        raise invalid("The parameter AllocatedStorage must be provided and must not be blank.")
    check_storage(asked["allocated_storage"], kind)
    check_user(asked.get("master_username"))
    if asked.get("manage_master_user_password"):
        if asked.get("master_user_password"):
            raise contradiction("You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.")
    else:
        check_password(asked.get("master_user_password"))
    if asked.get("db_name"):
        check_database(asked["db_name"])
    check_retention(int(asked.get("backup_retention_period", 1)))


def check_parameter(given: Mapping[str, str]) -> None:
    """One parameter of a ModifyDBParameterGroup."""
    name, value = given["ParameterName"], given.get("ParameterValue")
    known = settings.setting(name)
    if known is None:
        if name.startswith("rds."):
            raise unsupported(f"parameter {name}")
        raise invalid(f"Could not find parameter with name: {name}, or it can't be modified")
    if known.static and given.get("ApplyMethod") == "immediate":
        raise contradiction(f"cannot use immediate apply method for static parameter {name}")
    if value is not None and (problem := known.problem(str(value))):
        raise invalid(f"Invalid parameter value: {value} for: {name}: it {problem}")
