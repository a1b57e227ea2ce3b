"""A machine without internet and without what the release needs of Python: the bundle's wheels give it."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from provisioner.ops.bundle import build
from tests.sandbox.bundle.conftest import Site

_MIGRATE = """#!/usr/bin/env python3
import sys, tinydep
print(f"tinydep {tinydep.VERSION} of {sys.prefix}")
"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release that needs a module which this machine doesn't have."""
    folder = tmp_path / "release"
    (folder / "bin").mkdir(parents=True)
    about = {"product": "tiny", "version": "2.0", "schema_version": 1, "python": {"tinydep": "tinydep==3"}}
    (folder / "release.json").write_text(json.dumps(about))
    for name in ("serve", "migrate"):
        (folder / "bin" / name).write_text(_MIGRATE)
        (folder / "bin" / name).chmod(0o755)
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with the wheel."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    about = "tinydep-3.dist-info"
    with zipfile.ZipFile(folder / "tinydep-3-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinydep.py", "VERSION = 3\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tinydep\nVersion: 3\n")
        wheel.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{about}/RECORD", "")
    return folder


def test_wheels_of_the_bundle_are_installed_for_the_release_alone(site: Site, release: Path, wheels: Path) -> None:
    bundle = build(release, site.home / "bundle", wheels=wheels).path
    said = site.installed(bundle)
    assert "tinydep 3 of " in said
    assert str(site.prefix / "releases/2.0-") in said
    before = site.tree()
    site.installed(bundle)
    assert {n: about for n, about in site.tree().items() if "__pycache__" not in n} == {
        n: about for n, about in before.items() if "__pycache__" not in n
    }


def test_wheels_that_were_put_into_the_bundle_later(site: Site, release: Path, wheels: Path) -> None:
    bundle = build(release, site.home / "bundle").path
    assert "can't import tinydep, and the bundle has no wheels" in site.install(bundle).stderr
    shutil.copytree(wheels, bundle / "wheels")
    assert "tinydep 3 of " in site.installed(bundle)


def test_wheels_that_do_not_fit_change_nothing(site: Site, release: Path, wheels: Path) -> None:
    (wheels / "tinydep-3-py3-none-any.whl").rename(wheels / "tinydep-3-cp27-none-win32.whl")
    bundle = build(release, site.home / "bundle", wheels=wheels).path
    failed = site.install(bundle)
    assert failed.returncode == 1
    assert "the wheels can't be installed; nothing was changed" in failed.stderr
    assert not (site.prefix / "current").exists()
    assert not site.database.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'provision'")


def test_the_python_that_was_looked_at_is_the_one_that_runs(site: Site, release: Path, wheels: Path) -> None:
    """Without wheels the product runs with what install.sh was told, whatever PATH has."""
    other = site.home / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    (site_packages,) = other.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheels / "tinydep-3-py3-none-any.whl") as wheel:
        wheel.extractall(site_packages)
    bundle = build(release, site.home / "bundle").path
    said = site.installed(bundle, "--python", str(other / "bin/python3"))
    assert f"tinydep 3 of {other}\n" in said
