"""The control API: images, zones, status; and nothing without the token."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from provisioner.model.errors import SandboxError
from tests.sandbox.conftest import Sandbox


@pytest.fixture
def release(tmp_path: Path) -> Path:
    directory = tmp_path / "1.0.0"
    directory.mkdir()
    (directory / "release.json").write_text(json.dumps({"product": "notes", "version": "1.0.0", "schema_version": 1}))
    return directory


def test_an_image_is_the_same_ami_in_every_region_and_after_a_restart(sandbox: Sandbox, release: Path) -> None:
    image_id = sandbox.control.register_image(release)
    assert image_id.startswith("ami-")
    assert len(image_id) == 4 + 17
    assert sandbox.control.register_image(release) == image_id
    for region in ("eu-west-1", "us-east-1", "ap-northeast-1"):
        image = sandbox.client("ec2", region).describe_images(ImageIds=[image_id])["Images"][0]
        assert (image["Name"], image["State"], image["OwnerId"]) == ("notes-1.0.0", "available", "123456789012")
    assert len(sandbox.client("ec2").describe_images(Owners=["self"])["Images"]) == 1, "and none of Amazon's"
    sandbox.kill()
    sandbox.start()
    assert sandbox.control.register_image(release) == image_id
    assert sandbox.client("ec2").describe_images(ImageIds=[image_id])["Images"][0]["ImageId"] == image_id
    assert sandbox.control.status()["images"] == [
        {"id": image_id, "product": "notes", "version": "1.0.0", "directory": str(release)}
    ]


def test_what_is_no_image_is_refused_by_path(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="is no machine image") as problem:
        sandbox.control.register_image(tmp_path)
    assert str(tmp_path) in str(problem.value)
    assert problem.value.hint == "see docs/product-contract.md"


def test_a_zone_is_made_once(sandbox: Sandbox) -> None:
    zone = sandbox.control.ensure_zone("sandbox.test")
    assert sandbox.control.ensure_zone("sandbox.test.") == zone
    zones = sandbox.client("route53").list_hosted_zones_by_name(DNSName="sandbox.test.")["HostedZones"]
    assert [z["Id"].rpartition("/")[2] for z in zones] == [zone]


def test_status_tells_what_holds_and_no_secret(sandbox: Sandbox) -> None:
    sandbox.client("ssm").put_parameter(Name="s", Value="very-hidden", Type="SecureString")
    status = sandbox.control.status()
    assert status["pid"] == sandbox.info.pid
    assert "security groups between tenants are not enforced" in status["not_enforced"]  # type: ignore[operator]
    assert status["state_bytes"] > 1000  # type: ignore[operator]
    token = json.loads((sandbox.home / "daemon.json").read_text())["token"]
    assert token not in json.dumps(status)
    assert "very-hidden" not in json.dumps(status) + sandbox.control.logs(1000)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_the_token_nothing_is_told_or_done(sandbox: Sandbox, method: str) -> None:
    path = "status" if method == "GET" else "stop"
    for headers in ({}, {"X-Sandbox-Token": "guess"}):
        request = urllib.request.Request(f"{sandbox.info.endpoint_url}/_sbx/{path}", method=method, headers=headers)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(request)
    assert sandbox.control.running() is not None
