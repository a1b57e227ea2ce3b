"""A goodbye killed with -9 around and inside every step, from the last recovery point to the certificate."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.faults.recovery.life import ledger, make, of_drills, points, snapshots, unfinished, walk
from tests.forks import Forked
from tests.installation import only_exhaustive

pytestmark = [pytest.mark.sandbox, pytest.mark.faults, pytest.mark.timeout(600)]

PROOF = ("mark", "snapshot", "copy", "restore", "verify", "probe", "clear", "proof")
OFFBOARD = (*PROOF, "dump", "fetch", "tidy", "stop", "rest")
RETIRE = ("unprotect", "destroy", "forget", "sweep", "certify")
DATABASE = "aws:rds/instance:Instance database started"
INSIDE = {
    "restore": (f"create {DATABASE}",),
    "clear": (f"delete {DATABASE}",),
    "dump": ("export runs on",),
    "stop": ("acme stop started",),
    "unprotect": ("acme unprotect started",),
    "destroy": (f"delete {DATABASE}", "delete aws:ec2/vpc:Vpc vpc started"),
}


@only_exhaustive
def test_killed_around_and_inside_every_step(installation: Forked, tmp_path: Path) -> None:
    make(installation, "acme", "one", "two")
    installation.ok("backup", "create", "acme")
    words = ("offboard", "acme", "--now", "--confirm", "acme", "--export", str(tmp_path / "export"))
    done = walk(installation, words, OFFBOARD + RETIRE, INSIDE)
    assert done.code == 0, done.stderr

    census = installation.census("acme")
    assert census == {**dict.fromkeys(census, 0), "keys": 1}, "the key of the last recovery point"
    assert of_drills(installation) == []
    assert unfinished(installation, "acme") == []
    assert "\n  acme:" not in installation.registry.read_text()
    [final] = points(installation, "acme")
    assert snapshots(installation, "acme") == [final]
    assert installation.show("acme")["state"] == "retired"

    certificate = installation.ok("certificate", "acme", "-o", "json").json
    assert certificate["left"] == 0
    assert certificate["kept"][0]["what"].endswith(final)
    known = ledger(installation)
    assert len(known.evidence(tenant="acme", kind="retirement")) == 1, "certified once"
    [proof] = known.evidence(tenant="acme", kind="drill")
    assert (proof.number, proof.body["verdict"]) == (certificate["proof"]["evidence"], "passed")
    installation.ok("operations", "journal", "--verify")
    exported(tmp_path / "export", certificate)

    again = installation.run(*words)
    assert again.code == 2
    assert "retired already" in again.stderr


def exported(folder: Path, certificate: dict[str, dict[str, str]]) -> None:
    """It came whole, and nothing else lies there."""
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == [
        "README.md",
        "SHA256SUMS",
        "database.dump",
        "manifest.json",
    ]
    assert json.loads((folder / "manifest.json").read_text())["tenant"] == "acme"
    assert certificate["export"]["folder"] == str(folder)
