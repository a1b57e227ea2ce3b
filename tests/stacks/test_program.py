"""The program as a whole: outputs, names, what a change of each argument touches, and what the machine is told."""

import json
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from provisioner.model.firewall import STATEFUL_TYPES
from provisioner.model.stack import StackArgs, StackOutputs
from stacks import version
from stacks.machine import user_data
from stacks.tenant import PROGRAM_VERSION
from tests.stacks import recorder
from tests.stacks.compare import NAMED, changed, check_name, names, product_environment
from tests.stacks.recorder import ACCOUNT, record
from tests.stacks.shapes import SHAPES, recording

STANDARD, TRIAL = SHAPES["standard-aws"], SHAPES["trial-aws"]
UNTAGGED = re.compile(r"(Route|Record|Alias|Association|Attachment|Validation|Bucket\w+|RolePolicy|TopicPolicy)$")


@pytest.mark.parametrize("shape", SHAPES)
def test_outputs_are_the_contract(shape: str) -> None:
    args, outputs = SHAPES[shape], recording(shape).outputs
    assert outputs.keys() == {f.name for f in fields(StackOutputs)}
    empty = {name for name, value in outputs.items() if value in (None, "")}
    without_front = {"url", "files_bucket"} if args.quarantine else set()
    balanced = args.sizing.front == "balancer" and not args.quarantine
    assert empty == without_front | {"other_machine_id"} | (set() if balanced else {"target_group_arn"})
    assert outputs["database_identifier"] == args.identifier(args.serving)
    assert outputs["role_name"] == f"provision-{args.name}-machine"
    assert (outputs["database_name"], outputs["database_user"]) == ("product", "product")
    assert outputs["files_bucket"] in (f"{ACCOUNT}-acme-files", "")


@pytest.mark.parametrize(
    ("shape", "name", "url"),
    [
        ("standard-aws", None, "https://acme.example.com"),
        ("trial-aws", None, "https://acme.example.com"),
        ("trial-sandbox", None, "http://127.20.3.2:8080"),
        ("standard-sandbox", None, "http://127.20.3.1:8080"),
        ("trial-sandbox", "127.0.0.1:31000", "http://127.0.0.1:31000"),
        ("standard-sandbox", "127.0.0.1:31000", "http://127.0.0.1:31000"),
    ],
)
def test_url(shape: str, name: str | None, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name is None:
        assert recording(shape).outputs["url"] == url
        return
    monkeypatch.setitem(recorder.COMPUTED, "publicDns", name)
    monkeypatch.setitem(recorder.COMPUTED, "dnsName", name)
    assert record(SHAPES[shape]).outputs["url"] == url


@pytest.mark.parametrize("shape", ["standard-aws", "trial-sandbox"])
def test_the_same_args_give_the_same_resources(shape: str) -> None:
    again = record(SHAPES[shape])
    assert changed(recording(shape), again) == {}
    assert again.outputs == recording(shape).outputs


@pytest.mark.parametrize("shape", ["standard-aws", "trial-sandbox"])
def test_a_first_preview_sees_every_resource(shape: str) -> None:
    """Nothing depends on a value that is known only after something was made."""
    preview = record(SHAPES[shape], unknown=True)
    assert {r.urn for r in preview.resources} == {r.urn for r in recording(shape).resources}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_taggable_resource_says_whose_it_is(shape: str) -> None:
    found = recording(shape)
    (provider,) = found.of("providers:aws")
    default = json.loads(provider.inputs["defaultTags"])["tags"]
    assert default["provision:tenant"] == "acme"
    assert default["provision:stack"] == f"{found.args.project}/{found.args.name}"
    untagged = [r for r in found.resources if "tags" not in r.inputs and r is not provider]
    assert [r.type for r in untagged if not UNTAGGED.search(r.type)] == []
    for resource in found.resources:
        if "tags" in resource.inputs:
            assert resource.inputs["tags"]["provision:resource"] == resource.name


@pytest.mark.parametrize("shape", SHAPES)
def test_adoption_finds_one_resource_by_type_and_tag(shape: str) -> None:
    keys = [(r.type, r.name) for r in recording(shape).resources]
    assert len(keys) == len(set(keys))


def test_organization_and_labels_are_tags() -> None:
    (provider,) = recording("standard-aws").of("providers:aws")
    tags = json.loads(provider.inputs["defaultTags"])["tags"]
    assert (tags["provision:organization"], tags["provision:label:country"]) == ("acme-group", "nl")
    (provider,) = recording("trial-sandbox").of("providers:aws")
    assert json.loads(provider.inputs["defaultTags"])["tags"].keys() == {
        f"provision:{key}" for key in ("tenant", "stack", "target", "tier", "ring")
    }


def test_the_provider_refuses_another_account() -> None:
    (provider,) = recording("standard-aws").of("providers:aws")
    assert json.loads(provider.inputs["allowedAccountIds"]) == [ACCOUNT]


@pytest.mark.parametrize("base", [STANDARD, TRIAL], ids=["standard", "trial"])
def test_names_are_fixed_and_fit(base: StackArgs) -> None:
    tenant = "a" + "b" * 30
    for resource in record(replace(base, tenant=tenant)).resources:
        check_name(resource, tenant)


@pytest.mark.parametrize("shape", ["standard-aws", "trial-aws"])
def test_two_tenants_share_no_name(shape: str) -> None:
    other = record(replace(SHAPES[shape], tenant="globex"))
    assert names(recording(shape)) & names(other) == set()


def test_fixed_names_are_deleted_before_they_are_made_again() -> None:
    """But not the parameter group: its name has the major version, and the old one is in use during an upgrade."""
    found = recording("standard-aws")
    late = {r.name for r in found.of(*NAMED) if not r.delete_before_replace}
    assert late == {"database-parameters", "product-secret"}


def test_a_release_touches_the_machine_only() -> None:
    after = record(replace(STANDARD, release="1.1.0", schema_version=2, image_id="ami-0fedcba9876543210"))
    assert changed(recording("standard-aws"), after) == {"machine": {"ami", "userData", "tags"}}


def test_tier_ring_and_labels_touch_tags_and_the_window_only() -> None:
    after = record(replace(STANDARD, ring=0, labels={"country": "be"}))
    assert changed(recording("standard-aws"), after) == {"aws": {"defaultTags"}, "database": {"maintenanceWindow"}}


def test_a_multi_region_key_is_another_key() -> None:
    after = record(replace(STANDARD, sizing=replace(STANDARD.sizing, multi_region_key=False)))
    assert changed(recording("standard-aws"), after) == {"key": {"multiRegion"}}


def test_offboarding_switches_every_guard_off_and_nothing_else() -> None:
    after = record(replace(STANDARD, sizing=replace(STANDARD.sizing, deletion_protection=False)))
    assert changed(recording("standard-aws"), after) == {
        "balancer": {"enableDeletionProtection"},
        "database": {"deleteAutomatedBackups", "deletionProtection", "skipFinalSnapshot"},
        "files": {"forceDestroy"},
        "machine": {"disableApiTermination"},
        "product-secret": {"recoveryWindowInDays"},
    }
    assert not any(r.protect for r in after.resources)
    assert after.named("product-secret", "secretsmanager:Secret").inputs["recoveryWindowInDays"] == 0


def test_sizes_change_in_place() -> None:
    sizing = replace(
        STANDARD.sizing, instance_type="m7g.xlarge", database_class="db.m7g.xlarge", database_storage_gib=200
    )
    assert changed(recording("standard-aws"), record(replace(STANDARD, sizing=sizing))) == {
        "machine": {"instanceType"},
        "database": {"instanceClass", "allocatedStorage"},
        "database-space": {"threshold"},
    }


def test_a_major_version_brings_a_parameter_group_of_its_own() -> None:
    sizing = replace(STANDARD.sizing, database_version="18")
    after = record(replace(STANDARD, sizing=sizing))
    group = after.named("database-parameters", "rds:ParameterGroup")
    assert (group.inputs["name"], group.inputs["family"]) == ("acme-postgres18", "postgres18")
    assert after.named("database", "rds:Instance").inputs["autoMinorVersionUpgrade"] is True


def test_protection_is_where_the_firewall_looks() -> None:
    held = {r.type for r in recording("standard-aws").resources if r.protect}
    assert held - {"aws:ec2/eip:Eip"} == STATEFUL_TYPES - {"aws:ebs/volume:Volume"}


@pytest.mark.parametrize("shape", SHAPES)
def test_user_data_is_the_environment_of_the_contract(shape: str) -> None:
    found = recording(shape)
    environment = product_environment(found.named("machine", "ec2:Instance").inputs["userData"])
    architecture = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    names = re.search(r"`(TENANT PURPOSE [A-Z_\s]+)`", architecture)
    assert names is not None
    assert list(environment) == names[1].split()
    assert environment["PURPOSE"] == ("drill" if shape.startswith("quarantine") else "production")
    assert environment["DATABASE_PORT"] == "5433"
    assert environment["DATABASE_SECRET"] == found.outputs["product_secret_arn"]
    assert environment["PGSSLMODE"] == "verify-full"
    ends_tls = shape in ("trial-aws", "guarded-address-aws")
    assert environment["TLS_NAME"] == ("acme.example.com" if ends_tls else "")


@pytest.mark.parametrize("value", ["a b", "$(reboot)", "`x`", "a\nb", "'", '"', "a;b", "é"])
def test_user_data_takes_no_value_that_a_shell_would_read(value: str) -> None:
    with pytest.raises(ValueError, match="TENANT has characters"):
        user_data({"TENANT": value})


def test_the_program_version_changes_with_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", PROGRAM_VERSION)
    for name in ("stacks/tenant.py", "templates/cloud-init.yaml.j2"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(version, "_ROOT", tmp_path)
    seen = {version.program_version.__wrapped__()}
    for name in ("stacks/tenant.py", "templates/cloud-init.yaml.j2"):
        (tmp_path / name).write_text("two")
        seen.add(version.program_version.__wrapped__())
    (tmp_path / "stacks" / "new.py").write_text("")
    seen.add(version.program_version.__wrapped__())
    assert len(seen) == 4


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_program_version_needs_no_pulumi() -> None:
    code = "import sys; from stacks.version import program_version as v; print(v(), 'pulumi' in sys.modules)"
    assert _python(code) == f"{PROGRAM_VERSION} False"


def test_warm_loads_all_that_the_program_touches() -> None:
    """The SDK's lazy modules break when several threads load them (facts/pulumi.md): after warm() none is left, but
    for those that importing `stacks.balancer` loads, under the lock of its import."""
    code = """
import sys
from stacks.tenant import warm
warm()
before = set(sys.modules)
from tests.stacks.recorder import record
from tests.stacks.shapes import SHAPES
record(SHAPES["trial-aws"])
record(SHAPES["quarantine-sandbox"])
assert not [m for m in set(sys.modules) - before if m.startswith("pulumi_aws")], "the address front needs no more"
import stacks.balancer
before = set(sys.modules)
record(SHAPES["standard-aws"])
print(sorted(m for m in set(sys.modules) - before if m.startswith("pulumi_aws")))
"""
    assert _python(code) == "[]"
