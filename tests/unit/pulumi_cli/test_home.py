"""Where the user's PULUMI_HOME is, `provision` finds and installs; so runs look there too."""

from pathlib import Path

import pytest

from provisioner.app import App
from provisioner.model.errors import EngineError
from provisioner.model.tenant import CloudKind, Target
from provisioner.settings import Settings
from tests.unit.pulumi_cli import fake

AWS = Target("production", CloudKind.AWS, ("eu-west-1",), "example.com", state="file:///s", secrets="awskms://k")
TELL = "print('home', os.environ.get('PULUMI_HOME'), file=sys.stderr); sys.exit(9)"


@pytest.mark.parametrize("chosen", [True, False])
def test_a_run_on_aws_gets_the_home_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: bool
) -> None:
    home = tmp_path / ("pulumi" if chosen else "cli")
    fake.cli(home, TELL)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    if chosen:
        monkeypatch.setenv("PULUMI_HOME", "pulumi")  # its runs have another working folder
    else:
        monkeypatch.delenv("PULUMI_HOME", raising=False)
    app = App(Settings(home=tmp_path, registry=tmp_path / "tenants.yaml"))
    with pytest.raises(EngineError, match=f"home {home if chosen else None}$"):
        app.reach_state(AWS)
