import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from provisioner import registry
from provisioner.model.errors import RegistryError, UsageError
from provisioner.model.tenant import CloudKind, Organization, Override, Waiver, Window
from tests.unit.registry.samples import HEAD, SAMPLE, TODAY, loaded

PRODUCTION = """\
  production:
    cloud: aws
    regions: [eu-central-1, us-east-1]
    domain: example.com
    state: s3://state
    secrets: awskms://alias/provision
    account: "012345678901"
    max_tenants: 3
defaults:
"""
AWS_IMAGES = "{sandbox: releases/1.1.0, eu-central-1: ami-0123456789abcdef0, us-east-1: ami-0fedcba9876543210}"
BOTH = HEAD.replace("defaults:\n", PRODUCTION).replace("{sandbox: releases/1.1.0}", AWS_IMAGES)


def test_a_tenant_takes_from_the_defaults_what_it_does_not_say() -> None:
    acme = loaded(HEAD + "tenants:\n  acme:\n").tenant("acme")
    assert (acme.tier, acme.ring, acme.region, acme.target.name) == ("standard", 2, "eu-west-1", "sandbox")
    assert (acme.desired_release, acme.release_source) == ("1.1.0", "channel stable")
    assert (acme.time_zone, acme.window, acme.organization, acme.expires) == ("UTC", None, None, None)
    assert acme.sizing.instance_type == "t4g.small"


def test_a_tenant_says_everything_itself() -> None:
    fields = """\
    name: Acme Ltd
    tier: trial
    ring: 0
    region: us-east-1
    release: "1.0.0"
    pin: {reason: their auditors, expires: 2027-01-31}
    organization: umbrella
    window: {days: [sat, sun], start: "02:00", hours: 4}
    time_zone: Europe/Berlin
    labels: {country: no, industry: retail}
    expires: 2027-03-01
    overrides:
      - {setting: multi_az, value: true, name: Jane, reason: contract, expires: 2027-01-01}
      - {setting: backup_retention_days, value: 30, name: Jane, reason: contract, expires: 2026-11-21}
    waivers:
      - {resource: database, operation: replace, name: Jane, reason: new key, expires: 2026-12-01}
"""
    acme = loaded(HEAD + "tenants:\n  acme:\n" + fields).tenant("acme")
    assert (acme.name, acme.tier, acme.ring, acme.region) == ("Acme Ltd", "trial", 0, "us-east-1")
    assert (acme.desired_release, acme.release_source, acme.organization) == ("1.0.0", "pin", "umbrella")
    assert acme.window == Window(("sat", "sun"), "02:00", 4)
    assert (acme.time_zone, acme.expires) == ("Europe/Berlin", date(2027, 3, 1))
    assert acme.labels == {"country": "no", "industry": "retail"}
    assert acme.sizing.multi_az is True
    assert acme.sizing.backup_retention_days == 1, "an expired override is ignored"
    assert acme.overrides[1] == Override("backup_retention_days", 30, "Jane", "contract", date(2026, 11, 21))
    assert acme.waivers == (Waiver("database", "replace", "Jane", "new key", date(2026, 12, 1)),)


def test_the_rest_of_a_registry() -> None:
    found = loaded(BOTH, Path("/registry/tenants.yaml"))
    production = found.targets["production"]
    assert (production.cloud, production.account, production.max_tenants) == (CloudKind.AWS, "012345678901", 3)
    assert found.default_target.name == "sandbox"
    assert found.targets["sandbox"].max_tenants == 1000
    assert list(found.tiers) == ["trial", "standard"]
    assert found.releases["1.1.0"].images["sandbox"] == "/registry/releases/1.1.0"
    assert found.releases["1.1.0"].images["us-east-1"] == "ami-0fedcba9876543210"
    assert (found.release("1.0.0").migration, found.release("1.0.0").undo) == ("none", "code-only")
    assert (found.channels, found.product) == ({"stable": "1.1.0"}, "notes")
    assert found.organizations == {"umbrella": Organization("umbrella", "Umbrella Group")}
    assert (found.tenant_ids(), found.tenants(), found.warnings) == ([], [], ())


def test_another_default_target_gives_tenants_its_first_region_and_refuses_those_elsewhere() -> None:
    text = BOTH + "tenants:\n  acme: {}\n  globex: {region: eu-west-1}\n  initech: {target: sandbox}\n"
    found = loaded(text, target="production")
    assert (found.default_target.name, found.tenant("acme").region) == ("production", "eu-central-1")
    assert found.tenant("initech").target.name == "sandbox"
    with pytest.raises(UsageError, match="tenant globex is in eu-west-1; target production has eu-central-1, us-ea"):
        found.tenant("globex")
    with pytest.raises(UsageError, match="there is no target 'prod'"):
        loaded(text, target="prod")


def test_unknown_names_are_told_with_near_misses() -> None:
    found = loaded(SAMPLE)
    with pytest.raises(UsageError) as caught:
        found.tenant("acne")
    assert caught.value.message == "there is no tenant 'acne' in /registry/tenants.yaml"
    assert caught.value.hint == "did you mean 'acme'?"
    with pytest.raises(UsageError) as caught:
        found.release("9")
    assert caught.value.hint == "releases: 1.0.0, 1.1.0"


@pytest.mark.parametrize(
    ("path", "position"),
    [
        ("tenants/acme/ring", (44, 11)),
        ("tenants/acme", (43, 5)),
        ("tenants/acme/region", (42, 3)),
        ("tenants/nobody", (41, 1)),
        ("targets/sandbox/regions/1", (7, 26)),
        ("tiers/standard/multi_az", (23, 15)),
        ("nothing", (1, 1)),
    ],
)
def test_positions(path: str, position: tuple[int, int]) -> None:
    assert loaded(SAMPLE).position(path) == position


def test_what_has_expired_is_a_warning() -> None:
    fields = """\
    release: "1.0.0"
    expires: 2026-11-21
    pin: {reason: why, expires: 2026-11-21}
    overrides:
      - {setting: multi_az, value: true, name: Jane, reason: why, expires: 2026-11-21}
      - {setting: log_retention_days, value: 30, name: Jane, reason: why, expires: 2026-11-22}
    waivers:
      - {resource: database, operation: delete, name: Jane, reason: why, expires: 2026-11-21}
"""
    found = loaded(HEAD + "tenants:\n  acme:\n" + fields)
    assert [str(w) for w in found.warnings] == [
        "tenants.yaml:44:14: tenants/acme/expires: this tenant has expired (provision offboard acme)",
        (
            "tenants.yaml:45:33: tenants/acme/pin/expires: this pin has expired, and still holds "
            "(take release and pin out, or give the pin a later date)"
        ),
        (
            "tenants.yaml:47:76: tenants/acme/overrides/0/expires: this override has expired, and is ignored "
            "(delete it, or give it a later date)"
        ),
        (
            "tenants.yaml:50:83: tenants/acme/waivers/0/expires: this waiver has expired, and is ignored "
            "(delete it, or give it a later date)"
        ),
    ]
    assert found.tenant("acme").desired_release == "1.0.0"


def test_a_missing_and_an_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        registry.load(tmp_path / "tenants.yaml")
    assert caught.value.message == f"there is no registry at {tmp_path}/tenants.yaml"
    assert caught.value.hint == "go to the folder of tenants.yaml, or name it: --registry FILE"
    with pytest.raises(RegistryError, match=r"can't read the registry .*: Is a directory"):
        registry.load(tmp_path)


def test_a_byte_order_mark_and_line_ends_of_windows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SAMPLE.replace("\n", "\r\n").encode())
    found = registry.load(path)
    assert found.tenant("acme").ring == 1
    assert found.position("tenants/acme/ring") == (44, 11)


def test_images_are_found_beside_the_file_that_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "tenants.yaml").write_text(SAMPLE)
    (tmp_path / "link.yaml").symlink_to("real/tenants.yaml")
    found = registry.load(tmp_path / "link.yaml")
    assert found.path == tmp_path / "link.yaml"
    assert found.release("1.0.0").images["sandbox"] == str(tmp_path.resolve() / "real" / "releases/1.0.0")


def test_the_kept_reading_is_used_for_the_same_bytes_on_the_same_day_only(tmp_path: Path) -> None:
    path, cache = tmp_path / "tenants.yaml", tmp_path / "cache"
    path.write_text(SAMPLE + "    expires: 2026-11-22\n")
    first = registry.load(path, today=TODAY, cache=cache)
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    again = registry.load(path, today=TODAY, cache=cache)
    assert again.tenants() == first.tenants()
    assert again.position("tenants/acme/ring") == (44, 11)

    kept.write_text(kept.read_text().replace("t4g.small", "t4g.large"))
    assert registry.load(path, today=TODAY, cache=cache).tenant("acme").sizing.instance_type == "t4g.large"
    tomorrow = registry.load(path, today=date(2026, 11, 23), cache=cache)
    assert tomorrow.tenant("acme").sizing.instance_type == "t4g.small"
    assert [w.path for w in tomorrow.warnings] == ["tenants/globex/expires"]
    assert registry.load(path, today=date(2026, 11, 23), cache=cache).warnings == tomorrow.warnings

    path.write_text(SAMPLE)
    assert registry.load(path, today=date(2026, 11, 23), cache=cache).warnings == ()
    kept.write_text("{")
    assert registry.load(path, today=TODAY, cache=cache).tenant_ids() == ["acme", "globex"]


def test_a_kept_reading_of_a_thousand_tenants_needs_neither_yaml_nor_pydantic(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(HEAD + "tenants:\n" + "".join(f"  t{n}: {{ring: {n % 4}}}\n" for n in range(1000)))
    registry.load(path, today=TODAY, cache=tmp_path)
    script = f"""
import sys
from datetime import date
from pathlib import Path
from provisioner import registry
found = registry.load(Path({str(path)!r}), today=date(2026, 11, 22), cache=Path({str(tmp_path)!r}))
assert len(found.tenants()) == 1000 and found.tenant("t7").ring == 3
loaded = {{"pydantic", "ruamel", "filelock", "_ruamel_yaml"}} & {{m.partition(".")[0] for m in sys.modules}}
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", script], check=True)
