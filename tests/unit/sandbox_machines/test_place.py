"""A machine's folder: first boot once, the console bounded, nobody led out of it."""

import os
from pathlib import Path

import pytest

from provisioner.sandbox.machines import place as place_module
from provisioner.sandbox.machines.place import Place
from provisioner.sandbox.machines.userdata import File, UserData


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path / "i-1", os.geteuid())
    made.prepare()
    return made


def test_first_boot_writes_and_remembers(place: Place) -> None:
    assert not place.booted()
    files = (
        File("/etc/provision/product.env", b"A=1\n", 0o640, append=False),
        File("/etc/provision/product.env", b"B=2\n", 0o640, append=True),
        File("/etc/provision/product.env/impossible", b"", 0o644, append=False),
    )
    place.first_boot(UserData(files, ("a thing",)))
    assert place.booted()
    assert place.product_env() == {"A": "1", "B": "2"}
    assert place.refused()[0] == "a thing"
    assert "impossible" in place.refused()[1]
    assert "[sandbox] not supported by the sandbox: a thing\n" in place.console()
    assert (place.root / "etc/provision/product.env").stat().st_mode & 0o777 == 0o640


def test_a_first_boot_that_was_cut_short_begins_anew(place: Place) -> None:
    data = UserData((File("/log", b"line\n", 0o644, append=True),))
    place.first_boot(data)
    (place.folder / "first-boot.json").unlink()
    place.first_boot(data)
    assert (place.root / "log").read_text() == "line\n"


def test_own_folders_are_closed_and_the_rest_can_be_passed(place: Place) -> None:
    assert {p.stat().st_mode & 0o777 for p in place.own} == {0o700}
    assert place.folder.stat().st_mode & 0o777 == 0o711


def test_product_env_behind_a_link_is_not_read(place: Place, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("KEY=of-somebody-else\n")
    (place.root / "etc").mkdir()
    (place.root / "etc/provision").symlink_to(tmp_path)
    (tmp_path / "product.env").write_text("KEY=of-somebody-else\n")
    assert place.product_env() == {}


def test_a_long_console_is_cut_to_its_end(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place_module, "_LOG_LIMIT", 1000)
    monkeypatch.setattr(place_module, "_LOG_KEEP", 100)
    with place.log.open("ab") as product:  # as the product has it: opened once, appending
        product.write(b"x" * 1500 + b"end\n")
        product.flush()
        place.trim_log()
        product.write(b"more\n")
    assert place.console().startswith("[sandbox] earlier output was cut\nxxx")
    assert place.console().endswith("end\nmore\n")
    assert len(place.console()) < 200


def test_removing_twice_is_fine(place: Place) -> None:
    place.remove()
    place.remove()
    assert not place.folder.exists()
    assert place.console() == ""
