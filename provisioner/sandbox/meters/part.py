"""The part of the daemon that measures its machines and databases, and answers GetMetricData with what it found."""

import logging
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.rds.models import rds_backends

from provisioner.model.stack import metrics_namespace
from provisioner.sandbox import launch
from provisioner.sandbox.alarms import evaluate
from provisioner.sandbox.machines import states
from provisioner.sandbox.meters import answers, gauges
from provisioner.sandbox.meters.samples import Sample, Samples, series
from provisioner.sandbox.world import Measured, Measuring, World

SECONDS_VARIABLE = "PROVISION_SANDBOX_METER_SECONDS"
"""How often it is measured, where a test can't wait."""

_SECONDS = 60.0
_GIB = 1024**3
_THIN_EVERY = 3600.0
_VCPUS = 2  # of the smaller database classes
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Subject:
    """A body that runs. `used`: the folder that stands for its disk of `size_gib`; `uid`: of everything that it runs,
    where that isn't the daemon's own; `tenant`: whose machine it is, for the namespace of its own metrics."""

    kind: str
    id: str
    pid: int
    used: Path
    size_gib: int
    vcpus: int
    uid: int | None
    tenant: str | None = None


class Meters:
    """Measures what runs; what doesn't run has no measurements."""

    name = "meters"

    def __init__(self, others: Iterable[Measuring]) -> None:
        """`others`: parts that measure something themselves."""
        self._others = list(others)
        self._stopping = Event()
        self._every = float(os.environ.get(SECONDS_VARIABLE, _SECONDS))
        self._seconds: dict[str, tuple[float, float]] = {}
        self._thinned = 0.0
        self._thread = Thread(target=self._measure_forever, name="meters", daemon=True)

    def install(self, world: World) -> None:
        """Hook CloudWatch."""
        self._world = world
        self._samples = Samples(world.home / "metrics.db")
        answers.install(self._samples)
        evaluate.install()
        self._alarms = evaluate.Alarms(world, self._samples, self._every / _SECONDS)

    def restore(self) -> None:
        """Begin."""
        self._thread.start()

    def status(self) -> list[dict[str, Any]]:
        """No bodies of its own."""
        return []

    def stop(self) -> None:
        """End after the measurement under way."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10.0)

    def _measure_forever(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                self._measure()
            except Exception:  # a body's trouble, or a full disk, must not end it for good
                log.exception("measuring failed")
            self._stopping.wait(max(0.1, self._every - (time.monotonic() - begun)))

    def _measure(self) -> None:
        with self._world.lock:
            subjects = [*self._machines(), *self._databases()]
            measured = list(self._checks())
        everything = gauges.processes()
        now = int(time.time())
        found = [Sample(name, now, value) for s in subjects for name, value in self._of(s, everything)]
        for other in self._others:
            measured += other.measure()
        found += [Sample(series(m.namespace, m.metric, m.dimensions), now, m.value) for m in measured]
        self._samples.add(found)
        self._alarms.look(now)
        if time.monotonic() - self._thinned > _THIN_EVERY:
            self._thinned = time.monotonic()
            self._samples.thin(now)

    def _of(self, subject: _Subject, everything: list[gauges.Running]) -> Iterator[tuple[str, float]]:
        used = gauges.folder_bytes(subject.used)
        cpu = self._cpu(subject, everything)
        if subject.kind == "machine":
            instance = {"InstanceId": subject.id}
            share = min(100.0, 100 * used / (subject.size_gib * _GIB))
            if subject.tenant:
                yield series(metrics_namespace(subject.tenant), "disk_used_percent", {**instance, "path": "/"}), share
            if cpu is not None:
                yield series("AWS/EC2", "CPUUtilization", instance), cpu
            return
        database = {"DBInstanceIdentifier": subject.id}
        yield series("AWS/RDS", "FreeStorageSpace", database), float(max(0, subject.size_gib * _GIB - used))
        yield series("AWS/RDS", "DatabaseConnections", database), float(gauges.clients(subject.pid, everything))
        if cpu is not None:
            yield series("AWS/RDS", "CPUUtilization", database), cpu

    def _cpu(self, subject: _Subject, everything: list[gauges.Running]) -> float | None:
        """Percent of the class's processors since the last look; None at the first one."""
        spent = sum(p.seconds for p in gauges.below(everything, subject.pid, subject.uid))
        now = time.monotonic()
        before = self._seconds.get(subject.id)
        self._seconds[subject.id] = (now, spent)
        if before is None:
            return None
        # What has ended takes its seconds along.
        share = max(0.0, spent - before[1]) / (now - before[0]) / subject.vcpus
        return min(100.0, 100 * share)

    def _checks(self) -> Iterator[Measured]:
        """The status checks of what should run."""
        for instance in states.all_instances(self._world.account):
            if states.state_of(instance) == states.RUNNING:
                failed = instance.instance_status["Status"] == "impaired"
                yield Measured("AWS/EC2", "StatusCheckFailed", {"InstanceId": instance.id}, float(failed))

    def _machines(self) -> Iterator[_Subject]:
        for instance in states.all_instances(self._world.account):
            folder = self._world.home / "machines" / instance.id
            process = launch.recorded(folder / "process.json")
            disks = instance.block_device_mapping
            # Moto gives an image's machine its first disk under a name of its own.
            root = disks.get(instance.root_device_name) or next(iter(disks.values()), None)
            if states.state_of(instance) != states.RUNNING or process is None or root is None:
                continue
            owner = (folder / "state").stat().st_uid
            kind = INSTANCE_TYPES.get(instance.instance_type, {})
            yield _Subject(
                "machine",
                instance.id,
                process.pid,
                folder,
                int(root.size),
                int(kind.get("VCpuInfo", {}).get("DefaultVCpus", _VCPUS)),
                owner if owner != os.geteuid() else None,
                (instance.ec2_backend.tags.get(instance.id) or {}).get("provision:tenant"),
            )

    def _databases(self) -> Iterator[_Subject]:
        for account in list(rds_backends.values()):
            for backend in list(account.values()):
                for db in list(backend.databases.values()):
                    folder = self._world.home / "databases" / db.dbi_resource_id
                    process = launch.recorded(folder / "process.json")
                    if process is not None:
                        name, size = db.db_instance_identifier, int(db.allocated_storage)
                        yield _Subject("database", name, process.pid, folder / "data", size, _VCPUS, None)
