"""RDS's operations on snapshots, and whether the keys that they are encrypted with can be used."""

from collections.abc import Iterator
from typing import Any

from moto.core.utils import utcnow
from moto.rds.exceptions import (
    DBSnapshotAlreadyExistsError,
    DBSnapshotNotFoundFault,
    KMSKeyNotAccessibleFault,
    RDSClientError,
)
from moto.rds.models import rds_backends

from provisioner.sandbox.databases import rules
from provisioner.sandbox.databases.instance import SNAPSHOT, Instance, Snapshot, Task
from provisioner.sandbox.databases.parameters import Parameters


class Snapshots(Parameters):
    """The part of the sandbox's RDS that keeps snapshots."""

    def create_db_snapshot(  # type: ignore[override]  # what else moto takes is for its own calls
        self, db_instance_identifier: str, db_snapshot_identifier: str, tags: Any = None
    ) -> Snapshot:
        db = self.find(db_instance_identifier)
        rules.check_status(db, "available")
        snapshot = self.add_snapshot(db, db_snapshot_identifier, tags)
        self.keeper.begin(db, Task(SNAPSHOT, {"snapshot": snapshot.body}))
        return snapshot

    def copy_db_snapshot(
        self,
        source_db_snapshot_identifier: str,
        target_db_snapshot_identifier: str,
        kms_key_id: str | None = None,
        tags: Any = None,
        copy_tags: bool | None = False,
        **_: Any,
    ) -> Snapshot:
        """From this region, or by its ARN from another one: all regions' data lies in one folder."""
        source = self._available_snapshot(source_db_snapshot_identifier)
        foreign = source.region != self.region_name
        if source.kms_key_id:
            source.backend.usable_key(source.kms_key_id)
            if foreign and not kms_key_id:
                raise rules.contradiction(
                    f"To copy an encrypted snapshot from {source.region}, specify a KmsKeyId of {self.region_name}."
                )
        key = self.usable_key(kms_key_id) if kms_key_id else source.kms_key_id
        snapshot = self.add_snapshot(source.database, target_db_snapshot_identifier, kms_key_id=key)
        snapshot.tags = tags or (source.tags if copy_tags else [])  # never those of the instance
        snapshot.original_snapshot_create_time = source.original_snapshot_create_time
        snapshot.copied_from = source.body
        if foreign:
            snapshot.source_region, snapshot.source_db_snapshot_identifier = source.region, source.arn
        self.keeper.copy(snapshot)
        return snapshot

    def delete_db_snapshot(self, db_snapshot_identifier: str) -> Snapshot:
        snapshot: Snapshot = self.get_db_snapshot(db_snapshot_identifier)  # type: ignore[assignment]
        if snapshot.snapshot_type != "manual":
            raise _wrong_state("Only manual snapshots may be deleted.")
        if snapshot.status == "creating" or snapshot.body in self._used_bodies():
            raise _wrong_state(f"Snapshot {db_snapshot_identifier} is in use.")
        del self.database_snapshots[snapshot.db_snapshot_identifier]
        self.keeper.discard(snapshot.body)
        snapshot.status = "deleted"
        return snapshot

    def add_snapshot(
        self, db: Instance, name: str, tags: Any = None, kind: str = "manual", kms_key_id: str | None = None
    ) -> Snapshot:
        """A snapshot without data yet. It bears `tags`, or where there are none and the instance says so, its own."""
        if name in self.database_snapshots:
            raise DBSnapshotAlreadyExistsError(name)
        snapshot = Snapshot(self, db, name, kind, tags, kms_key_id=kms_key_id)
        self.database_snapshots[name] = snapshot
        return snapshot

    def restorable_snapshot(self, name: str) -> Snapshot:
        """A snapshot of this region that has its data."""
        snapshot = self._available_snapshot(name)
        if snapshot.region != self.region_name:
            raise DBSnapshotNotFoundFault(name)
        return snapshot

    def add_automated_snapshot(self, db: Instance, body: str) -> None:
        """List a base backup as the automated snapshot that RDS makes of it."""
        name = f"rds:{db.db_instance_identifier}-{utcnow():%Y-%m-%d-%H-%M-%S}"
        snapshot = self.add_snapshot(db, name, kind="automated")
        snapshot.body, snapshot.status, snapshot.percent_progress = body, "available", 100

    def automated_snapshots(self, db: Instance) -> list[Snapshot]:
        """The base backups of an instance that are listed."""
        every = self.database_snapshots.values()
        return [s for s in every if s.snapshot_type == "automated" and s.dbi_resource_id == db.dbi_resource_id]

    def forget_automated_snapshots(self, bodies: set[str]) -> None:
        """Take base backups that are gone off the list."""
        for snapshot in list(self.database_snapshots.values()):
            if snapshot.snapshot_type == "automated" and snapshot.body in bodies:
                del self.database_snapshots[snapshot.db_snapshot_identifier]

    def usable_key(self, key: str) -> str:
        """The ARN of a KMS key of this region that works. Raises KMSKeyNotAccessibleFault: disabled, waiting for its
        deletion, or not there."""
        try:
            arn = self._validate_kms_key(key)
        except AttributeError as unknown_alias:  # moto takes it for an id
            raise KMSKeyNotAccessibleFault(key) from unknown_alias
        if self.get_backend("kms", self.region_name, arn.split(":")[4]).describe_key(arn).key_state != "Enabled":
            raise KMSKeyNotAccessibleFault(key)
        return arn

    def find(self, name: str) -> Instance:
        """The instance of that name. Raises DBInstanceNotFound."""
        db: Instance = self.describe_db_instances(name)[0]  # type: ignore[assignment]  # there are none of moto's
        return db

    def _available_snapshot(self, name: str) -> Snapshot:
        snapshot: Snapshot = self.get_db_snapshot(name)  # type: ignore[assignment]  # there are none of moto's
        if snapshot.status != "available":
            raise _wrong_state(f"Snapshot {snapshot.db_snapshot_identifier} is not available.")
        return snapshot

    def _used_bodies(self) -> Iterator[str]:
        """What restores and copies under way, of any region, are made from or write to."""
        for backend in list(rds_backends[self.account_id].values()):
            databases: Any = backend.databases.values()
            yield from (db.task.args.get("snapshot") for db in databases if db.task)
            snapshots: Any = backend.database_snapshots.values()
            yield from (s.copied_from for s in snapshots if s.copied_from and s.status == "creating")


def _wrong_state(message: str) -> RDSClientError:
    return RDSClientError("InvalidDBSnapshotState", message)
