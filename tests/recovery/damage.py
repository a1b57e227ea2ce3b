"""Damage in the data of a snapshot, done by a real PostgreSQL server or to its files."""

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.sandbox import blocks
from provisioner.sandbox.addresses import Address
from provisioner.sandbox.ca import Authority
from provisioner.sandbox.databases import copies, template
from provisioner.sandbox.databases.binaries import find
from provisioner.sandbox.databases.cluster import Cluster
from provisioner.sandbox.launch import Launcher
from tests.installation import Installation

PAGE = 8192


@dataclass(frozen=True, slots=True)
class Body:
    """The data of one snapshot on the sandbox's disk, and a whole copy of it in `spare`."""

    folder: Path
    spare: Path

    def keep(self) -> None:
        """Make the copy."""
        template.copy(self.folder, self.spare, os.geteuid())

    def mend(self) -> None:
        """As it was."""
        shutil.rmtree(self.folder, ignore_errors=True)
        template.copy(self.spare, self.folder, os.geteuid())

    def become(self, other: Path) -> None:
        """The data of another cluster, under the same name."""
        shutil.rmtree(self.folder)
        template.copy(other, self.folder, os.geteuid())

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements in it as a superuser, with a server of its own; returns the last one's rows."""
        with served(self.folder, self.spare.parent / "server") as cluster:
            with cluster.connect("product") as connection:
                rows = [connection.execute(s) for s in statements][-1]
                found = list(rows.fetchall()) if rows.description else []
            cluster.stop()
            self.become(cluster.data)
        return found

    def scratch(self, table: str, page: int = 0) -> None:
        """Overwrite some bytes of one of a table's (or an index's) pages, as a bad disk would."""
        ((checksums, path),) = self.sql(f"SELECT current_setting('data_checksums'), pg_relation_filepath('{table}')")
        assert checksums == "on"
        with (self.folder / str(path)).open("r+b") as file:
            file.seek(page * PAGE + PAGE - 32)
            before = file.read(16)
            file.seek(-16, os.SEEK_CUR)
            file.write(bytes(b ^ 0xFF for b in before))


def bodies(installation: Installation) -> set[Path]:
    """The data of all snapshots."""
    return set((installation.home / "sandbox/databases/snapshots").iterdir())


@contextmanager
def served(data: Path, work: Path) -> Iterator[Cluster]:
    """A real server on a copy of a cluster's data; `work` is there as long as it runs."""
    work.mkdir(mode=0o711)
    launcher = Launcher(work, blocks.claim(work))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = Address("127.0.0.1", free.getsockname()[1])
    cluster = Cluster(work / "cluster", launcher.uid("cluster"), address, launcher, find())
    (work / "ca").mkdir()
    try:
        cluster.prepare(Authority(work / "ca"))
        copies.lay(cluster, data)
        cluster.configure({})
        cluster.start()
        yield cluster
    finally:
        cluster.stop(now=True)
        shutil.rmtree(work)
