"""A bundle is installed on a machine with a real PostgreSQL, and the tenant's data is found through the product."""

import json
from pathlib import Path

import pytest

from provisioner.ops.bundle import build
from tests.sandbox.bundle.conftest import FILES, NOTES, PASSWORD, Site
from tests.unit.notes.conftest import RELEASES


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bundles of both releases alone, as folders."""
    folder = tmp_path_factory.mktemp("plain")
    return {version: build(RELEASES / version, folder / version).path for version in ("1.0.0", "1.1.0")}


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_installed_it_serves_the_tenants_data(site: Site, bundle: Path, shell: str) -> None:
    said = site.installed(bundle, shell=shell)
    assert f"{site.prefix}/bin/serve" in said
    served = site.serve()
    assert served.health()[1] == {
        "status": "ok",
        "tenant": "acme",
        "release": "1.1.0",
        "schema_version": 2,
        "purpose": "production",
        "detail": None,
    }
    assert [n["body"] for n in served.notes()] == NOTES[::-1]
    assert "Notes of acme" in served.ask("/")[1]
    assert served.post(body="on premises")[0] == 201
    assert site.files() == FILES


def test_installed_again_nothing_changes_and_nothing_is_loaded_twice(site: Site, bundle: Path) -> None:
    site.installed(bundle)
    served = site.serve()
    served.post(body="on premises")
    (site.prefix / "state/files/logo.png").write_bytes(b"a newer logo")
    before, marker = site.tree(), site.database.execute("SELECT * FROM provision.bundle")
    site.installed(bundle)
    assert site.tree() == before
    assert site.database.execute("SELECT * FROM provision.bundle") == marker
    assert site.notes() == [*NOTES, "on premises"]
    assert served.post(body="it went on")[0] == 201


def test_what_is_not_said_stays(site: Site, bundle: Path) -> None:
    site.installed(bundle)
    before = site.tree()
    site.installed(bundle, words=["--prefix", str(site.prefix), "--no-systemd"])
    assert site.tree() == before
    site.installed(bundle, words=["--prefix", str(site.prefix), "--no-systemd", "--listen", "127.0.0.2:8181"])
    env = (site.prefix / "etc/product.env").read_text()
    assert "LISTEN_ADDRESS=127.0.0.2\nLISTEN_PORT=8181\n" in env
    assert f"DATABASE_USER={site.database.role}\n" in env


def test_the_database_may_be_said_as_a_url(site: Site, bundle: Path) -> None:
    database = site.database
    url = f"postgresql://{database.role}@127.0.0.1:{database.cluster.port}/{database.name}?sslmode=disable"
    words = ["--prefix", str(site.prefix), "--no-systemd", "--database-url", url]
    site.installed(bundle, words=[*words, "--password-file", "password"])
    assert "PGSSLMODE=disable\n" in (site.prefix / "etc/product.env").read_text()
    assert site.notes() == NOTES


def test_the_password_is_in_closed_files_only(site: Site, bundle: Path) -> None:
    said = site.installed(bundle)
    assert json.loads((site.prefix / "etc/database.json").read_text()) == {
        "username": site.database.role,
        "password": PASSWORD,
    }
    site.serve()
    secret = PASSWORD.replace("\\", "").encode()[-12:]
    assert secret in (site.prefix / "etc/database.json").read_bytes()
    having = {p for p in site.prefix.rglob("*") if p.is_file() and secret in p.read_bytes()}
    assert {str(p.relative_to(site.prefix)) for p in having} == {"etc/database.json", "state/pgpass"}
    assert {p.stat().st_mode & 0o777 for p in having} == {0o600}
    assert secret.decode() not in said
    assert not list((site.home / "tmp").iterdir())
    assert (site.prefix / "state").stat().st_mode & 0o777 == 0o700


def test_check_says_so_and_changes_nothing(site: Site, bundle: Path) -> None:
    assert "can be installed" in site.installed(bundle, "--check")
    assert not site.prefix.exists()
    assert not site.database.execute("SELECT 1 FROM pg_namespace WHERE nspname IN ('provision', 'product')")


def test_a_release_alone_begins_empty_and_is_upgraded_by_the_next_bundle(site: Site, plain: dict[str, Path]) -> None:
    site.installed(plain["1.0.0"])
    served = site.serve()
    assert served.health()[1]["tenant"] == "notes"
    served.post(body="kept through the upgrade")
    first = (site.prefix / "current").readlink()
    assert "schema_version=2" in site.installed(plain["1.1.0"], words=["--prefix", str(site.prefix), "--no-systemd"])
    assert served.post(body="the old release still serves")[0] == 201
    served.process.terminate()
    served.process.wait(30)
    served = site.serve()
    assert served.health()[1]["release"] == "1.1.0"
    assert [n["body"] for n in served.notes()] == ["the old release still serves", "kept through the upgrade"]
    assert (site.prefix / first).is_dir()
    current = (site.prefix / "current").readlink()
    assert current.name.startswith("1.1.0-")


def test_a_tenants_installation_takes_the_bundle_of_a_release_alone(
    site: Site, bundle: Path, plain: dict[str, Path]
) -> None:
    site.installed(bundle)
    site.installed(plain["1.1.0"])
    assert site.serve().health()[1]["tenant"] == "acme"
    assert site.notes() == NOTES


def test_a_new_password_takes_the_old_ones_place(site: Site, bundle: Path) -> None:
    site.installed(bundle)
    site.serve()  # it keeps the old one in its state
    site.database.cluster.execute(f"ALTER ROLE {site.database.role} PASSWORD 'another'")
    site.database.password = "another"
    site.password_file.write_text("another\r\n")
    site.installed(bundle)
    site.served[0].process.terminate()
    site.served[0].process.wait(30)
    assert len(site.serve().notes()) == len(NOTES)
