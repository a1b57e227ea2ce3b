"""The product's password: fetched from Secrets Manager, kept in one closed file, fetched again after a rotation."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.unit.notes.conftest import PASSWORD, Cluster, Machine, Served, free_port, wait_for, write_passfile

_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1"}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """moto's server as the Secrets Manager."""
    port = free_port()
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    server = subprocess.Popen(
        [Path(sys.executable).parent / "moto_server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
    )
    listening = Served(server, port, Path(log.name))
    try:
        wait_for(listening.answers, "moto answers")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


class Secret:
    """The product's secret, as `provision` makes it: first empty, then with a password."""

    def __init__(self, endpoint: str, name: str) -> None:
        keys = {k.lower().replace("aws_default_region", "region_name"): v for k, v in _KEYS.items()}
        self._client = boto3.client("secretsmanager", endpoint_url=endpoint, **keys)  # type: ignore[call-overload]  # the keys are known names
        self.arn: str = self._client.create_secret(Name=name)["ARN"]

    def put(self, password: str) -> None:
        """A new version."""
        value = json.dumps({"username": "product", "password": password})
        self._client.put_secret_value(SecretId=self.arn, SecretString=value)


@pytest.fixture
def secret(machine: Machine, endpoint: str) -> Secret:
    """A secret without a value, and a machine that knows it and has no password yet."""
    secret = Secret(endpoint, machine.database)
    machine.environment |= _KEYS | {"AWS_ENDPOINT_URL": endpoint, "DATABASE_SECRET": secret.arn}
    machine.passfile.unlink()
    return secret


def test_it_waits_for_the_secret_and_says_so(machine: Machine, secret: Secret, cluster: Cluster) -> None:
    served = machine.serve("1.1.0")
    wait_for(lambda: "ResourceNotFoundException" in str(served.health()[1]["detail"]), "it says what it waits for")
    assert served.health()[0] == 503
    secret.put("not the role's yet")
    wait_for(lambda: "password authentication failed" in str(served.health()[1]["detail"]), "the role has no such one")
    cluster.execute("ALTER ROLE product PASSWORD $$not the role's yet$$")
    wait_for(lambda: "schema 0" in str(served.health()[1]["detail"]), "it gets in")
    assert machine.migrate("1.1.0").returncode == 0
    assert served.health()[0] == 200


def test_a_rotated_password_is_fetched_again(machine: Machine, secret: Secret, cluster: Cluster) -> None:
    write_passfile(machine.passfile, PASSWORD)
    machine.migrate("1.0.0")
    served = machine.serve("1.0.0")
    assert served.health()[0] == 200
    cluster.execute("ALTER ROLE product PASSWORD $$rotated$$")
    secret.put("rotated")
    cluster.stop()  # a connection that is open outlives a rotation
    cluster.start()
    wait_for(lambda: served.health()[0] == 200, "it has the new password")
    assert "rotated" in machine.passfile.read_text()


def test_migrate_fetches_the_password_itself(machine: Machine, secret: Secret) -> None:
    secret.put(PASSWORD)
    migrated = machine.migrate("1.0.0")
    assert (migrated.returncode, migrated.stdout) == (0, "schema_version=1\n")


def test_the_password_is_in_one_closed_file_and_nowhere_else(machine: Machine, secret: Secret) -> None:
    secret.put(PASSWORD)
    migrated = machine.migrate("1.0.0")
    served = machine.serve("1.0.0")
    assert served.health()[0] == 200
    assert machine.passfile.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in machine.state.iterdir()] == ["pgpass"]
    process = Path(f"/proc/{served.process.pid}")
    seen = [process.joinpath(f).read_bytes() for f in ("cmdline", "environ")]
    seen += [served.log.read_bytes(), migrated.stdout.encode(), migrated.stderr.encode()]
    assert not any(b"with 'quotes'" in text for text in seen)


def test_sigterm_ends_a_fetch_that_waits(machine: Machine, secret: Secret) -> None:
    served = machine.serve("1.0.0")
    wait_for(lambda: len(_children(served.process.pid)) == 1, "it fetches")
    (helper,) = _children(served.process.pid)
    served.process.terminate()
    assert served.process.wait(20) == 0
    wait_for(lambda: not Path(f"/proc/{helper}").exists(), "the fetch has ended")


@pytest.fixture
def file(machine: Machine, tmp_path: Path) -> Path:
    """Where the secret will be on premises: a machine that has no password yet, no AWS and no boto3."""
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "boto3.py").write_text("raise ImportError('there is no boto3 on premises')\n")
    file = tmp_path / "database.json"
    machine.environment |= {"PYTHONPATH": str(tmp_path / "none"), "AWS_REGION": "", "FILES_BUCKET": ""}
    machine.environment |= {"DATABASE_SECRET": f"file://{file}"}
    machine.passfile.unlink()
    return file


@pytest.mark.parametrize("release", ["1.0.0", "1.1.0"])
def test_without_aws_the_secret_is_a_file(machine: Machine, file: Path, cluster: Cluster, release: str) -> None:
    served = machine.serve(release)
    for text, mode, reason in (
        (None, 0, f"{file}: No such file or directory"),
        ("{}", 0o644, f"{file} can be read by others: chmod 600"),
        ("[]", 0o600, "the secret is no JSON with a password"),
        (json.dumps({"username": "product", "password": "of another"}), 0o600, "password authentication failed"),
        (json.dumps({"username": "product", "password": PASSWORD}), 0o600, "schema 0"),
    ):
        if text is not None:
            file.write_text(text)
            file.chmod(mode)
        wait_for(lambda reason=reason: reason in str(served.health()[1]["detail"]), reason)  # type: ignore[misc]
    assert machine.migrate(release).returncode == 0
    assert served.health()[0] == 200
    assert served.post(body="on premises")[0] == 201
    assert machine.passfile.stat().st_mode & 0o777 == 0o600


def _children(pid: int) -> list[str]:
    return [
        child for task in Path(f"/proc/{pid}/task").iterdir() for child in task.joinpath("children").read_text().split()
    ]
