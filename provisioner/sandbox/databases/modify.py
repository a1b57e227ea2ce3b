"""ModifyDBInstance: what applies at once, what waits for the window, and what the server feels."""

from typing import Any, ClassVar, Protocol

from moto.rds.exceptions import DBInstanceAlreadyExists, DBParameterGroupNotFoundError

from provisioner.sandbox.databases import rules
from provisioner.sandbox.databases.instance import CHANGE, Instance, Keeper, Task

# With ApplyImmediately false, RDS keeps these for the maintenance window.
_DEFERRABLE = {
    *("allocated_storage", "ca_certificate_identifier", "db_instance_class", "db_subnet_group_name", "engine_version"),
    *("iops", "multi_az", "new_db_instance_identifier", "storage_throughput", "storage_type"),
}
_AT_ONCE = {"db_port_number"}
_OUTAGE = {
    "db_instance_class",
    "db_port_number",
    "db_subnet_group_name",
    "engine_version",
    "new_db_instance_identifier",
}
_ATTRIBUTES = {
    "db_port_number": "port",
    "enable_performance_insights": "performance_insights_enabled",
    "new_db_instance_identifier": "db_instance_identifier",
}
_OPERATIONAL = {"db_instance_identifier", "allow_major_version_upgrade", "apply_immediately"}


class _Backend(Protocol):
    keeper: ClassVar[Keeper]
    databases: Any
    db_parameter_groups: Any

    def change_plainly(self, db: Instance, asked: dict[str, Any]) -> None: ...


def modify(backend: _Backend, db: Instance, asked: dict[str, Any]) -> None:
    """Carry out a ModifyDBInstance whose arguments are `asked`, by moto's names. Raises RDS's own errors."""
    immediately = bool(asked.get("apply_immediately"))
    asked = {name: value for name, value in asked.items() if name not in _OPERATIONAL}
    if db.status not in {"available", "incompatible-parameters"}:
        raise rules.wrong_state(
            f"Database instance is not in available state: {db.db_instance_identifier} is {db.status}."
        )
    _check(backend, db, asked)
    _check_password(db, asked, immediately=immediately)
    retention = int(asked.get("backup_retention_period", db.backup_retention_period))
    toggles = bool(retention) != bool(db.backup_retention_period)
    deferrable = _DEFERRABLE | ({"backup_retention_period"} if toggles else set())
    waiting = {n: asked.pop(n) for n in deferrable & asked.keys()}
    waiting = {n: v for n, v in waiting.items() if v != current(db, n)}
    changes = {n: asked.pop(n) for n in _AT_ONCE & asked.keys() if asked[n] != current(db, n)}
    if immediately:
        changes |= {**db.deferred, **waiting}
        db.deferred = {}
    else:
        db.deferred |= waiting
    password = _takes_password(db, asked)
    backend.change_plainly(db, {_ATTRIBUTES.get(name, name): value for name, value in asked.items()})
    if changes or password:
        backend.keeper.begin(db, Task(CHANGE, {"changes": changes, "password": password}))


def apply_deferred(keeper: Keeper, db: Instance) -> None:
    """The maintenance window is open: begin what waited for it."""
    changes, db.deferred = db.deferred, {}
    keeper.begin(db, Task(CHANGE, {"changes": changes, "password": False}))


def needs_outage(changes: dict[str, Any]) -> bool:
    """Whether the server restarts for these changes."""
    return not _OUTAGE.isdisjoint(changes)


def settle(db: Instance, databases: Any, changes: dict[str, Any]) -> None:
    """The changes are made: let the model show them."""
    for name, value in changes.items():
        if name == "new_db_instance_identifier":
            del databases[db.db_instance_identifier]
            databases[value] = db
        setattr(db, _ATTRIBUTES.get(name, name), value)


def current(db: Instance, name: str) -> Any:
    """What an instance has now, by the name of the modification's argument."""
    if name == "db_subnet_group_name":
        return db._db_subnet_group_name  # noqa: SLF001 - moto's own property can only be written
    return getattr(db, _ATTRIBUTES.get(name, name))


def _check(backend: _Backend, db: Instance, asked: dict[str, Any]) -> None:
    if "engine_version" in asked:
        asked["engine_version"] = rules.engine_version(asked["engine_version"])
    if "db_instance_class" in asked:
        rules.check_class(asked["db_instance_class"])
    if "allocated_storage" in asked:
        asked["allocated_storage"] = rules.grown_storage(db.allocated_storage, asked["allocated_storage"])
    kind, size = asked.get("storage_type", db.storage_type), asked.get("allocated_storage", db.allocated_storage)
    rules.check_storage(size, kind)
    if "backup_retention_period" in asked:
        rules.check_retention(int(asked["backup_retention_period"]))
    if "new_db_instance_identifier" in asked:
        new = asked["new_db_instance_identifier"] = asked["new_db_instance_identifier"].lower()
        if new != db.db_instance_identifier and new in backend.databases:
            raise DBInstanceAlreadyExists
    if "db_parameter_group_name" in asked:
        name = asked["db_parameter_group_name"]
        if name not in backend.db_parameter_groups:
            raise DBParameterGroupNotFoundError(name)
        rules.check_family(backend.db_parameter_groups[name])


def _check_password(db: Instance, asked: dict[str, Any], *, immediately: bool) -> None:
    manage = asked.get("manage_master_user_password")
    managed = bool(db.manage_master_user_password if manage is None else manage)
    if "master_user_password" in asked:
        if managed:
            raise rules.contradiction("You can't specify MasterUserPassword for an instance with a managed password.")
        rules.check_password(asked["master_user_password"])
    elif manage is False and db.manage_master_user_password:
        raise rules.contradiction("You must specify MasterUserPassword when you disable ManageMasterUserPassword.")
    if asked.get("rotate_master_user_password"):
        if not managed:
            raise rules.contradiction("You can't rotate the password of an instance that doesn't manage it.")
        if not immediately:
            raise rules.contradiction("You must specify apply immediately when rotating the master user password.")


def _takes_password(db: Instance, asked: dict[str, Any]) -> bool:
    """Whether the server gets another master password. Takes out what moto would do otherwise."""
    if bool(asked.get("manage_master_user_password")) and db.manage_master_user_password:
        asked.pop("manage_master_user_password")
        asked.pop("master_user_secret_kms_key_id", None)
    rotates = bool(asked.pop("rotate_master_user_password", False))
    if rotates:
        db.master_user_secret.rotate_secret()
    return rotates or bool(asked.get("master_user_password") or asked.get("manage_master_user_password"))
