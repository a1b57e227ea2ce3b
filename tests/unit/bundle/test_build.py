"""What a bundle is made of: its layout, its checksums, the same bytes each time, and nothing half."""

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.model.errors import ProvisionError, UnsupportedError, UsageError
from provisioner.model.tenant import Release
from provisioner.ops.bundle import Bundle, build, folder_of, sums
from provisioner.ops.bundle.write import beside
from tests.unit.bundle.conftest import FILES, seal

OWN = {
    "README.md",
    "bundle.json",
    "compose.yaml",
    "compose/database.sh",
    "compose/secrets.sh",
    "config/product.env",
    "install.sh",
    "systemd/notes.service",
}
PROGRAMS = {"install.sh", "compose/database.sh", "compose/secrets.sh", "product/bin/serve", "product/bin/migrate"}


def files(folder: Path) -> dict[str, Path]:
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if not p.is_dir()}


def unpacked(tar: Path, folder: Path) -> Path:
    with tarfile.open(tar) as opened:
        opened.extractall(folder, filter="tar")
    (root,) = folder.iterdir()
    return root


@pytest.mark.parametrize("name", ["bundle", "bundle.tar.gz", "bundle.tgz"])
def test_layout(release: Path, data: Path, tmp_path: Path, name: str) -> None:
    made = build(release, tmp_path / name, data=data, tenant="acme")
    root = made.path if name == "bundle" else unpacked(made.path, tmp_path / "unpacked")
    assert name == "bundle" or root.name == "acme-notes-1.1.0"
    there = files(root)
    product = {f"product/{p}" for p in files(release) if "__pycache__" not in p}
    tenants = {"data/database.dump", "data/manifest.json", *(f"data/files/{name}" for name in FILES)}
    assert there.keys() == {*OWN, *product, *tenants, "SHA256SUMS"}
    assert (made.files, made.tenant, made.product, made.release, made.schema_version) == (
        len(there) - 1,
        "acme",
        "notes",
        "1.1.0",
        2,
    )
    assert made.size == sum(p.stat().st_size for n, p in there.items() if n != "SHA256SUMS")
    modes = {n: p.stat().st_mode & 0o777 for n, p in there.items()}
    assert {n for n, mode in modes.items() if mode == 0o755} == PROGRAMS
    assert {n for n, mode in modes.items() if mode == 0o600} == tenants
    check = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=root, check=False)
    assert check.returncode == 0
    assert sums.parse((root / "SHA256SUMS").read_text()).keys() == there.keys() - {"SHA256SUMS"}


def test_a_release_alone_has_no_data(release: Path, tmp_path: Path) -> None:
    made = build(release, tmp_path / "bundle")
    assert {n for n in files(made.path) if not n.startswith("product/")} == {*OWN, "SHA256SUMS"}
    assert json.loads((made.path / "bundle.json").read_text()) == {
        "format": 1,
        "product": "notes",
        "release": "1.1.0",
        "schema_version": 2,
        "tenant": None,
        "python": {"psycopg": "psycopg[binary]>=3.2"},
        "files": 0,
        "wheels": False,
        "export": None,
    }


def test_the_same_again_is_the_same_bytes(release: Path, data: Path, tmp_path: Path) -> None:
    first = build(release, tmp_path / "first.tar.gz", data=data, tenant="acme")
    moved = [Path(shutil.copytree(f, tmp_path / f"moved-{f.name}")) for f in (release, data)]
    for path in moved[0].rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(path.stat().st_mode & 0o700)
    before = os.umask(0o077)
    try:
        second = build(moved[0], tmp_path / "second.tgz", data=moved[1], tenant="acme")
    finally:
        os.umask(before)
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256
    folder = build(release, tmp_path / "folder", data=data, tenant="acme")
    assert folder.sha256 == first.sha256
    with tarfile.open(first.path) as tar:
        about = {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar.getmembers()}
        names = tar.getnames()
    assert about == {(315532800, 0, 0, "", "")}
    assert names[:-1] == sorted(names[:-1])
    assert names[-1].endswith("/SHA256SUMS")


def test_a_bundle_is_its_makers_alone(release: Path, data: Path, tmp_path: Path) -> None:
    assert build(release, tmp_path / "b.tgz", data=data, tenant="acme").path.stat().st_mode & 0o777 == 0o600
    assert build(release, tmp_path / "b", data=data, tenant="acme").path.stat().st_mode & 0o777 == 0o700


def test_there_is_no_secret_in_what_the_house_writes(release: Path, data: Path, tmp_path: Path) -> None:
    root = build(release, tmp_path / "bundle", data=data, tenant="acme").path
    env = dict(line.split("=", 1) for line in (root / "config/product.env").read_text().splitlines())
    assert env["DATABASE_SECRET"] == "file:///opt/notes/etc/database.json"
    assert not [key for key in env if "PASSWORD" in key or "KEY" in key]
    assert "Environment=PGPASSWORD" not in (root / "systemd/notes.service").read_text()
    assert not list(root.rglob("*database.json*"))


@pytest.mark.parametrize("name", ["bundle", "bundle.tar.gz"])
def test_what_is_there_is_never_replaced(release: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    first = build(release, target)
    inode = target.stat().st_ino
    assert build(release, target) == first, "the same again is no change"
    assert target.stat().st_ino == inode
    (release / "lib/notes/more.py").write_text("x = 1\n")
    with pytest.raises(UsageError, match="is there already, and is something else"):
        build(release, target)
    assert target.stat().st_ino == inode
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_something_else_at_the_target(release: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    build(release, tmp_path / "notes")  # an empty folder may be filled
    (tmp_path / "file").write_text("somebody's")
    (tmp_path / "link.tgz").symlink_to(tmp_path / "file")
    for target in ("file", "link.tgz", "release"):
        with pytest.raises(UsageError, match="is there already"):
            build(release, tmp_path / target)
    with pytest.raises(UsageError, match="is no folder"):
        build(release, tmp_path / "nowhere" / "bundle")
    assert (tmp_path / "file").read_text() == "somebody's"


_KILLED = """
import os, signal, sys
from pathlib import Path
from provisioner.ops.bundle import build, assemble, write

left = int(sys.argv[1])
def dying(real):
    def call(*words):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*words)
    return call

write._Tar.add, write._Folder.add = dying(write._Tar.add), dying(write._Folder.add)
assemble.publish = dying(assemble.publish)
build(Path(sys.argv[2]), Path(sys.argv[3]), data=Path(sys.argv[4]), tenant="acme")
"""


@pytest.mark.parametrize("name", ["bundle", "bundle.tar.gz"])
@pytest.mark.parametrize("step", [1, 9, "the last file", "all but its place"])
def test_killed_it_leaves_no_half_bundle(release: Path, data: Path, tmp_path: Path, name: str, step: int | str) -> None:
    count = build(release, tmp_path / "whole", data=data, tenant="acme").files + 1
    at = {"the last file": count, "all but its place": count + 1}.get(str(step), step)
    home = tmp_path / "there"
    home.mkdir()
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(at), release, home / name, data], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = home.iterdir()
    assert left.name.startswith(f".{name}.partial-")
    build(release, home / name, data=data, tenant="acme")
    assert [p.name for p in home.iterdir()] == [name]


def test_what_a_living_one_writes_stays(release: Path, tmp_path: Path) -> None:
    with beside(tmp_path / "bundle") as work:
        (work / "half").touch()
        build(release, tmp_path / "bundle")
        assert (work / "half").exists()
    assert not work.exists()


DAMAGED: list[tuple[Callable[[Path], object], str]] = [
    (lambda d: (d / "database.dump").write_bytes(b"PGDMP"), "data/database.dump"),
    (lambda d: (d / "files/logo.png").unlink(), "data/files/logo.png"),
    (lambda d: (d / "files/more").touch(), "data/files/more"),
    (lambda d: (d / "SHA256SUMS").unlink(), "is no whole export"),
    (lambda d: (d / "SHA256SUMS").write_text("broken"), "no line of SHA256SUMS"),
]


@pytest.mark.parametrize(("damage", "message"), DAMAGED, ids=[m for _, m in DAMAGED])
def test_an_export_that_is_not_whole(
    release: Path, data: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(data)
    with pytest.raises(ProvisionError, match=message):
        build(release, tmp_path / "bundle.tgz", data=data, tenant="acme")
    assert not list(tmp_path.glob("*bundle*"))


def test_an_export_without_files(release: Path, data: Path, tmp_path: Path) -> None:
    shutil.rmtree(data / "files")
    seal(data)
    assert isinstance(build(release, tmp_path / "bundle", data=data, tenant="acme"), Bundle)


def test_a_release_that_has_only_a_machine_image() -> None:
    release = Release("1.1.0", {"eu-west-1": "ami-0123"}, 2, "online", "code-only")
    with pytest.raises(UnsupportedError, match=r"eu-west-1: ami-0123.*can't be unpacked") as caught:
        folder_of(release)
    assert str(caught.value.hint).startswith("add releases/1.1.0/images/sandbox")


def _said(**more: object) -> Callable[[Path], object]:
    about = {"product": "notes", "version": "1.1.0", "schema_version": 2, **more}
    return lambda r: (r / "release.json").write_text(json.dumps(about))


NO_RELEASE: list[tuple[str, Callable[[Path], object], str]] = [
    ("none", lambda r: (r / "release.json").unlink(), "is no release's directory"),
    ("no serve", lambda r: (r / "bin/serve").unlink(), "it has no bin/serve"),
    ("product", _said(product="notes; rm -rf /"), "can't be used"),
    ("version", _said(version="$(id)"), "can't be used"),
    ("schema", _said(schema_version="two"), "is no release's directory"),
    ("module", _said(python={"os; import x": "x"}), "can't be used"),
    ("requirement", _said(python={"x": "x'; rm"}), "can't be used"),
    ("link", lambda r: (r / "lib/link").symlink_to("/etc"), "can't be in a bundle"),
    ("name", lambda r: (r / "lib/new\nline").touch(), "can't be in a bundle"),
]


@pytest.mark.parametrize(("spoil", "message"), [n[1:] for n in NO_RELEASE], ids=[n[0] for n in NO_RELEASE])
def test_what_is_no_release(release: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(release)
    with pytest.raises(UnsupportedError, match=message) as caught:
        build(release, tmp_path / "bundle")
    assert "docs/product-contract.md" in str(caught.value.hint)


def test_data_and_tenant_go_together(release: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        build(release, tmp_path / "bundle", data=data)


def test_wheels(release: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with pytest.raises(UsageError, match="has no wheels"):
        build(release, tmp_path / "bundle", wheels=wheels)
    (wheels / "psycopg-3.2-py3-none-any.whl").write_bytes(b"PK")
    (wheels / "notes.txt").touch()
    root = build(release, tmp_path / "bundle", wheels=wheels).path
    assert [p.name for p in (root / "wheels").iterdir()] == ["psycopg-3.2-py3-none-any.whl"]


def test_sums_are_as_sha256sum_writes_them(tmp_path: Path) -> None:
    names = ["plain", "with space", "back\\slash", "new\nline", "both\\\nn", "\\n"]
    for name in names:
        (tmp_path / name).write_text(name)
    written = subprocess.run(["sha256sum", "--", *names], cwd=tmp_path, capture_output=True, text=True, check=True)
    parsed = sums.parse(written.stdout)
    assert parsed.keys() == set(names)
    assert sorted(sums.lines(parsed).splitlines()) == sorted(written.stdout.splitlines())


def test_the_tar_is_plain_gzip(release: Path, tmp_path: Path) -> None:
    made = build(release, tmp_path / "bundle.tar.gz")
    with gzip.open(made.path) as opened:
        assert opened.read(10) == b"notes-1.1."
    assert subprocess.run(["tar", "tzf", made.path], capture_output=True, check=True).stderr == b""
