"""Keeps bodies and models together: carries tasks out, restarts what died, takes the daily backup."""

import logging
import shutil
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from moto.rds.models import rds_backends

from provisioner.model.errors import SandboxError
from provisioner.sandbox.ca import Authority
from provisioner.sandbox.databases import copies, template
from provisioner.sandbox.databases.binaries import find
from provisioner.sandbox.databases.cluster import Cluster
from provisioner.sandbox.databases.instance import STATUS, Instance, Snapshot, Task
from provisioner.sandbox.databases.modify import apply_deferred
from provisioner.sandbox.databases.tasks import TASKS, Work, failure
from provisioner.sandbox.databases.window import is_open
from provisioner.sandbox.launch import Launcher
from provisioner.sandbox.world import World

_WATCH_SECONDS = 0.5
_DEFAULT_PORT = 5432
_LONGEST_PAUSE = 10.0
_BACKUP_PAUSE = 5.0
_BACKUP_EVERY = timedelta(days=1)
_STARTS_AT_ONCE = 4
_DOWN = {"stopped", "stopping", "creating", "deleting", "failed", "incompatible-restore", "incompatible-parameters"}
log = logging.getLogger(__name__)


class BodyKeeper:
    """The keeper of one daemon's clusters. A lock for each body keeps tasks, supervision and the stop apart."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._root = world.folder("databases")
        self._launcher = Launcher(world.home, world.block)
        self._authority = Authority(world.folder("ca"))
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._pauses: dict[str, tuple[float, float]] = {}
        self._backup_after: defaultdict[str, float] = defaultdict(float)
        self._template_lock = threading.Lock()
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._watch_forever, name="databases", daemon=True)

    @property
    def isolation(self) -> str:
        """What holds the clusters apart."""
        return self._launcher.isolation

    def cluster(self, db: Instance) -> Cluster:
        """The body of an instance, whether there is anything of it yet or not."""
        return self._cluster(db.dbi_resource_id, db.port or _DEFAULT_PORT)

    def begin(self, db: Instance, task: Task) -> None:
        """Set the instance's status and carry the task out in the background."""
        db.task, db.status, db.note = task, STATUS[task.kind], None
        self._resume(db, task)

    def reload(self, db: Instance) -> None:
        """Bring `in_force` to the running server."""
        db.applying = True
        self._world.run(f"reload {db.dbi_resource_id}", lambda: self._reload(db))

    def copy(self, snapshot: Snapshot) -> None:
        """Fill a snapshot from the one that its `copied_from` names."""
        self._world.run(f"copy {snapshot.body}", lambda: self._copy(snapshot))

    def discard(self, body: str) -> None:
        """Delete a snapshot's data."""
        self._world.run(f"discard {body}", lambda: shutil.rmtree(self._root / body, ignore_errors=True))

    def restore(self) -> None:
        """Adopt and start what should run, carry on what was under way, drop what belongs to nobody."""
        every = self._every()
        with self._world.lock:
            snapshots = [s for backend in _backends() for s in backend.database_snapshots.values()]
        self._sweep({db.dbi_resource_id for db in every}, {s.body for s in snapshots})
        resting = [db for db in every if db.task is None]
        with ThreadPoolExecutor(_STARTS_AT_ONCE) as pool:
            list(pool.map(self._adopt, resting))
        for db in every:
            if db.task is not None:
                self._resume(db, db.task)
        for snapshot in snapshots:
            if snapshot.status == "creating" and snapshot.copied_from:
                self.copy(snapshot)
        self._watch.start()

    def stop(self) -> None:
        """End all clusters in order, several at once. Tasks that wait are kept for the next start."""
        self._stopping.set()
        with ThreadPoolExecutor(_STARTS_AT_ONCE) as pool:
            list(pool.map(self._end, self._every()))

    def rows(self) -> list[dict[str, Any]]:
        """A row for each instance, for people."""
        return [self._row(db) for db in self._every()]

    def _row(self, db: Instance) -> dict[str, Any]:
        cluster = self.cluster(db) if db.listens else None
        process = cluster.process() if cluster else None
        tags = {tag["Key"]: tag["Value"] for tag in db.tags}
        return {
            "id": db.db_instance_identifier,
            "tenant": tags.get("provision:tenant"),
            "kind": "database",
            "state": db.status,
            "address": f"{db.listens[0]}:{db.listens[1]}" if db.listens else None,
            "pid": process.pid if process else None,
            "uid": cluster.uid if cluster else None,
            "notes": "; ".join(filter(None, [self.isolation, db.note])),
        }

    def _cluster(self, resource_id: str, port: int) -> Cluster:
        address = self._world.addresses.take(f"database/{resource_id}", port)
        if self._world.addresses.whole_net:
            address = address._replace(port=port)  # a modification may have changed it
        key = f"database/{resource_id}"
        return Cluster(self._root / resource_id, self._launcher.uid(key), address, self._launcher, find())

    def _resume(self, db: Instance, task: Task) -> None:
        self._world.run(f"{task.kind} {db.dbi_resource_id}", lambda: self._carry_out(db, task))

    def _carry_out(self, db: Instance, task: Task) -> None:
        self._world.commit()  # the intent, before the body is touched
        with self._locks[db.dbi_resource_id]:
            if self._stopping.is_set() or db.task is not task:
                return
            work = Work(
                db, task, self.cluster(db), self._root, self._world, self._authority, self._template, self._peer
            )
            try:
                outcome = TASKS[task.kind](work)
            except Exception as problem:  # whatever it was, the instance must show it
                log.exception("%s of %s failed", task.kind, db.db_instance_identifier)
                outcome = failure(work, str(problem))
            with self._world.lock:
                if db.task is task:
                    db.task, db.status, db.note = None, outcome.status, outcome.note
                    outcome.settle()
            self._world.dirty()
            if outcome.gone:
                self._release(db)
            elif outcome.status == "available":
                self._keep_backups(db)

    def _peer(self, resource_id: str) -> tuple[Cluster, threading.Lock]:
        """Another instance's cluster, and the lock to hold while it is read."""
        for db in self._every():
            if db.dbi_resource_id == resource_id:
                return self.cluster(db), self._locks[resource_id]
        raise SandboxError(f"the source {resource_id} is gone")

    def _template(self) -> Path:
        with self._template_lock:
            return template.make(self._launcher, find(), self._root)

    def _release(self, db: Instance) -> None:
        key = f"database/{db.dbi_resource_id}"
        self._world.addresses.release(key)
        self._launcher.release(key)

    def _reload(self, db: Instance) -> None:
        self._world.commit()
        with self._locks[db.dbi_resource_id]:
            cluster = self.cluster(db)
            if cluster.process() and not self._stopping.is_set():
                cluster.configure(db.in_force)
                cluster.reload()
            with self._world.lock:
                db.applying = False
        self._world.dirty()

    def _copy(self, snapshot: Snapshot) -> None:
        self._world.commit()
        try:
            copies.copy_snapshot(self._root / str(snapshot.copied_from), self._root / snapshot.body)
            done = "available", 100
        except Exception:  # whatever it was, the snapshot must show it
            log.exception("copying %s failed", snapshot.db_snapshot_identifier)
            done = "failed", 0
        with self._world.lock:
            snapshot.status, snapshot.percent_progress = done
        self._world.dirty()

    def _adopt(self, db: Instance) -> None:
        """Where it should run: adopt the living server, or start it; either way with what is in force."""
        if db.status in _DOWN:
            return
        with self._locks[db.dbi_resource_id]:
            cluster = self.cluster(db)
            try:
                cluster.configure(db.in_force)
                if cluster.process():
                    cluster.reload()
                else:
                    cluster.start()
                db.applying = False
            except Exception:  # the others and the daemon must come up all the same
                log.exception("%s doesn't start; the watch goes on trying", db.db_instance_identifier)

    def _end(self, db: Instance) -> None:
        with self._locks[db.dbi_resource_id]:
            self.cluster(db).stop()

    def _watch_forever(self) -> None:
        while not self._stopping.wait(_WATCH_SECONDS):
            resting = [db for db in self._every() if db.task is None and db.status not in _DOWN]
            for db in resting:
                try:
                    self._look_after(db)
                except Exception:  # one body's trouble must not end the watch over the others
                    log.exception("watching %s failed", db.db_instance_identifier)

    def _look_after(self, db: Instance) -> None:
        lock = self._locks[db.dbi_resource_id]
        if not lock.acquire(blocking=False):
            return  # a task is at work on it
        try:
            if db.task is not None or self._stopping.is_set():
                return
            cluster = self.cluster(db)
            if cluster.process() is None:
                self._restart(db, cluster)
                return
            cluster.trim_log()
            self._keep_backups(db)
        finally:
            lock.release()
        self._use_window(db)

    def _use_window(self, db: Instance) -> None:
        with self._world.lock:
            idle = db.task is None and db.status == "available"
            if idle and db.deferred and is_open(db.preferred_maintenance_window, datetime.now(UTC)):
                apply_deferred(self, db)

    def _restart(self, db: Instance, cluster: Cluster) -> None:
        not_before, pause = self._pauses.get(db.dbi_resource_id, (0.0, _WATCH_SECONDS))
        if time.monotonic() < not_before:
            return
        log.warning("%s died: %s", db.db_instance_identifier, cluster.log_tail())
        self._pauses[db.dbi_resource_id] = (time.monotonic() + pause, min(pause * 2, _LONGEST_PAUSE))
        cluster.start()
        self._pauses.pop(db.dbi_resource_id)

    def _keep_backups(self, db: Instance) -> None:
        """A base backup a day and the WAL between, as far back as the retention says; called with the body's lock."""
        if not db.backup_retention_period or time.monotonic() < self._backup_after[db.dbi_resource_id]:
            return
        try:
            self._back_up(db)
        except (SandboxError, OSError) as problem:  # the server may have been killed meanwhile
            log.warning("no backup of %s yet: %s", db.db_instance_identifier, problem)
            self._backup_after[db.dbi_resource_id] = time.monotonic() + _BACKUP_PAUSE

    def _back_up(self, db: Instance) -> None:
        cluster, now = self.cluster(db), datetime.now(UTC)
        taken = copies.backups(cluster)
        due = not taken or now - taken[-1][0] > _BACKUP_EVERY
        if due:
            cluster.subfolder("archive")
            copies.take_backup(cluster)
        if due or db.restorable_since is None:
            self._list_backups(db, cluster, now - timedelta(days=db.backup_retention_period))

    def _list_backups(self, db: Instance, cluster: Cluster, since: datetime) -> None:
        copies.forget_backups(cluster, since)
        kept = copies.backups(cluster)
        bodies = {str(path.relative_to(self._root)) for _, path in kept}
        with self._world.lock:
            listed = {snapshot.body for snapshot in db.backend.automated_snapshots(db)}
            for body in sorted(bodies - listed):
                db.backend.add_automated_snapshot(db, body)
            db.backend.forget_automated_snapshots(listed - bodies)
            db.restorable_since = max(kept[0][0], since).replace(tzinfo=None)
        self._world.dirty()

    def _sweep(self, resource_ids: set[str], bodies: set[str]) -> None:
        """Folders that a killed daemon could no longer delete, and those of drafts."""
        for folder in self._root.glob("db-*"):
            if folder.name not in resource_ids:
                shutil.rmtree(folder, ignore_errors=True)
        for folder in (self._root / "snapshots").glob("*"):
            if f"snapshots/{folder.name}" not in bodies:
                shutil.rmtree(folder, ignore_errors=True)

    def _every(self) -> list[Instance]:
        with self._world.lock:
            return [db for backend in _backends() for db in backend.databases.values()]


def _backends() -> list[Any]:
    return [backend for account in list(rds_backends.values()) for backend in list(account.values())]
