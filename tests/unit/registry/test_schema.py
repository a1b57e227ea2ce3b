import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # its stubs are not in the lock
import pytest

from provisioner import registry
from provisioner.model.patch.policy import PatchDays, PatchException, PatchPolicy
from provisioner.model.recovery import BackupPolicy
from provisioner.model.rollout.strategy import Gate, Strategy
from provisioner.model.tenant import Freeze, Hold, Pin, Release, Sizing, Target, Tenant
from provisioner.registry.compose import read
from provisioner.registry.layout import formatted
from provisioner.registry.patching import PatchDaysEntry, PatchEntry, PatchExceptionEntry
from provisioner.registry.policy import policy_of, walk
from provisioner.registry.reference import EXAMPLE, markdown
from provisioner.registry.schema import (
    BackupEntry,
    PinEntry,
    RegistryFile,
    ReleaseEntry,
    TargetEntry,
    TenantEntry,
    TierEntry,
)
from provisioner.registry.shape import keys
from provisioner.registry.strategies import FreezeEntry, GateEntry, HoldEntry, StrategyEntry
from tests.unit.registry.malformed_values import VALUE_CASES
from tests.unit.registry.samples import SAMPLE, loaded

ROOT = Path(__file__).parents[3]


def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(registry.schema_text())
    return found


def test_the_committed_schema_is_this_codes() -> None:
    assert (ROOT / "tenants.schema.json").read_text() == registry.schema_text(), "run `provision registry schema`"


def test_the_page_about_the_registry_is_this_codes() -> None:
    assert (ROOT / "docs/registry.md").read_text() == markdown(), "run `python -m provisioner.registry.reference`"


def test_the_pages_example_is_valid() -> None:
    assert loaded(EXAMPLE).tenant("acme").sizing.multi_az is True


def test_the_sample_registry_is_valid_canonical_and_has_no_tenants() -> None:
    path = ROOT / "tenants.yaml"
    found = registry.load(path)
    assert found.tenant_ids() == []
    assert found.warnings == ()
    assert set(found.tiers) == {"trial", "standard", "enterprise"}
    assert path.read_text().startswith("# yaml-language-server: $schema=./tenants.schema.json\n")
    assert not registry.format_file(path, check=True)
    assert all(Path(r.images["sandbox"]).joinpath("release.json").is_file() for r in found.releases.values())
    jsonschema.Draft202012Validator(_schema()).validate(read(path.read_bytes(), "x").root.data)


def test_its_comment_is_a_tenant_that_can_be_had() -> None:
    text = (ROOT / "tenants.yaml").read_text()
    example = [line[2:] for line in text.split("#\n")[-1].split("tenants: {}")[0].splitlines()]
    found = loaded(text.replace("tenants: {}", "tenants:\n" + "\n".join(example)))
    assert found.tenant("acme").sizing.backup_retention_days == 30


def test_every_field_says_what_a_change_means_and_what_it_is() -> None:
    for path, info in walk(RegistryFile):
        policy = policy_of(info)
        assert policy.reason, path
        assert policy.action, path
        assert info.description, path
    by_field = {p.field: p for p in registry.update_policies()}
    assert {p.policy for p in by_field.values()} == {"live", "restart", "replace", "forbidden"}
    assert by_field["tenants/*/region"].policy == "forbidden"
    assert by_field["tenants/*/overrides/*/setting"].policy == "live"
    assert by_field["tiers/*/instance_type"].action == "provision apply, in the tenant's maintenance window"


def test_the_schema_has_the_policies_for_editors() -> None:
    ring = _schema()["$defs"]["TenantEntry"]["properties"]["ring"]
    assert ring["x-update-policy"] == {
        "update": "live",
        "reason": "it is a tag on every resource",
        "action": "provision apply",
    }


def test_the_schema_and_the_model_have_the_same_fields() -> None:
    assert set(TierEntry.model_fields) - {"description", "backup", "drift_hours", "patch"} == {
        f.name for f in fields(Sizing)
    }
    assert set(BackupEntry.model_fields) == {f.name for f in fields(BackupPolicy)}
    assert set(PatchEntry.model_fields) == {f.name for f in fields(PatchPolicy)}
    assert set(PatchDaysEntry.model_fields) == {f.name for f in fields(PatchDays)}
    assert set(PatchExceptionEntry.model_fields) == {f.name for f in fields(PatchException)}
    assert set(TargetEntry.model_fields) | {"name", "tenant"} == {f.name for f in fields(Target)}
    assert set(ReleaseEntry.model_fields) | {"version"} == {f.name for f in fields(Release)}
    assert set(StrategyEntry.model_fields) | {"name", "hasty"} == {f.name for f in fields(Strategy)}
    assert set(GateEntry.model_fields) == {f.name for f in fields(Gate)}
    assert set(HoldEntry.model_fields) == {f.name for f in fields(Hold)}
    assert set(PinEntry.model_fields) == {f.name for f in fields(Pin)}
    assert set(keys(FreezeEntry)) - {"from", "until"} == {f.name for f in fields(Freeze)} - {"start", "end"}
    resolved = {"id", "sizing", "desired_release", "release_source", "backup", "drift_hours", "patch"}
    assert set(TenantEntry.model_fields) - {"release", "account", "role"} == {f.name for f in fields(Tenant)} - resolved


@pytest.mark.parametrize("name", ["unknown key", "out of bounds", "upper-case id", "window's days", "override unknown"])
def test_editors_refuse_what_the_tool_refuses(name: str) -> None:
    validator = jsonschema.Draft202012Validator(_schema())
    assert validator.is_valid(read(SAMPLE.encode(), "x").root.data)
    case = next(c for c in VALUE_CASES if c.name == name)
    assert not validator.is_valid(read(case.raw, "x").root.data)


def test_the_room_is_light_to_enter() -> None:
    script = (
        "import sys, provisioner.registry, provisioner.model.selector;"
        "assert not {'pydantic', 'ruamel', 'filelock', 'difflib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


MESSY = """\
# yaml-language-server: $schema=x
# head

tenants: # all
   # about acme
   acme:
      # own tier
      ring:    1
      # tier says
      tier:   'standard'
      overrides:
      - setting: multi_az
        # why
        value: true
        name: Jane
        reason: "contract"
      # labels: {a: b}
   # next
   globex: {ring: 3}
version: 1
"""
TIDY = """\
tenants: # all
  # about acme
  acme:
    # tier says
    tier: 'standard'
    # own tier
    ring: 1
    overrides:
      - setting: multi_az
        # why
        value: true
        name: Jane
        reason: "contract"
    # labels: {a: b}
  # next
  globex: {ring: 3}
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_format_orders_and_indents_and_keeps_comments_with_what_they_are_about(newline: str) -> None:
    rest = SAMPLE[SAMPLE.index("product:") : SAMPLE.index("tenants:")]
    raw = (MESSY + rest).replace("\n", newline).encode()
    once = formatted(raw, "tenants.yaml")
    head = "# yaml-language-server: $schema=x\n# head\n\nversion: 1\n"
    assert once.decode().startswith(head.replace("\n", newline) + "product:")
    assert once.decode().endswith(("\n" + TIDY).replace("\n", newline))
    assert formatted(once, "tenants.yaml") == once


def test_format_check_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    text = SAMPLE.replace("ring: 1", "ring:   1")
    path.write_text(text)
    assert registry.format_file(path, check=True)
    assert path.read_text() == text
    assert registry.format_file(path)
    assert path.read_text() == SAMPLE
    assert not registry.format_file(path)
