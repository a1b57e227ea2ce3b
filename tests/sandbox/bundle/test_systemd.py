"""As a unit on a machine with a real systemd: hardened, under an account of its own, kept running, upgraded."""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.ops.bundle import build
from tests.sandbox.bundle.conftest import FILES, NOTES, Site
from tests.sandbox.bundle.machine import Machine, missing
from tests.sandbox.bundle.shims import shim
from tests.unit.notes.conftest import RELEASES, Served, free_port, wait_for

# Units see no homes, so a Python that lies in one won't do. It must fit the wheels that these tests run with.
_NAME = f"python3.{sys.version_info.minor}"
PYTHON = next((p for p in (Path("/usr/bin", _NAME), Path("/usr/local/bin", _NAME)) if p.exists()), None)
REASON = missing() or (None if PYTHON else f"there is no {_NAME} that all users reach")
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


@pytest.fixture
def bundles(tmp_path: Path, bundle: Path) -> Path:
    """A folder with the tenant's bundle and those of both releases."""
    folder = tmp_path / "bundles"
    folder.mkdir()
    for version in ("1.0.0", "1.1.0"):
        build(RELEASES / version, folder / version)
    return folder


@pytest.fixture
def machine(tmp_path: Path, site: Site, bundle: Path, bundles: Path) -> Iterator[Machine]:
    """A machine with PostgreSQL's clients and a Python of its own, and the site's database."""
    shared = {
        "postgres": site.database.cluster.binaries.parent,
        "packages": Path(sysconfig.get_paths()["purelib"]),
        "tenant": bundle,
        "bundles": bundles,
        "site": site.home,
    }
    made = Machine(tmp_path / "machine", shared)
    try:
        made.ok(str(PYTHON), "-m", "venv", "--without-pip", "/srv/python")
        made.ok("sh", "-c", "cd /srv/python/lib/python3*/site-packages && echo /srv/packages > shared.pth")
        yield made
    finally:
        made.end()


def words(site: Site) -> list[str]:
    at = ["--host", "127.0.0.1", "--port", str(site.database.cluster.port)]
    at += ["--dbname", site.database.name, "--user", site.database.role, "--password-file", "/srv/site/password"]
    return [*at, "--listen", f"127.0.0.1:{site.port}", "--python", "/srv/python/bin/python3"]


def property_of(machine: Machine, name: str) -> str:
    return machine.ok("systemctl", "show", "--value", f"--property={name}", "notes.service").strip()


def test_the_unit_serves_the_tenants_data_and_is_kept_running(machine: Machine, site: Site) -> None:
    said = machine.ok("sh", "/srv/tenant/install.sh", *words(site))
    assert f"notes 1.1.0 serves on 127.0.0.1:{site.port}" in said
    served = Served(None, site.port, Path())  # type: ignore[arg-type]
    assert [n["body"] for n in served.notes()] == NOTES[::-1]
    assert served.post(body="on premises")[0] == 201
    pid = property_of(machine, "MainPID")
    assert machine.ok("ps", "-o", "user=", "-p", pid).strip() == "notes"
    assert machine.ok("stat", "--format", "%U %a", "/opt/notes/etc/database.json").strip() == "notes 600"
    assert machine.ok("stat", "--format", "%U %a", "/opt/notes/current/product").strip() == "root 755"
    assert machine.ok("sh", "-c", "find /var/lib/notes/files -type f | wc -l").strip() == str(len(FILES) + 1)
    assert property_of(machine, "UnitFileState") == "enabled"

    machine.ok("sh", "/srv/tenant/install.sh", *words(site))
    assert property_of(machine, "MainPID") == pid, "what didn't change isn't restarted"
    machine.ok("kill", "-9", pid)
    wait_for(lambda: property_of(machine, "MainPID") not in (pid, "0"), "it is started again")
    wait_for(lambda: _answers(served), "it serves again")
    assert len(served.notes()) == len(NOTES) + 1
    machine.ok("systemctl", "stop", "notes.service")
    assert property_of(machine, "Result") == "success", "SIGTERM ends it in time"


def test_an_upgrade_stops_migrates_and_starts(machine: Machine, site: Site) -> None:
    machine.ok("sh", "/srv/bundles/1.0.0/install.sh", *words(site))
    served = Served(None, site.port, Path())  # type: ignore[arg-type]
    served.post(body="kept")
    said = machine.ok("sh", "/srv/bundles/1.1.0/install.sh", "--python", "/srv/python/bin/python3")
    assert "schema_version=2" in said
    assert served.health()[1]["release"] == "1.1.0"
    assert [n["body"] for n in served.notes()] == ["kept"]


def test_killed_before_the_new_settings_are_used_they_are_used_by_the_next_run(machine: Machine, site: Site) -> None:
    machine.ok("sh", "/srv/tenant/install.sh", *words(site))
    shim(site.home / "shim", "/usr/bin:/bin", "systemctl restart *", after=False)
    port, again = free_port(), ["sh", "/srv/tenant/install.sh", "--python", "/srv/python/bin/python3"]
    killing = 'PATH=/srv/site/shim:$PATH exec "$@"'
    killed = machine.run("sh", "-c", killing, "sh", *again, "--listen", f"127.0.0.1:{port}")
    assert killed.returncode == -9
    assert Served(None, site.port, Path()).health()[0] == 200, "the old address still"  # type: ignore[arg-type]
    machine.ok(*again)
    assert len(Served(None, port, Path()).notes()) == len(NOTES)  # type: ignore[arg-type]


def test_an_ordinary_user_installs_without_systemd(machine: Machine, site: Site) -> None:
    machine.ok("sh", "-c", "cp -R /srv/tenant /tmp/bundle && cp /srv/site/password /tmp/password")
    machine.ok("chown", "-R", "nobody", "/tmp/bundle", "/tmp/password")
    as_nobody = ["runuser", "-u", "nobody", "--", "sh", "/tmp/bundle/install.sh", *words(site)]
    as_nobody[as_nobody.index("/srv/site/password")] = "/tmp/password"
    assert "a unit can be installed by root only" in machine.run(*as_nobody).stderr
    machine.ok(*as_nobody, "--prefix", "/tmp/notes", "--no-systemd")
    machine.ok("sh", "-c", "runuser -u nobody -- /tmp/notes/bin/serve > /dev/null 2>&1 &")
    served = Served(None, site.port, Path())  # type: ignore[arg-type]
    wait_for(lambda: _answers(served), "it serves")
    assert len(served.notes()) == len(NOTES)


def test_what_the_unit_could_not_use_is_refused(machine: Machine, site: Site) -> None:
    machine.ok("mkdir", "-p", "/home/x")
    done = machine.run(
        "sh", "/srv/tenant/install.sh", *words(site), "--prefix", "/home/x/notes", "--listen", "0.0.0.0:80"
    )
    assert done.returncode == 6
    assert "/home/x/notes: the unit can't see what lies in a home" in done.stderr
    assert "the unit has no right to port 80" in done.stderr
    assert machine.run("id", "notes").returncode != 0


def _answers(served: Served) -> bool:
    try:
        return served.health()[0] == 200
    except OSError:
        return False
