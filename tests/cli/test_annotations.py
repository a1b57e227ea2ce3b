"""Problems of the registry where GitHub Actions shows them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from provisioner.cli.annotations import annotation
from provisioner.cli.main import app
from provisioner.registry.problems import Problem
from tests.cli.rollouts import REGISTRY


def test_text_and_properties_are_escaped_each_in_its_way() -> None:
    problem = Problem("a,b:c%.yaml", 3, 7, "tenants/acme/ring", "100% wrong,\nreally: so", "mend it")
    assert annotation(problem, None) == (
        "::error file=a%2Cb%3Ac%25.yaml,line=3,col=7::tenants/acme/ring: 100%25 wrong,%0Areally: so (mend it)"
    )


def test_a_file_is_named_from_the_workspace_on_where_it_is_in_it(tmp_path: Path) -> None:
    inside = Problem(str(tmp_path / "ops" / "tenants.yaml"), 1, 1, "", "no")
    assert annotation(inside, str(tmp_path)) == "::error file=ops/tenants.yaml,line=1,col=1::no"
    assert annotation(inside, str(tmp_path / "elsewhere")).startswith(f"::error file={tmp_path}/ops")
    assert annotation("something else", None) == "::error::something else"


@pytest.mark.parametrize("there", [True, False])
def test_all_problems_are_annotated_in_a_run_of_actions_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(REGISTRY.replace("    ring: 1\n", "    ring: 7\n").replace("    ring: 2\n", "    rign: 2\n"))
    monkeypatch.setenv("PROVISION_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    if there:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
    answer = CliRunner().invoke(app, ["registry", "validate", "--registry", str(path)])
    assert answer.exit_code == 2
    assert answer.stdout == ""
    found = [line for line in answer.stderr.splitlines() if line.startswith("::error ")]
    assert len(found) == (2 if there else 0)
    assert all(line.startswith("::error file=tenants.yaml,line=") for line in found)
