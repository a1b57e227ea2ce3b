"""RDS's operations on instances, in place of moto's: refuse what RDS refuses, write the intent, leave the rest to the
keeper."""

from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import moto.rds.urls
from moto.ec2.models import ec2_backends
from moto.rds import models
from moto.rds.exceptions import (
    DBInstanceAlreadyExists,
    DBInstanceNotFoundError,
    DBParameterGroupNotFoundError,
    OptionGroupNotFoundFaultError,
    RDSClientError,
)
from moto.rds.models import RDSBackend
from moto.rds.utils import valid_preferred_maintenance_window

from provisioner.sandbox.databases import rules
from provisioner.sandbox.databases.instance import (
    CREATE,
    DELETE,
    REBOOT,
    START,
    STOP,
    Instance,
    Keeper,
    ManagedSecret,
    Task,
)
from provisioner.sandbox.databases.modify import modify
from provisioner.sandbox.databases.snapshots import Snapshots

_ENDED = ("failed", "incompatible-restore", "incompatible-parameters")
# Restored from a backup, an instance has what its source had, and AWS's defaults for groups, zones and protection.
_INHERITED = (
    *("allocated_storage", "auto_minor_version_upgrade", "backup_retention_period", "ca_certificate_identifier"),
    "license_model",
    *("db_name", "db_instance_class", "engine", "engine_version", "iops", "kms_key_id", "master_username", "port"),
    *("preferred_backup_window", "preferred_maintenance_window", "storage_encrypted", "storage_throughput"),
    "storage_type",
)


class SandboxRDS(Snapshots):
    """The RDS of one account and region. `keeper` is set once, when the sandbox hooks moto."""

    @property
    def _url_module(self) -> ModuleType:
        return moto.rds.urls  # moto looks for it next to the class's own module

    def create_db_instance(self, db_kwargs: Any) -> Instance:
        asked = _given(db_kwargs)
        if asked.get("db_cluster_identifier"):
            raise rules.unsupported("a DB cluster")
        self._check_free(asked["db_instance_identifier"])
        rules.check_engine(asked["engine"])
        rules.check_create(asked)
        asked["engine_version"] = rules.engine_version(asked.get("engine_version"))
        asked.setdefault("license_model", "postgresql-license")
        return self._make(asked, {})

    def restore_db_instance_from_db_snapshot(self, from_snapshot_id: str, overrides: Any) -> Instance:
        asked = _given(overrides)
        self._check_free(asked["db_instance_identifier"])
        snapshot = self.restorable_snapshot(from_snapshot_id)
        encryption = {"kms_key_id": snapshot.kms_key_id, "storage_encrypted": snapshot.encrypted}
        return self._restore({**_inherited(snapshot.database), **encryption}, asked, {"snapshot": snapshot.body})

    def restore_db_instance_to_point_in_time(
        self, source_db_identifier: str | None, target_db_identifier: str, overrides: Any
    ) -> Instance:
        asked = _given(overrides)
        source = self._source(source_db_identifier, asked.get("source_dbi_resource_id"))
        self._check_free(target_db_identifier)
        until = _restore_time(source, asked.pop("restore_time", None), asked.pop("use_latest_restorable_time", False))
        asked["db_instance_identifier"] = target_db_identifier
        return self._restore(_inherited(source), asked, {"history": source.dbi_resource_id, "until": until})

    def modify_db_instance(self, db_instance_identifier: str, db_kwargs: Any) -> Instance:
        db = self.find(db_instance_identifier)
        modify(self, db, _given(db_kwargs))
        return db

    def change_plainly(self, db: Instance, asked: dict[str, Any]) -> None:
        """What of a modification is moto's business alone."""
        super().modify_db_instance(db.db_instance_identifier, asked)

    def reboot_db_instance(self, db_instance_identifier: str) -> Instance:
        db = self.find(db_instance_identifier)
        rules.check_status(db, "available", "incompatible-parameters")
        self.keeper.begin(db, Task(REBOOT))
        return db

    def stop_db_instance(self, db_instance_identifier: str, db_snapshot_identifier: str | None = None) -> Instance:
        db = self.find(db_instance_identifier)
        rules.check_status(db, "available")
        snapshot = self.add_snapshot(db, db_snapshot_identifier).body if db_snapshot_identifier else None
        self.keeper.begin(db, Task(STOP, {"snapshot": snapshot}))
        return db

    def start_db_instance(self, db_instance_identifier: str) -> Instance:
        db = self.find(db_instance_identifier)
        rules.check_status(db, "stopped")
        if db.kms_key_id:
            self.usable_key(db.kms_key_id)
        self.keeper.begin(db, Task(START))
        return db

    def delete_db_instance(
        self,
        db_instance_identifier: str,
        final_db_snapshot_identifier: str | None = None,
        skip_final_snapshot: bool | None = False,
        delete_automated_backups: bool | None = True,  # noqa: ARG002 - they go with the instance
    ) -> Instance:
        db = self.find(db_instance_identifier)
        if db.status == "deleting":
            raise rules.wrong_state(f"Instance {db_instance_identifier} is already being deleted.")
        if db.deletion_protection:
            raise rules.contradiction(
                "Cannot delete protected DB Instance, please disable deletion protection and try again."
            )
        if bool(skip_final_snapshot) == bool(final_db_snapshot_identifier):
            word = "cannot be specified when" if skip_final_snapshot else "is required unless"
            raise rules.contradiction(f"FinalDBSnapshotIdentifier {word} SkipFinalSnapshot is specified.")
        if final_db_snapshot_identifier and db.status in {*_ENDED, "creating"}:
            raise rules.wrong_state(
                f"Instance {db_instance_identifier} is {db.status}: a final snapshot can't be made."
            )
        snapshot = None
        if final_db_snapshot_identifier:
            snapshot = self.add_snapshot(db, final_db_snapshot_identifier).body
        self.keeper.begin(db, Task(DELETE, {"snapshot": snapshot}))
        return db

    def describe_db_instance_automated_backups(  # type: ignore[override]  # moto shows less
        self, db_instance_identifier: str | None = None, **_: Any
    ) -> list[dict[str, Any]]:
        wanted = db_instance_identifier and db_instance_identifier.lower()
        every = [db for db in self.databases.values() if wanted in {None, db.db_instance_identifier}]
        return [_automated_backup(db) for db in every if db.backup_retention_period]

    def _restore(self, inherited: dict[str, Any], asked: dict[str, Any], source: dict[str, Any]) -> Instance:
        props = {**inherited, **asked}
        if props["allocated_storage"] < inherited["allocated_storage"]:
            raise rules.invalid("The allocated storage size can't be less than the source snapshot or backup size.")
        rules.check_class(props["db_instance_class"])
        rules.check_storage(props["allocated_storage"], props["storage_type"])
        return self._make(props, source)

    def _make(self, asked: dict[str, Any], source: dict[str, Any]) -> Instance:
        # Everything that can be refused comes before the instance: its managed secret is made with it.
        name = asked["db_instance_identifier"]
        self._validate_db_identifier(name)
        self.ensure_default_group()
        self._check_groups(asked)
        for key in ("kms_key_id", "master_user_secret_kms_key_id"):
            if asked.get(key):
                asked[key] = self.usable_key(asked[key])
        if asked.get("storage_encrypted") and not asked.get("kms_key_id"):
            asked["kms_key_id"] = self.usable_key("alias/aws/rds")
        if asked.get("db_subnet_group_name") and not asked.get("vpc_security_group_ids"):
            asked["vpc_security_group_ids"] = [self._default_security_group(asked["db_subnet_group_name"])]
        make: Any = Instance  # abstract on paper, as all of moto's models are
        db: Instance = make(self, **asked)
        self.databases[name] = db
        db.add_event("DB_INSTANCE_CREATE")
        self.keeper.begin(db, Task(CREATE, source))
        return db

    def _check_groups(self, asked: dict[str, Any]) -> None:
        windows = (asked.get("preferred_maintenance_window"), asked.get("preferred_backup_window"))
        if problem := valid_preferred_maintenance_window(
            (windows[0] or "wed:06:38-wed:07:08").lower(), windows[1] or "13:14-13:44"
        ):
            raise rules.invalid(problem)
        group = asked.get("db_parameter_group_name")
        if group:
            if group not in self.db_parameter_groups:
                raise DBParameterGroupNotFoundError(group)
            rules.check_family(self.db_parameter_groups[group])
        options = asked.get("option_group_name")
        if options and options not in self.option_groups:
            raise OptionGroupNotFoundFaultError(options)

    def _default_security_group(self, subnet_group: str) -> str:
        vpc = self.describe_db_subnet_groups(subnet_group)[0].vpc_id
        default = ec2_backends[self.account_id][self.region_name].get_default_security_group(vpc)
        if default is None:
            raise rules.invalid(f"{vpc} has no default security group.")
        return default.id

    def _check_free(self, name: str) -> None:
        if name in self.databases:
            raise DBInstanceAlreadyExists

    def _source(self, name: str | None, resource_id: str | None) -> Instance:
        if name:
            return self.find(name)
        for db in self.databases.values():
            if db.dbi_resource_id == resource_id:
                return db
        raise DBInstanceNotFoundError(str(resource_id))


def hook(keeper: Keeper) -> None:
    """Put the sandbox's RDS in the place of moto's. Call it before any backend is made."""
    SandboxRDS.keeper = keeper
    models.rds_backends.backend = SandboxRDS
    models.MasterUserSecret = ManagedSecret  # type: ignore[misc]  # where moto makes one, it makes ours
    for name in _UNSUPPORTED:
        getattr(RDSBackend, name)  # a name that moto no longer has would refuse nothing
        setattr(SandboxRDS, name, _refusal(name))


_UNSUPPORTED = (
    *("create_blue_green_deployment", "create_db_cluster", "create_db_cluster_snapshot", "create_db_proxy"),
    *("create_db_instance_read_replica", "create_db_shard_group", "create_global_cluster", "promote_read_replica"),
    *(
        "describe_db_log_files",
        "restore_db_cluster_from_snapshot",
        "restore_db_cluster_to_point_in_time",
        "start_export_task",
    ),
)


def _refusal(name: str) -> Any:
    def refuse(*_: Any, **__: Any) -> None:
        raise rules.unsupported("".join(word.capitalize() for word in name.split("_")))

    return refuse


def _given(kwargs: Any) -> dict[str, Any]:
    return {name: value for name, value in dict(kwargs).items() if value is not None}


def _inherited(source: Any) -> dict[str, Any]:
    return {name: getattr(source, name) for name in _INHERITED if getattr(source, name) is not None}


def _restore_time(source: Instance, asked: Any, latest: bool) -> datetime | None:
    """The time to restore to, aware; None for all there is."""
    if not source.backup_retention_period:
        raise RDSClientError(
            "PointInTimeRestoreNotEnabled", f"{source.db_instance_identifier} has backup retention disabled."
        )
    if bool(asked) == bool(latest):
        raise rules.contradiction("Specify either RestoreTime or UseLatestRestorableTime.")
    newest, oldest = source.latest_restorable_time, source.restorable_since
    if newest is None or oldest is None:
        raise rules.wrong_state(f"Instance {source.db_instance_identifier} has no backup that could be restored yet.")
    if latest:
        return None
    moment = asked if isinstance(asked, datetime) else datetime.fromisoformat(str(asked))
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    if not oldest.replace(tzinfo=UTC) <= moment <= newest.replace(tzinfo=UTC):
        raise rules.invalid(f"RestoreTime {moment:%FT%TZ} is not within {oldest:%FT%TZ} and {newest:%FT%TZ}.")
    return moment


def _automated_backup(db: Instance) -> dict[str, Any]:
    newest = db.latest_restorable_time
    names = (
        *(
            "db_instance_identifier",
            "db_instance_arn",
            "dbi_resource_id",
            "region",
            "allocated_storage",
            "port",
            "engine",
        ),
        *("engine_version", "master_username", "kms_key_id", "backup_retention_period", "storage_type"),
    )
    return {
        **{name: getattr(db, name) for name in names},
        "encrypted": db.storage_encrypted,
        "status": "active" if newest else "creating",
        "restore_window": {"EarliestTime": db.restorable_since, "LatestTime": newest} if newest else None,
    }
