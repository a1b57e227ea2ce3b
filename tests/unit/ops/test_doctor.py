"""`doctor` names each thing that is in the way, with its remedy; `setup` leaves alone what is there."""

from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.model.cloud import Quota
from provisioner.model.errors import EngineError, ExitCode
from provisioner.model.tenant import CloudKind, Target
from provisioner.ops.doctor import Finding, examine, verdict
from provisioner.ops.setup import prepare
from tests.unit.ops.fakes import FakeHouse, FakeTools

AWS = Target(
    "production",
    CloudKind.AWS,
    ("eu-west-1", "us-east-1"),
    "example.com",
    account="123456789012",
    state="s3://state",
    secrets="awskms://alias/provision?region=eu-west-1",
)


@pytest.fixture
def aws(house: FakeHouse) -> FakeHouse:
    house.file.targets = {"sandbox": house.file.default_target, "production": AWS}
    return house


def looked(house: FakeHouse, target: str | None = "production", home: Path = Path("/")) -> dict[str, Finding]:
    return {f.what: f for f in examine(house, home, target)}


def test_a_target_that_can_be_used(aws: FakeHouse) -> None:
    aws.fake_cloud.limits = [Quota("vpcs", "VPCs", "vpc", "L-F678F1CE", 5, 1)]
    findings = looked(aws)
    assert list(findings) == [
        "python",
        "disk",
        "registry",
        "ledger",
        "pulumi CLI",
        "plugin aws",
        "target production",
        "engine and state",
        "secrets' key",
        "clock",
        "permissions",
        "quotas in eu-west-1",
        "quotas in us-east-1",
    ]
    assert all(f.ok for f in findings.values()), findings
    assert verdict(list(findings.values())) is ExitCode.DONE
    assert findings["target production"].detail == "account 123456789012 as arn:operator, region eu-west-1"
    assert findings["quotas in us-east-1"].detail == "VPCs: 4 of 5 left"


def test_the_sandbox_needs_neither_cli_nor_account(house: FakeHouse) -> None:
    house.tools = FakeTools(None, None)
    assert list(looked(house, None)) == ["python", "disk", "registry", "ledger", "target sandbox", "engine and state"]
    house.engine_name = "pulumi"
    assert looked(house, None)["pulumi CLI"].remedy == "provision setup"


def test_without_credentials_5_and_what_depends_on_them_is_not_told(aws: FakeHouse) -> None:
    aws.fake_cloud.known = False
    findings = looked(aws)
    assert findings["target production"].remedy == "aws sso login"
    untold = {w for w, f in findings.items() if f.ok is None}
    assert untold == {"engine and state", "secrets' key", "clock", "permissions", "quotas in eu-west-1"}
    assert verdict(list(findings.values())) is ExitCode.AUTHENTICATION


def test_something_else_besides_them_is_1(aws: FakeHouse) -> None:
    aws.fake_cloud.known = False
    aws.tools = FakeTools(plugin_version=None)
    findings = looked(aws)
    assert findings["plugin aws"].remedy == "provision setup"
    assert verdict(list(findings.values())) is ExitCode.FAILED


def test_another_account_is_5(aws: FakeHouse) -> None:
    aws.fake_cloud.account = "999999999999"
    findings = looked(aws)
    assert "999999999999" in findings["target production"].detail
    assert verdict(list(findings.values())) is ExitCode.AUTHENTICATION


def test_a_state_that_can_not_be_opened(aws: FakeHouse) -> None:
    aws.state_error = EngineError("NoSuchBucket: state", hint="aws s3 mb s3://state")
    finding = looked(aws)["engine and state"]
    assert (finding.ok, finding.detail, finding.remedy) == (False, "NoSuchBucket: state", "aws s3 mb s3://state")


@pytest.mark.parametrize(
    ("seconds", "ok", "remedy"), [(-10, True, False), (90, True, True), (-90, True, True), (400, False, True)]
)
def test_the_clock(aws: FakeHouse, seconds: int, ok: bool, remedy: bool) -> None:
    aws.fake_cloud.skew = timedelta(seconds=seconds)
    finding = looked(aws)["clock"]
    assert (finding.ok, finding.remedy is not None) == (ok, remedy)


def test_missing_permissions_are_named(aws: FakeHouse) -> None:
    aws.fake_cloud.refused = ["rds:CreateDBInstance", "ec2:RunInstances"]
    finding = looked(aws)["permissions"]
    assert finding.detail == "2 are missing: rds:CreateDBInstance, ec2:RunInstances"
    assert finding.remedy == "provision deployer policy --target production"
    assert verdict([finding]) is ExitCode.FAILED


def test_what_iam_does_not_tell_is_no_fault(aws: FakeHouse) -> None:
    aws.fake_cloud.untold = [f"ec2:Action{n} (Networks)" for n in range(20)]
    finding = looked(aws)["permissions"]
    assert finding.ok is None
    assert finding.detail.startswith("IAM's simulation doesn't tell of 20: ec2:Action0 (Networks), ")
    assert finding.detail.endswith(" and 8 more")
    assert verdict([finding]) is ExitCode.DONE


def test_the_key_of_the_state_s_secrets(aws: FakeHouse) -> None:
    assert looked(aws)["secrets' key"].detail == "alias/provision: Enabled"
    aws.fake_cloud.key = None
    assert looked(aws)["secrets' key"].ok is False


def test_a_full_account_is_told_and_stops_nothing(aws: FakeHouse) -> None:
    aws.fake_cloud.limits = [Quota("vpcs", "VPCs", "vpc", "L-F678F1CE", 5, 5)]
    finding = looked(aws)["quotas in eu-west-1"]
    assert (finding.ok, finding.remedy) == (True, "aws service-quotas request-service-quota-increase")


def test_an_unknown_target_is_told_with_those_that_there_are(aws: FakeHouse) -> None:
    assert looked(aws, "prod")["target"].remedy == "--target one of: sandbox, production"


def test_setup_installs_what_is_missing_and_nothing_else() -> None:
    both, none, half = FakeTools(), FakeTools(None, None), FakeTools(plugin_version=None)
    assert [p.found for p in prepare(both)] == [True, True]
    assert [p.found for p in prepare(none)] == [False, False]
    assert [p.found for p in prepare(half)] == [True, False]
    assert (both.installed, none.installed, half.installed) == ([], ["cli", "plugin"], ["plugin"])
