"""What the house writes into a bundle can be read by what reads it."""

import configparser
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from provisioner.ops.bundle import build


@pytest.fixture(params=["with data", "alone", "with wheels"])
def root(request: pytest.FixtureRequest, release: Path, data: Path, tmp_path: Path) -> Path:
    """Bundles of all shapes, as folders."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "psycopg-3.2-py3-none-any.whl").write_bytes(b"PK")
    shapes: dict[str, dict[str, Any]] = {
        "with data": {"data": data, "tenant": "acme"},
        "alone": {},
        "with wheels": {"wheels": wheels},
    }
    return build(release, tmp_path / "bundle", **shapes[request.param]).path


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_scripts_can_be_parsed(root: Path, shell: str) -> None:
    for script in ("install.sh", "compose/secrets.sh"):
        assert subprocess.run([shell, "-n", root / script], capture_output=True, check=True).stderr == b""
    assert subprocess.run(["bash", "-n", root / "compose/database.sh"], capture_output=True, check=True).stderr == b""


def test_nothing_of_a_template_is_left(root: Path) -> None:
    ours = {p.relative_to(root): p for p in root.rglob("*") if p.is_file()}
    for name, path in ours.items():
        if name.parts[0] not in ("product", "data", "wheels"):
            text = path.read_text()
            assert "{{" not in text, name
            assert "{%" not in text, name
            assert [n for n, line in enumerate(text.splitlines(), 1) if line != line.rstrip()] == [], name
            assert text.endswith("\n"), name
            assert not text.endswith("\n\n"), name


def test_the_unit(root: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(root / "systemd/notes.service")
    service = dict(unit["Service"])
    assert service["User"] == "notes"
    assert service["ExecStart"] == "/opt/notes/current/product/bin/serve"
    assert service["EnvironmentFile"] == "/opt/notes/etc/product.env"
    assert {service[k] for k in ("NoNewPrivileges", "PrivateTmp", "ProtectHome", "RestrictNamespaces")} == {"yes"}
    assert (service["ProtectSystem"], service["StateDirectory"], service["Restart"]) == ("strict", "notes", "always")
    assert int(service["TimeoutStopSec"]) > 30, "the contract gives the product 30 seconds"


def test_the_settings_are_those_of_the_contract(root: Path) -> None:
    contract = Path(__file__).parents[3].joinpath("docs/product-contract.md").read_text()
    keys = [line.split("=")[0] for line in (root / "config/product.env").read_text().splitlines()]
    assert len(set(keys)) == len(keys) == 16
    assert [key for key in keys if f"`{key}`" not in contract] == []


def test_compose_has_the_shape_that_docker_wants(root: Path) -> None:
    with_data = (root / "data").exists()
    compose = YAML(typ="safe").load(root / "compose.yaml")
    assert compose.keys() == {"name", "services", "secrets", "volumes"}
    assert compose["services"].keys() == {"database", "product"}
    for service in compose["services"].values():
        assert set(service["secrets"]) <= compose["secrets"].keys()
        named = [v.split(":")[0] for v in service["volumes"]]
        assert {n for n in named if not n.startswith("./")} <= compose["volumes"].keys()
        # What is mounted is in the bundle: Docker would make a folder of what isn't there.
        assert [n for n in named if n.startswith("./") and not (root / n).is_file()] == []
    assert any("database.dump" in v for v in compose["services"]["database"]["volumes"]) == with_data
    product = compose["services"]["product"]
    env = {line.split("=")[0] for line in (root / product["env_file"]).read_text().splitlines()}
    assert product["environment"].keys() - env == {"STATE_DIR", "PYTHONDONTWRITEBYTECODE"}
    assert all(isinstance(value, str) for value in product["environment"].values())
    build_ = product["build"]["dockerfile_inline"].splitlines()
    assert build_[0].startswith("FROM python:3.")
    words = {line.split()[0] for line in build_ if line}
    assert words == {"FROM", "RUN", "COPY", "USER"}
    sources = [line.split()[-2] for line in build_ if line.startswith("COPY")]
    assert [s for s in sources if not (root / s).is_dir()] == []
    assert ("COPY wheels /wheels" in build_) == (root / "wheels").exists()
