"""What can't be installed is refused before anything is changed, with everything that is wrong and what to do."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.ops.bundle import build, sums
from tests.sandbox.bundle.conftest import NOTES, Site
from tests.unit.notes.conftest import RELEASES, Cluster


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    """A bundle that may be damaged."""
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def refused(site: Site, bundle: Path, *more: str, words: list[str] | None = None, first: tuple[Path, ...] = ()) -> str:
    """Run install.sh, which must refuse and change nothing; its stderr."""
    database = "SELECT nspname FROM pg_namespace ORDER BY 1"
    before = (site.tree(), site.database.execute(database))
    done = site.install(bundle, *more, words=words, first=first)
    assert done.returncode == 6, done.stdout + done.stderr
    assert "do: " in done.stderr
    assert (site.tree(), site.database.execute(database)) == before
    return done.stderr


def program(folder: Path, name: str, script: str) -> Path:
    """A folder with one program, to be put first on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("a bit of the dump", lambda b: flip(b / "data/database.dump"), "data/database.dump: FAILED"),
    ("a bit of a file", lambda b: flip(b / "data/files/logo.png"), "data/files/logo.png: FAILED"),
    ("a bit of the product", lambda b: flip(b / "product/lib/notes/store.py"), "product/lib/notes/store.py: FAILED"),
    ("a file is missing", lambda b: (b / "product/bin/serve").unlink(), "product/bin/serve: FAILED open or read"),
    ("a file too many", lambda b: (b / "product/lib/json.py").touch(), "has files that aren't of this release"),
    ("a link too many", lambda b: (b / "product/lib/x").symlink_to("/etc"), "has files that aren't of this release"),
    ("cut off", lambda b: (b / "SHA256SUMS").unlink(), "it is no whole bundle"),
]


@pytest.mark.parametrize(("damage", "message"), [d[1:] for d in DAMAGE], ids=[d[0] for d in DAMAGE])
def test_a_damaged_bundle(site: Site, copy: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(copy)
    assert message in refused(site, copy)


def test_a_script_that_was_cut_off_does_nothing(site: Site, copy: Path) -> None:
    script = (copy / "install.sh").read_text()
    (copy / "install.sh").write_text(script[: script.rindex("main")])
    assert site.installed(copy) == ""
    assert not site.prefix.exists()


def test_a_database_with_data_of_something_else(site: Site, bundle: Path) -> None:
    site.database.execute("CREATE TABLE public.theirs AS SELECT 42 AS answer")
    said = refused(site, bundle)
    assert "isn't empty, and what it has is none of ours: public.theirs" in said
    assert site.database.execute("SELECT answer FROM public.theirs") == [(42,)]


def test_a_database_that_has_the_schema_already(site: Site, bundle: Path) -> None:
    site.database.execute("CREATE SCHEMA product")
    assert 'do: DROP SCHEMA "product"' in refused(site, bundle)


def test_what_an_extension_made_is_no_data(site: Site, bundle: Path) -> None:
    site.database.superuser("CREATE EXTENSION pg_stat_statements")
    site.installed(bundle)
    assert site.notes() == NOTES


def test_a_database_that_another_product_or_another_export_has(site: Site, bundle: Path, exported: Path) -> None:
    site.installed(bundle)
    other = Path(shutil.copytree(exported, site.home / "other"))
    (other / "database.dump").write_bytes(b"PGDMP another")
    (other / "SHA256SUMS").unlink()
    digests = {str(p.relative_to(other)): _sha256(p) for p in other.rglob("*") if p.is_file()}
    (other / "SHA256SUMS").write_text(sums.lines(digests))
    second = build(RELEASES / "1.1.0", site.home / "second", data=other, tenant="acme").path
    reading = program(site.home / "shim", "pg_restore", "echo '; Dumped from database version: 17.1'")
    assert "has data already, and not this bundle's" in refused(site, second, first=(reading,))
    site.database.execute("UPDATE provision.bundle SET product = 'accounts'")
    assert "belongs to product accounts" in refused(site, bundle)
    assert site.notes() == NOTES


def test_a_database_in_which_a_load_was_begun_takes_no_other_bundle(site: Site, bundle: Path, tmp_path: Path) -> None:
    failing = program(
        tmp_path / "shim", "pg_restore", f"""case $* in *--list*) exec '{_real(site)}' "$@" ;; esac; exit 1"""
    )
    assert site.install(bundle, first=(failing,)).returncode == 1
    alone = build(RELEASES / "1.1.0", tmp_path / "alone").path
    assert "run that bundle's install.sh again first" in refused(site, alone)


def test_an_older_release_on_a_newer_schema(site: Site, bundle: Path, tmp_path: Path) -> None:
    site.installed(bundle)
    older = build(RELEASES / "1.0.0", tmp_path / "older").path
    said = refused(site, older)
    assert "has schema 2 of release 1.1.0; this is release 1.0.0 with schema 1" in said


def test_all_problems_at_once(site: Site, bundle: Path) -> None:
    site.database.superuser(f"ALTER ROLE {site.database.role} SUPERUSER")
    site.database.superuser(f"ALTER DATABASE {site.database.name} OWNER TO postgres")
    bare = site.home / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    (site.home / "opt").touch()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", site.port))
        taken.listen()
        done = site.install(bundle, "--python", str(bare / "bin/python3"))
    assert done.returncode == 6
    for words in (
        "can't import psycopg, and the bundle has no wheels",
        "pip install 'psycopg[binary]>=3.2'",
        "is no folder that",
        f"nothing can listen on 127.0.0.1:{site.port}",
        f"role {site.database.role} is a superuser",
        "problem(s); the database and what runs were not changed",
    ):
        assert words in done.stderr
    site.database.superuser(f"ALTER ROLE {site.database.role} NOSUPERUSER")
    assert f"role {site.database.role} doesn't own database" in site.install(bundle).stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 'pg_restore: error: unsupported version (1.16) in file header' >&2; exit 1", "can't read the dump"),
        ("echo '; Dumped from database version: 99.1'", "the server is PostgreSQL 17, and the data comes from 99"),
    ],
)
def test_postgresql_that_is_too_old(site: Site, bundle: Path, script: str, message: str) -> None:
    assert message in refused(site, bundle, first=(program(site.home / "shim", "pg_restore", script),))


def test_a_password_that_is_wrong_or_missing(site: Site, bundle: Path) -> None:
    site.password_file.write_text("wrong")
    assert "password authentication failed" in refused(site, bundle)
    site.password_file.write_text("\n")
    assert "has no password on one line" in refused(site, bundle)
    site.password_file.unlink()
    assert "the password can't be read" in refused(site, bundle)


def test_a_database_that_is_not_utf8(site: Site, bundle: Path, server: Cluster) -> None:
    server.execute(
        f"CREATE DATABASE {site.database.name}_latin OWNER {site.database.role} ENCODING LATIN1 TEMPLATE template0"
    )
    said = refused(site, bundle, words=[*site.words(), "--dbname", f"{site.database.name}_latin"])
    server.execute(f"DROP DATABASE {site.database.name}_latin")
    assert "has encoding LATIN1" in said


WRONG = [
    (["--frobnicate", "x"], "--frobnicate is no option"),
    (["--prefix"], "--prefix is no option, or it needs a value"),
    (["--listen", "8080"], "is no ADDRESS:PORT"),
    (["--port", "five"], "need numbers"),
    (["--prefix", "/opt/with space"], "only letters, digits and"),
    (["--user", 'x"; DROP TABLE'], "only letters, digits and"),
    (["--database-url", "postgresql://u:secret@h/db"], "a password in a URL is seen by all users"),
    (["--database-url", "postgresql://u@h/db?password=secret"], "a password in a URL is seen by all users"),
    (["--database-url", "mysql://u@h/db"], "what is wanted: postgresql://"),
    (["--tenant", "beta"], "this bundle has the data of acme"),
]


@pytest.mark.parametrize(("words", "message"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_wrong_words(site: Site, bundle: Path, words: list[str], message: str) -> None:
    done = site.install(bundle, words=["--no-systemd", *words])
    assert done.returncode == 2
    assert message in done.stderr
    assert "secret@" not in done.stderr
    assert not site.prefix.exists()


def test_help(site: Site, bundle: Path) -> None:
    assert "--password-file FILE" in site.installed(bundle, words=["--help"])


def _real(site: Site) -> Path:
    return site.database.cluster.binaries / "pg_restore"


def _sha256(path: Path) -> str:
    return (
        subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0].lstrip("\\")
    )
