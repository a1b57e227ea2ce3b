"""What is done to a body for each task. All of it can be cut off anywhere and done again from the start."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from provisioner.sandbox.ca import Authority
from provisioner.sandbox.databases import copies
from provisioner.sandbox.databases.cluster import Cluster
from provisioner.sandbox.databases.instance import (
    CHANGE,
    CREATE,
    DELETE,
    REBOOT,
    SNAPSHOT,
    START,
    STOP,
    Instance,
    Task,
)
from provisioner.sandbox.databases.modify import needs_outage, settle
from provisioner.sandbox.databases.roles import make_master, set_password
from provisioner.sandbox.world import World


@dataclass(frozen=True, slots=True)
class Work:
    """One task on one body. `template` makes the template; `peer` gives another body and its lock."""

    db: Instance
    task: Task
    cluster: Cluster
    root: Path
    world: World
    authority: Authority
    template: Callable[[], Path]
    peer: Callable[[str], tuple[Cluster, AbstractContextManager[bool]]]

    def take_parameters(self) -> None:
        """Have the group's parameters in force at the start that follows."""
        with self.world.lock:
            self.db.take_parameters()

    @property
    def snapshot(self) -> Path | None:
        """The folder of the snapshot that the task names."""
        body = self.task.args.get("snapshot")
        return self.root / body if body else None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the instance stands after a task; `settle` is called under the world's lock to have the models show it."""

    status: str
    settle: Callable[[], None] = lambda: None
    note: str | None = None
    gone: bool = False


def create(work: Work) -> Outcome:
    """A new instance: from the template, from a snapshot, or from another's history."""
    db, cluster = work.db, work.cluster
    history, until = work.task.args.get("history"), work.task.args.get("until")
    cluster.prepare(work.authority)
    if db.backup_retention_period:
        cluster.subfolder("archive")
    if history and not cluster.data.exists():
        source, lock = work.peer(history)
        with lock:
            copies.lay_history(cluster, source, until)
    else:
        copies.lay(cluster, work.snapshot or work.template())
    work.take_parameters()
    cluster.configure(db.in_force)
    if recovery := copies.recovery(cluster, until):
        cluster.start(patience=copies.RECOVERY_SECONDS, options=recovery)
        copies.end_recovery(cluster)
    else:
        cluster.start()
    restored = bool(history or work.snapshot)
    make_master(cluster, str(db.master_username), db.password, None if restored else db.db_name)

    def show() -> None:
        db.listens = (cluster.address.host, cluster.address.port)
        _password_is_set(db)

    return Outcome("available", show)


def change(work: Work) -> Outcome:
    """A modification: the server restarts where RDS has an outage."""
    db, cluster, changes = work.db, work.cluster, work.task.args["changes"]
    port = changes.get("db_port_number")
    if port and work.world.addresses.whole_net:
        cluster = replace(cluster, address=cluster.address._replace(port=port))
    if changes.get("backup_retention_period") == 0:
        copies.drop_backups(cluster)
    if needs_outage(changes):
        _restart(work, cluster)
    if work.task.args["password"] and (password := db.password):
        set_password(cluster, str(db.master_username), password)

    def show() -> None:
        settle(db, db.backend.databases, changes)
        db.listens = (cluster.address.host, cluster.address.port)
        if not db.backup_retention_period:
            db.restorable_since = None
            db.backend.forget_automated_snapshots({s.body for s in db.backend.automated_snapshots(db)})
        _password_is_set(db)

    return Outcome("available", show)


def reboot(work: Work) -> Outcome:
    """Static parameters take effect."""
    _restart(work, work.cluster)
    return Outcome("available")


def stop(work: Work) -> Outcome:
    """The server ends; its data, address and certificate stay."""
    moment = datetime.now(UTC).replace(tzinfo=None)
    if work.cluster.archive.exists() and work.cluster.process():
        copies.mark(work.cluster)
    work.cluster.stop()
    if work.snapshot:
        copies.take_snapshot(work.cluster, work.snapshot)

    def show() -> None:
        work.db.stopped_at = moment
        _snapshot_is(work, "available")

    return Outcome("stopped", show)


def start(work: Work) -> Outcome:
    """The server runs again."""
    work.take_parameters()
    work.cluster.configure(work.db.in_force)
    work.cluster.start()

    def show() -> None:
        work.db.stopped_at = None

    return Outcome("available", show)


def delete(work: Work) -> Outcome:
    """The final snapshot, if one is wanted; then nothing is left."""
    db, cluster = work.db, work.cluster
    cluster.stop(now=work.snapshot is None)
    if work.snapshot:
        copies.take_snapshot(cluster, work.snapshot)
    shutil.rmtree(cluster.folder, ignore_errors=True)

    def show() -> None:
        _snapshot_is(work, "available")
        db.backend.forget_automated_snapshots({s.body for s in db.backend.automated_snapshots(db)})
        if db.manage_master_user_password:
            db.master_user_secret.delete_secret()
        del db.backend.databases[db.db_instance_identifier]

    return Outcome("deleting", show, gone=True)


def snapshot(work: Work) -> Outcome:
    """A verified copy."""
    copies.take_snapshot(work.cluster, work.snapshot or work.root)
    return Outcome("available", lambda: _snapshot_is(work, "available"))


TASKS: dict[str, Callable[[Work], Outcome]] = {
    CREATE: create,
    CHANGE: change,
    REBOOT: reboot,
    STOP: stop,
    START: start,
    DELETE: delete,
    SNAPSHOT: snapshot,
}


def failure(work: Work, reason: str) -> Outcome:
    """How the instance stands when its task failed."""
    if work.task.kind == CREATE:
        status = "incompatible-restore" if work.task.args else "failed"
    elif work.cluster.process():
        status = "available"
    else:
        status = "incompatible-parameters" if work.db.in_force else "failed"
    return Outcome(status, lambda: _snapshot_is(work, "failed"), note=reason)


def _restart(work: Work, cluster: Cluster) -> None:
    work.take_parameters()
    cluster.configure(work.db.in_force)
    cluster.stop()
    cluster.start()


def _password_is_set(db: Instance) -> None:
    if db.manage_master_user_password:
        db.master_user_secret.activate()
    db.forget_password()


def _snapshot_is(work: Work, status: str) -> None:
    body = work.task.args.get("snapshot")
    if body is None or work.task.kind == CREATE:
        return
    for found in work.db.backend.database_snapshots.values():
        if found.body == body:
            found.status, found.percent_progress = status, 100 if status == "available" else 0
