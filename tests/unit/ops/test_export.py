"""Exports: what is whole, where it goes, and what an end on the way leaves."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.errors import ProvisionError, UsageError
from provisioner.model.json import JsonDict
from provisioner.ops.export import Export, export
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import made, quiet

DUMP = "provision-export/database.dump"


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    house.fake_cloud.objects["a/b.txt"] = b"b"
    return house


def exported(house: FakeHouse, folder: Path) -> list[str]:
    """Export acme; the files that are there then."""
    export(house, "acme", folder, quiet)
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def dumps(house: FakeHouse) -> int:
    return sum(c.startswith("provision export") for c in house.fake_cloud.calls)


WHOLE = ["README.md", "SHA256SUMS", "database.dump", "files/a/b.txt", "manifest.json"]


def test_it_is_whole_and_nothing_stays_in_the_bucket(acme: FakeHouse, tmp_path: Path) -> None:
    assert exported(acme, tmp_path / "x") == WHOLE
    assert set(acme.fake_cloud.objects) == {"a/b.txt"}
    described: Any = json.loads((tmp_path / "x/manifest.json").read_text())
    assert [f["path"] for f in described["files"]] == ["files/a/b.txt"]


def cut_off(house: FakeHouse, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that ended when all had arrived, and before that was on record."""
    whole = Export._fetch

    def dies(self: Export, ctx: Any, place: Path) -> JsonDict:
        whole(self, ctx, place)
        raise ProvisionError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Export, "_fetch", dies)
        with pytest.raises(ProvisionError, match="killed"):
            export(house, "acme", folder, quiet)


@pytest.mark.parametrize("again", [True, False], ids=["dumped again", "fetched again"])
def test_a_folder_that_was_lost_before_the_record(
    acme: FakeHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    cut_off(acme, tmp_path / "x", monkeypatch)
    shutil.rmtree(tmp_path / "x")
    if again:
        del acme.fake_cloud.objects[DUMP]
        told = acme.fake_cloud.run_command

        def run_command(machine_id: str, script: str, *, comment: str, timeout: float) -> Any:
            if comment.startswith("provision export"):
                acme.fake_cloud.objects[DUMP] = b"dump"
            return told(machine_id, script, comment=comment, timeout=timeout)

        monkeypatch.setattr(acme.fake_cloud, "run_command", run_command)
    assert exported(acme, tmp_path / "x") == WHOLE
    assert dumps(acme) == 1 + again


def test_what_left_the_bucket_meanwhile_is_not_handed_over(
    acme: FakeHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(acme, tmp_path / "x", monkeypatch)
    del acme.fake_cloud.objects["a/b.txt"]
    acme.fake_cloud.objects["c.txt"] = b"c"
    assert exported(acme, tmp_path / "x") == [w if w != "files/a/b.txt" else "files/c.txt" for w in WHOLE]


def test_without_room_nothing_is_lost_and_the_same_command_goes_on(acme: FakeHouse, tmp_path: Path) -> None:
    acme.fake_cloud.full = True
    with pytest.raises(ProvisionError, match="No space left on device; nothing is lost") as refused:
        export(acme, "acme", tmp_path / "x", quiet)
    assert refused.value.hint == "make room there, then the same command again"
    assert DUMP in acme.fake_cloud.objects
    acme.fake_cloud.full = False
    assert exported(acme, tmp_path / "x") == WHOLE
    assert dumps(acme) == 1


@pytest.mark.parametrize("folder", ["/proc/foo", "/dev/null/foo", "/dev/null"])
def test_where_nothing_can_be_written_nothing_begins(acme: FakeHouse, folder: str) -> None:
    calls = list(acme.fake_cloud.calls)
    with pytest.raises(UsageError, match=folder):
        export(acme, "acme", Path(folder), quiet)
    assert acme.fake_cloud.calls == calls
    assert acme.ledger.operations(tenant="acme", kinds=("export",)) == []


def test_what_is_somebody_else_s_stays(acme: FakeHouse, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/mine").write_text("mine")
    for mark in (None, "beta"):
        if mark:
            (tmp_path / ".unfinished").write_text(mark)
        with pytest.raises(UsageError, match="not empty"):
            export(acme, "acme", tmp_path, quiet)
    assert (tmp_path / "files/mine").read_text() == "mine"
