"""`provision export-bundle`: the words are checked before anything is exported; a killed export is gone on with."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from provisioner.cli import bundle as cli
from provisioner.cli.framework import Session
from provisioner.model.errors import RefusedError, UnsupportedError, UsageError
from provisioner.model.tenant import Release
from provisioner.ops import export as exporting
from provisioner.ops.bundle import bundle_of_release, bundle_of_tenant
from tests.unit.notes.conftest import RELEASES


class House:
    """As much of a house as bundles need: a registry with releases, a ledger with tenants and operations."""

    def __init__(self) -> None:
        images = {version: {"sandbox": str(RELEASES / version)} for version in ("1.0.0", "1.1.0")}
        images |= {"2.0.0": {"eu-west-1": "ami-1"}, "3.0.0": images["1.1.0"]}
        self.releases = {v: Release(v, i, 2, "online", "code-only") for v, i in images.items()}
        self.assigned: dict[str, str | None] = {"acme": "1.1.0", "new": None, "image": "2.0.0", "old": "1.0.0"}
        self.unfinished: list[Any] = []
        self.ledger = self

    def registry(self) -> Any:
        return SimpleNamespace(load=lambda: SimpleNamespace(release=self.releases.__getitem__, tenant=self._registered))

    def tenant(self, tenant_id: str) -> Any:
        known = tenant_id in self.assigned
        return SimpleNamespace(assigned_release=self.assigned[tenant_id]) if known else None

    def operations(self, **_: Any) -> list[Any]:
        return self.unfinished

    def check_named(self, _tenant_ids: Any) -> None:
        """All of its tenants are in its ledger."""

    def _registered(self, tenant_id: str) -> None:
        if tenant_id not in self.assigned:
            raise UsageError(f"there is no tenant {tenant_id}")


@pytest.fixture
def house() -> Any:
    return House()


@pytest.fixture
def exports(data: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that were exported into; each export is a copy of `data`, of release 1.1.0 with schema 2."""
    done: list[Path] = []

    def export(house: Any, tenant_id: str, folder: Path, progress: Any) -> Any:
        shutil.copytree(data, folder, dirs_exist_ok=True)
        done.append(folder)
        return exporting.Exported(folder, folder / "database.dump", "1.1.0", 2, 4, 1)

    monkeypatch.setattr(exporting, "export", export)
    return done


def silent(_: Any) -> None:
    """No progress."""


def test_a_tenant_is_bundled_with_its_data(house: Any, exports: list[Path], tmp_path: Path) -> None:
    made = bundle_of_tenant(house, "acme", tmp_path / "acme.tgz", silent)
    assert (made.tenant, made.release) == ("acme", "1.1.0")
    assert exports == [tmp_path / ".acme.tgz.export"]
    assert not exports[0].exists(), "the export leaves nothing in the clear"


@pytest.mark.parametrize(
    ("tenant", "error", "message"),
    [
        ("nobody", UsageError, "there is no tenant nobody"),
        ("new", UsageError, "tenant new runs no release yet"),
        ("image", UnsupportedError, "release 2.0.0 has no directory"),
    ],
)
def test_what_can_not_be_bundled_is_not_exported(
    house: Any, exports: list[Path], tmp_path: Path, tenant: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        bundle_of_tenant(house, tenant, tmp_path / "bundle.tgz", silent)
    assert exports == []


def test_a_target_that_is_there_or_nowhere_stops_it_before_the_export(
    house: Any, exports: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "there").touch()
    for target, message in ((tmp_path / "there", "is there already"), (tmp_path / "no" / "where", "is no folder")):
        with pytest.raises(UsageError, match=message):
            bundle_of_tenant(house, "acme", target, silent)
    assert exports == []


def test_an_export_that_was_cut_off_is_gone_on_with_and_an_old_one_is_not_used(
    house: Any, exports: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ".acme.tgz.export"
    folder.mkdir()
    (folder / "half").touch()
    unfinished = SimpleNamespace(kind="export", status="interrupted", payload={"folder": str(folder)})
    house.unfinished = [unfinished]
    seen: list[bool] = []
    original = exporting.export

    def export(*words: Any) -> Any:
        seen.append((folder / "half").exists())
        return original(*words)

    monkeypatch.setattr(exporting, "export", export)
    bundle_of_tenant(house, "acme", tmp_path / "acme.tgz", silent)
    (tmp_path / "acme.tgz").unlink()
    folder.mkdir()
    (folder / "half").touch()
    house.unfinished = []
    bundle_of_tenant(house, "acme", tmp_path / "acme.tgz", silent)
    assert seen == [True, False]


def test_data_of_another_release_is_refused(house: Any, exports: list[Path], tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"was exported as release 1.1.0, schema 2: release 1.0.0 can't be given"):
        bundle_of_tenant(house, "old", tmp_path / "old.tgz", silent)
    assert not (tmp_path / "old.tgz").exists()
    assert not exports[0].exists()


def test_a_release_that_points_to_another(house: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"release 3.0.0 of the registry points to .* which is notes 1.1.0"):
        bundle_of_release(house, "3.0.0", tmp_path / "bundle")


@pytest.fixture
def app(house: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> typer.Typer:
    """The command alone, over the house."""
    app = typer.Typer()
    app.callback()(lambda: None)
    cli.register(app)
    monkeypatch.setattr(Session, "app", property(lambda _: house))
    monkeypatch.setenv("PROVISION_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return app


def test_the_command(app: typer.Typer, exports: list[Path], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export-bundle", "--release", "1.1.0", "--output", "json"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "notes-1.1.0-bundle.tar.gz").is_file()
    row = json.loads(done.stdout)
    assert "notes-1.1.0-bundle.tar.gz" in json.dumps(row)
    done = CliRunner().invoke(app, ["export-bundle", "acme"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "acme-1.1.0-bundle.tar.gz").is_file()
    done = CliRunner().invoke(app, ["export-bundle", "acme", "--to", "folder"])
    assert (tmp_path / "folder" / "install.sh").is_file()
    assert len(exports) == 2


@pytest.mark.parametrize("words", [[], ["acme", "--release", "1.1.0"]])
def test_a_bundle_is_of_one_thing(app: typer.Typer, words: list[str]) -> None:
    done = CliRunner().invoke(app, ["export-bundle", *words])
    assert done.exit_code == 2
    assert "a bundle is of one tenant, or of one release" in done.stderr
