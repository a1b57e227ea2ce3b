"""Snapshots of databases that people and `provision` make."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from provisioner.cloud import databases
from provisioner.cloud.patience import patiently
from provisioner.cloud.session import Clients, code_of, translated
from provisioner.model.cloud import Snapshot
from provisioner.model.errors import ProvisionError, RefusedError

_OWNER = "provision:tenant"


def snapshot(clients: Clients, name: str) -> Snapshot | None:
    """One snapshot of this region."""
    with translated("rds DescribeDBSnapshots"):
        try:
            found = clients["rds"].describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
        except clients["rds"].exceptions.DBSnapshotNotFoundFault:
            return None
    return _snapshot(found[0]) if found else None


def snapshots(clients: Clients, tenant: str) -> list[Snapshot]:
    """The tenant's, oldest first. RDS can't filter by tag, so all manual ones of the region are read."""
    with translated("rds DescribeDBSnapshots"):
        pages = list(clients["rds"].get_paginator("describe_db_snapshots").paginate(SnapshotType="manual"))
    found = [_snapshot(s) for page in pages for s in page["DBSnapshots"]]
    newest = datetime.max.replace(tzinfo=UTC)  # one that is only begun
    return sorted((s for s in found if s.tags.get(_OWNER) == tenant), key=lambda s: (s.taken_at or newest, s.name))


def make_snapshot(clients: Clients, database: str, name: str, tags: Mapping[str, str]) -> Snapshot:
    """Begin a snapshot of a database; see `ports.Cloud.make_snapshot`. One that is just being changed is waited for a
    little. Raises ProvisionError for one that is stopped."""

    def create() -> Any:
        try:
            return clients["rds"].create_db_snapshot(
                DBInstanceIdentifier=database, DBSnapshotIdentifier=name, Tags=_tag_list(tags)
            )
        except clients["rds"].exceptions.InvalidDBInstanceStateFault as error:
            found = databases.database(clients, database)
            if found is None or found.status not in ("stopped", "stopping") or snapshot(clients, name):
                raise
            raise ProvisionError(f"{database} is {found.status}: RDS takes snapshots of running ones only") from error

    return _made(clients, "CreateDBSnapshot", name, tags, create)


def copy_snapshot(clients: Clients, source_arn: str, name: str, tags: Mapping[str, str], key: str | None) -> Snapshot:
    """Begin a copy in this region; see `ports.Cloud.copy_snapshot`."""
    _, _, _, region, _, _, source = source_arn.split(":", 6)
    words: dict[str, Any] = {"TargetDBSnapshotIdentifier": name, "Tags": _tag_list(tags), "CopyTags": False}
    if region == clients.access.region:
        words["SourceDBSnapshotIdentifier"] = source
    else:  # with the region, botocore signs the request to the other one as well
        words |= {"SourceDBSnapshotIdentifier": source_arn, "SourceRegion": region}
    if key:
        words["KmsKeyId"] = key
    return _made(clients, "CopyDBSnapshot", name, tags, lambda: clients["rds"].copy_db_snapshot(**words))


def delete_snapshot(clients: Clients, name: str) -> None:
    """Delete it; one that is gone is success."""
    with translated("rds DeleteDBSnapshot"):
        try:
            clients["rds"].delete_db_snapshot(DBSnapshotIdentifier=name)
        except clients["rds"].exceptions.DBSnapshotNotFoundFault:
            return


def _made(clients: Clients, operation: str, name: str, tags: Mapping[str, str], act: Callable[[], Any]) -> Snapshot:
    """What `act` makes, or what a run before this one has made."""
    answers: list[dict[str, Any]] = []

    def attempt() -> bool:
        with translated(f"rds {operation}"):
            try:
                answers.append(act()["DBSnapshot"])
            except clients["rds"].exceptions.ClientError as error:
                if code_of(error) == "InvalidDBInstanceState":
                    return snapshot(clients, name) is not None
                if code_of(error) != "DBSnapshotAlreadyExists":
                    raise
        return True

    patiently(f"rds {operation} {name}", attempt)
    if answers:
        return _snapshot(answers[0])
    found = snapshot(clients, name)
    if found is None or found.tags.get(_OWNER) != tags[_OWNER]:
        raise RefusedError(
            f"a snapshot {name} is there already, and is not tagged {_OWNER}={tags[_OWNER]}",
            hint=f"aws rds describe-db-snapshots --db-snapshot-identifier {name}",
        )
    return found


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _snapshot(raw: dict[str, Any]) -> Snapshot:
    return Snapshot(
        name=raw["DBSnapshotIdentifier"],
        arn=raw["DBSnapshotArn"],
        status=raw["Status"],
        database=raw["DBInstanceIdentifier"],
        size_gib=int(raw.get("AllocatedStorage") or 0),
        encrypted=bool(raw.get("Encrypted")),
        key=raw.get("KmsKeyId"),
        # A copy has the data of its original.
        taken_at=raw.get("OriginalSnapshotCreateTime") or raw.get("SnapshotCreateTime"),
        tags={t["Key"]: t["Value"] for t in raw.get("TagList", [])},
    )
