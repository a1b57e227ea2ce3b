"""Killed at any point, the same command goes on: one installation, the data once, nothing left over."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.installation import only_exhaustive, some
from tests.sandbox.bundle.conftest import FILES, NOTES, Site
from tests.sandbox.bundle.shims import hits, shim


def converged(site: Site, bundle: Path) -> None:
    """After the kill: the same command, and all is as if it had never been."""
    site.installed(bundle)
    assert site.notes() == NOTES
    assert site.files() == FILES
    assert site.database.execute("SELECT state FROM provision.bundle") == [("ready",)]
    names = {re.sub(r"-[0-9a-f]{12}", "", name) for name in site.tree()}
    assert not [n for n in names if ".new" in n or n == ".current"]
    assert {n for n in names if n.count("/") < 2 and not n.startswith("state/")} == {
        ".lock",
        "bin",
        "bin/serve",
        "current",
        "etc",
        "etc/database.json",
        "etc/product.env",
        "releases",
        "releases/1.1.0",
        "state",
    }
    before = site.tree()
    site.installed(bundle)
    assert site.tree() == before


STEPS = [
    "mkdir -p *",
    "cp -R */product *",
    "chmod -R *releases/.new",
    "mv *releases/.new *",
    "psql *--set dump=*",
    "mkdir -m 700 *state",
    "mv *product.env",
    "chmod 600 *database.json.new",
    "mv *database.json",
    "mv *bin/serve",
    "pg_restore *--single-transaction*",
    "psql *UPDATE*",
    "cp -R *data/files*",
    "mv *state/files",
    "ln *",
    "mv *current",
]


@pytest.mark.parametrize("step", some(STEPS))
def test_killed_after_a_step_with_all_that_it_started(site: Site, bundle: Path, tmp_path: Path, step: str) -> None:
    killing = shim(tmp_path / "shim", site.environment()["PATH"], step)
    assert site.install(bundle, first=(killing,)).returncode == -9
    assert hits(killing) == 1
    converged(site, bundle)


@only_exhaustive
@pytest.mark.parametrize("step", ["pg_restore *--single-transaction*", "mv *releases/.new *", "mv *current"])
def test_killed_before_a_step(site: Site, bundle: Path, tmp_path: Path, step: str) -> None:
    killing = shim(tmp_path / "shim", site.environment()["PATH"], step, after=False)
    assert site.install(bundle, first=(killing,)).returncode == -9
    converged(site, bundle)


def test_what_a_killed_one_started_ends_before_the_next_begins(site: Site, bundle: Path, tmp_path: Path) -> None:
    """install.sh alone is killed while pg_restore begins: the next waits for its transaction and doesn't load again."""
    slow = shim(tmp_path / "shim", site.environment()["PATH"], "pg_restore *--single-transaction*", whole=False)
    command = ["sh", str(bundle / "install.sh"), *site.words()]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    assert subprocess.Popen(command, env=site.environment(slow), cwd=site.home, **quiet).wait(60) == -9
    assert not site.database.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'product'")
    site.installed(bundle, first=(slow,))
    assert hits(slow) == 1
    converged(site, bundle)


@only_exhaustive
def test_two_at_once_take_turns(site: Site, bundle: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(lambda _: site.install(bundle), range(2)))
    assert [(r.returncode, r.stderr) for r in runs] == [(0, "")] * 2
    assert sum("loading the data" in r.stdout for r in runs) == 1
    converged(site, bundle)


def test_a_load_that_fails_leaves_nothing_and_says_so(site: Site, bundle: Path) -> None:
    site.database.superuser(
        "CREATE FUNCTION full_disk() RETURNS event_trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = 'disk_full'; END $$"
    )
    site.database.superuser(
        "CREATE EVENT TRIGGER full_disk ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION full_disk()"
    )
    failed = site.install(bundle)
    assert failed.returncode == 1
    assert "no space left on device" in failed.stderr
    assert "nothing of it is in database" in failed.stderr
    assert not site.database.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'product'")
    site.database.superuser("DROP EVENT TRIGGER full_disk")
    converged(site, bundle)
