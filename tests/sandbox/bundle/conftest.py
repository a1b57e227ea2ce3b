"""A tenant's data in one PostgreSQL, and machines with another one that a bundle is installed on."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from provisioner.ops.bundle import build, sums
from tests.unit.notes.conftest import RELEASES, Cluster, Served, free_port, running_cluster, wait_for

PASSWORD = "pass:w\\ord with 'quotes'"
NOTES = ["first", "zweite Notiz: ÄÖÜ", "third; DROP TABLE notes"]
FILES = {"logo.png": b"\x89PNG\r\n", "invoices/2026/one with spaces.txt": b"12 EUR\n", "back\\slash\nline": b"odd"}
_numbers = count()


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cluster]:
    """The PostgreSQL that the tenant has now."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def server() -> Iterator[Cluster]:
    """The PostgreSQL of the customer's machine."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def exported(cloud: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `provision export acme` gives: a real dump of a database as `provision` makes it, files, checksums."""
    work = tmp_path_factory.mktemp("export")
    database = Database(cloud, "acme", "product")
    database.make()
    database.execute("CREATE SCHEMA product AUTHORIZATION product")
    database.execute("ALTER ROLE product IN DATABASE acme SET search_path = product")
    folder = work / "acme"
    (folder / "files").mkdir(parents=True)
    environment = product_environment(database, work)
    subprocess.run([RELEASES / "1.1.0/bin/migrate"], env=environment, check=True, capture_output=True)
    with database.connect() as connection:
        for body in NOTES:
            connection.execute("INSERT INTO notes (body) VALUES (%s)", [body])
    words = ["--format", "custom", "--schema", "product", "--no-owner", "--no-privileges"]
    dump = [str(cloud.binaries / "pg_dump"), *words, "--file", str(folder / "database.dump")]
    subprocess.run(dump, env=database.environment(), check=True)
    for name, content in FILES.items():
        (folder / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "files" / name).write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps({"tenant": "acme", "release": "1.1.0", "schema_version": 2}))
    (folder / "SHA256SUMS").write_text(
        sums.lines({str(p.relative_to(folder)): _digest(p) for p in folder.rglob("*") if p.is_file()})
    )
    return folder


@pytest.fixture(scope="session")
def bundle(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, as it lies on the customer's machine after `tar xzf`."""
    folder = tmp_path_factory.mktemp("bundle")
    made = build(RELEASES / "1.1.0", folder / "acme.tar.gz", data=exported, tenant="acme")
    return unpacked(made.path, folder / "with a space")


def unpacked(tar: Path, folder: Path) -> Path:
    """Unpack with the machine's own tar; gives the bundle's folder."""
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--gzip", "--file", tar, "--directory", folder], check=True)
    with tarfile.open(tar) as listed:
        (root,) = {name.split("/")[0] for name in listed.getnames()}
    return folder / root


@dataclass
class Database:
    """A database and the role that owns it."""

    cluster: Cluster
    name: str
    role: str
    password: str = PASSWORD

    def make(self) -> None:
        self.cluster.execute(f"CREATE ROLE {self.role} LOGIN PASSWORD $${self.password}$$")
        self.cluster.execute(f"CREATE DATABASE {self.name} OWNER {self.role} TEMPLATE template0")

    def connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host="127.0.0.1", port=self.cluster.port, dbname=self.name, user=self.role, password=self.password
        )

    def execute(self, statement: str) -> list[Any]:
        with self.connect() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def superuser(self, statement: str) -> None:
        """As whoever runs the server."""
        where = f"host=127.0.0.1 port={self.cluster.port} dbname={self.name} user=postgres password=master"
        with psycopg.connect(where) as connection:
            connection.execute(statement)

    def environment(self) -> dict[str, str]:
        return {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.cluster.port),
            "PGDATABASE": self.name,
            "PGUSER": self.role,
            "PGPASSWORD": self.password,
        }


def product_environment(database: Database, work: Path) -> dict[str, str]:
    """What a machine tells the product."""
    secret, state = work / "secret.json", work / "state"
    state.mkdir(mode=0o700)
    secret.touch(0o600)
    secret.write_text(json.dumps({"username": database.role, "password": database.password}))
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "TENANT": "acme",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(database.cluster.port),
        "DATABASE_NAME": database.name,
        "DATABASE_USER": database.role,
        "DATABASE_SECRET": f"file://{secret}",
        "PGSSLMODE": "disable",
        "STATE_DIR": str(state),
    }


@dataclass
class Site:
    """A customer's machine: a prefix, an empty database, a password file."""

    home: Path
    database: Database
    port: int = field(default_factory=free_port)
    served: list[Served] = field(default_factory=list)

    @property
    def prefix(self) -> Path:
        return self.home / "opt"

    @property
    def password_file(self) -> Path:
        return self.home / "password"

    def environment(self, *first: Path) -> dict[str, str]:
        """PATH with PostgreSQL's clients and a python3 that has psycopg; traps for what must not be used."""
        path = [*first, self.database.cluster.binaries, Path(sys.executable).parent, Path("/usr/bin"), Path("/bin")]
        return {
            "PATH": ":".join(map(str, path)),
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "PGPASSWORD": "of the caller",
            "PGOPTIONS": "-c search_path=nowhere",
            "TENANT": "of the caller",
        }

    def words(self, *more: str) -> list[str]:
        return [
            "--prefix",
            str(self.prefix),
            "--host",
            "127.0.0.1",
            "--port",
            str(self.database.cluster.port),
            "--dbname",
            self.database.name,
            "--user",
            self.database.role,
            "--password-file",
            str(self.password_file),
            "--listen",
            f"127.0.0.1:{self.port}",
            "--no-systemd",
            *more,
        ]

    def install(
        self, bundle: Path, *more: str, words: list[str] | None = None, shell: str = "sh", first: tuple[Path, ...] = ()
    ) -> "subprocess.CompletedProcess[str]":
        """Run install.sh to its end, or to the end that a shim puts to it."""
        command = [shell, str(bundle / "install.sh"), *(self.words(*more) if words is None else words)]
        return subprocess.run(
            command,
            env=self.environment(*first),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
            start_new_session=True,
        )

    def installed(self, bundle: Path, *more: str, **kwargs: Any) -> str:
        """Run install.sh, which must succeed; its stdout."""
        done = self.install(bundle, *more, **kwargs)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout

    def serve(self) -> Served:
        """Start what was installed."""
        log = self.home / f"serve-{len(self.served)}.log"
        process = subprocess.Popen(
            [self.prefix / "bin" / "serve"], stdout=log.open("wb"), stderr=subprocess.STDOUT, env={"TENANT": "wrong"}
        )
        served = Served(process, self.port, log)
        self.served.append(served)
        wait_for(served.answers, "it listens")
        wait_for(lambda: served.health()[0] == 200, f"it is healthy: {served.health()}")
        return served

    def tree(self) -> dict[str, tuple[int, int, str]]:
        """Every file of the installation: mode, time of the last change, digest or target."""
        found = {}
        for path in sorted(self.prefix.rglob("*")):
            about = path.lstat()
            content = str(path.readlink()) if path.is_symlink() else "" if path.is_dir() else _digest(path)
            found[str(path.relative_to(self.prefix))] = (about.st_mode, about.st_mtime_ns, content)
        return found

    def notes(self) -> list[str]:
        """The rows, as the database has them."""
        return [row[0] for row in self.database.execute("SELECT body FROM product.notes ORDER BY id")]

    def files(self) -> dict[str, bytes]:
        folder = self.prefix / "state" / "files"
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def site(server: Cluster, tmp_path: Path) -> Iterator[Site]:
    """A machine with an empty database; what was started on it ends with it."""
    number = next(_numbers)
    database = Database(server, f"site{number}", f"customer{number}")
    database.make()
    made = Site(tmp_path / "site", database)
    (made.home / "tmp").mkdir(parents=True)
    made.password_file.touch(0o600)
    made.password_file.write_text(PASSWORD + "\n")
    yield made
    for served in made.served:
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(30)
    server.execute(f"DROP DATABASE {database.name} WITH (FORCE)")
    shutil.rmtree(made.home)
