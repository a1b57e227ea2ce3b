"""Copies of a cluster: base backups with their WAL archive, snapshots, and restores to a point in time."""

import os
import shutil
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from provisioner.model.errors import SandboxError
from provisioner.sandbox.databases import template
from provisioner.sandbox.databases.cluster import Cluster
from provisioner.sandbox.launch import write_file

_STAMP = "%Y%m%dT%H%M%S.%fZ"
_DRAFT = "draft"
_ARCHIVE_SECONDS = 30.0
RECOVERY_SECONDS = 600.0


def take_backup(cluster: Cluster) -> Path:
    """A verified base backup of a running cluster, named by the time it ended. From then on, PITR can reach it."""
    draft = template.draft_of(cluster.backups / _DRAFT)
    _base_backup(cluster, draft)
    done = cluster.backups / datetime.now(UTC).strftime(_STAMP)
    draft.rename(done)
    return done


def backups(cluster: Cluster) -> list[tuple[datetime, Path]]:
    """The base backups with the times they ended, oldest first."""
    if not cluster.backups.exists():
        return []
    names = sorted(p for p in cluster.backups.iterdir() if not p.name.startswith(_DRAFT))
    return [(datetime.strptime(p.name, _STAMP).replace(tzinfo=UTC), p) for p in names]


def forget_backups(cluster: Cluster, before: datetime) -> list[Path]:
    """Delete base backups that no restore to `before` or later needs, and the WAL that only they needed."""
    kept = backups(cluster)
    old = [path for (_, path), following in pairwise(kept) if following[0] <= before]
    for path in old:
        shutil.rmtree(path)
    if old:
        label = (backups(cluster)[0][1] / "backup_label").read_text()
        first = label.partition("(file ")[2].partition(")")[0]
        cluster.run("pg_archivecleanup", str(cluster.archive), first)
    return old


def drop_backups(cluster: Cluster) -> None:
    """Stop keeping backups: delete them all and the archive."""
    for folder in (cluster.archive, cluster.backups):
        shutil.rmtree(folder, ignore_errors=True)
    cluster.subfolder("backups")


def take_snapshot(cluster: Cluster, target: Path) -> None:
    """Copy a cluster to `target`, root's own: from a base backup where it runs, file by file where it doesn't."""
    if target.exists():
        return
    draft = template.draft_of(cluster.backups / _DRAFT)
    if cluster.process():
        _base_backup(cluster, draft)
    else:
        template.copy(cluster.data, draft, cluster.uid)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    template.own(draft, os.geteuid())
    draft.rename(target)


def copy_snapshot(source: Path, target: Path) -> None:
    """A snapshot of its own with the same data."""
    if not target.exists():
        draft = template.draft_of(target)
        template.copy(source, draft, os.geteuid())
        draft.rename(target)


def lay(cluster: Cluster, source: Path, *, recover: bool = False) -> None:
    """Give a cluster without data the data of `source`: a template, a snapshot or a base backup.

    `recover` has it replay the archive at its first start; PostgreSQL itself takes that sign away when it has done so.
    """
    if not cluster.data.exists():
        draft = template.draft_of(cluster.data)
        template.copy(source, draft, cluster.uid)
        draft.chmod(0o700)
        (draft / "postmaster.pid").unlink(missing_ok=True)  # of a source that was killed
        if recover:
            write_file(draft / "recovery.signal", "", uid=cluster.uid)
        draft.rename(cluster.data)


def mark(cluster: Cluster) -> None:
    """Put a commit into the archive: recovery to a time needs one after that time. Returns when it is archived."""
    with cluster.connect() as connection:
        connection.execute("SELECT pg_current_xact_id()")
        name = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()[0]
    end = time.monotonic() + _ARCHIVE_SECONDS
    while not (cluster.archive / name).exists():
        if time.monotonic() > end:
            raise SandboxError(f"WAL file {name} of {cluster.folder} was not archived")
        time.sleep(0.01)


def lay_history(cluster: Cluster, source: Cluster, until: datetime | None) -> None:
    """Give a cluster without data the last base backup of `source` before `until`, and its archived WAL in `restore`.

    `until` None means everything. Raises SandboxError where no backup is old enough.
    """
    if cluster.data.exists():
        return
    if source.process():
        mark(source)
    bases = [path for ended, path in backups(source) if until is None or ended <= until]
    if not bases:
        raise SandboxError(f"no base backup in {source.backups} is old enough for {until}")
    history = cluster.folder / "restore"
    shutil.rmtree(history, ignore_errors=True)
    draft = template.draft_of(history)
    template.copy(source.archive, draft, cluster.uid)
    draft.rename(history)
    lay(cluster, bases[-1], recover=True)


def recovery(cluster: Cluster, until: datetime | None) -> dict[str, str]:
    """The options to start a server with that recovers from what `lay_history` laid; empty when that is over."""
    if not (cluster.folder / "restore").exists():
        return {}
    target = {"recovery_target_time": until.isoformat(sep=" ")} if until else {}
    # Without hot standby the server is ready only when it is done, and the source's limits don't bind it.
    return {
        "restore_command": "cp ../restore/%f %p",
        "recovery_target_action": "promote",
        "hot_standby": "off",
        **target,
    }


def end_recovery(cluster: Cluster) -> None:
    """The recovery of a started cluster is over: what it was fed from can go."""
    shutil.rmtree(cluster.folder / "restore", ignore_errors=True)


def _base_backup(cluster: Cluster, draft: Path) -> None:
    # The socket by way of the working folder: its own path may be longer than a Unix socket's may be.
    source = ["-h", "/proc/self/cwd/socket", "-p", str(cluster.address.port), "-U", template.ADMIN]
    cluster.run("pg_basebackup", *source, "-D", str(draft), "-X", "stream", "--checkpoint=fast", "--no-sync")
    cluster.run("pg_verifybackup", "--quiet", "--no-parse-wal", str(draft))
