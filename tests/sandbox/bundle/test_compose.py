"""The scripts of `compose.yaml`, without containers: the database's against a real PostgreSQL, as its image runs it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.bundle.conftest import NOTES, Database
from tests.unit.notes.conftest import Cluster, running_cluster


@pytest.fixture(scope="module")
def empty() -> Iterator[Cluster]:
    """A server without any role or database."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def secrets(bundle: Path, tmp_path: Path) -> Path:
    """What compose/secrets.sh makes, in a copy of the bundle."""
    if os.geteuid() not in (0, 1000):
        pytest.skip("compose/secrets.sh gives the secret to uid 1000, which needs root")
    copy = Path(shutil.copytree(bundle, tmp_path / "a bundle"))
    for _ in range(2):
        subprocess.run(["sh", "compose/secrets.sh"], cwd=copy, check=True)
    return copy / "secrets"


def test_secrets_are_made_once_and_closed(secrets: Path) -> None:
    about = {p.name: p.stat() for p in secrets.iterdir()}
    assert {n: s.st_mode & 0o777 for n, s in about.items()} == {
        "superuser": 0o644,
        "password": 0o644,
        "database.json": 0o600,
    }
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert about["database.json"].st_uid == 1000
    password = (secrets / "password").read_text()
    assert json.loads((secrets / "database.json").read_text()) == {"username": "product", "password": password}
    assert len(password) == 32
    assert password != (secrets / "superuser").read_text()


def test_the_database_of_the_container_is_made_and_loaded(secrets: Path, empty: Cluster) -> None:
    script = (secrets.parent / "compose/database.sh").read_text()
    script = script.replace("/run/secrets", "secrets").replace("/bundle/database.dump", "data/database.dump")
    environment = {
        "PATH": f"{empty.binaries}:/usr/bin:/bin",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(empty.port),
        "PGPASSWORD": "master",
    }
    done = subprocess.run(
        ["bash", "-c", script], cwd=secrets.parent, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    database = Database(empty, "product", "product", (secrets / "password").read_text())
    assert [row[0] for row in database.execute("SELECT body FROM notes ORDER BY id")] == NOTES
    assert database.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]
    assert database.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'product'") == [("product",)]
