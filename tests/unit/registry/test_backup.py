"""A tier's promise about its data: what it says, what it takes from the usual, and what is refused."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from provisioner import registry
from provisioner.model.errors import RegistryError
from provisioner.model.recovery import BackupPolicy
from provisioner.model.tenant import Waiver
from provisioner.registry import cache
from tests.unit.registry.samples import HEAD, SAMPLE, TODAY, loaded

ROOT = Path(__file__).parents[3]
TRIAL = "    deletion_protection: false\n"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"


def with_backup(*lines: str, text: str = SAMPLE) -> str:
    """The sample, with these lines in the trial tier's section (line 28 on), which the standard tier shares."""
    return text.replace(TRIAL, TRIAL + "    backup:\n" + "".join(f"      {line}\n" for line in lines), 1)


def problems(text: str) -> list[str]:
    with pytest.raises(RegistryError) as caught:
        loaded(text)
    return [str(p) for p in caught.value.problems if "tiers/standard/" not in str(p)]


@pytest.mark.parametrize("text", [SAMPLE, with_backup()])
def test_a_tier_without_the_section_or_with_an_empty_one_promises_the_usual(text: str) -> None:
    found = loaded(text)
    assert found.tiers["trial"].backup == BackupPolicy()
    assert found.tenant("acme").backup == BackupPolicy()


def test_a_tier_says_everything_and_its_tenants_have_it() -> None:
    policy = BackupPolicy(4, 1, 2, 3, 5, "eu-central-1", KEY, 480, 60, 7, 14, 0, 365)
    lines = [f"{field.name}: {getattr(policy, field.name)}" for field in fields(BackupPolicy)]
    found = loaded(with_backup(*lines))
    assert found.tiers["trial"].backup == policy
    assert found.tenant("globex").backup == policy


def test_a_copy_may_have_a_key_by_its_alias() -> None:
    policy = loaded(with_backup("copy_region: eu-central-1", "copy_key: alias/provision/copies")).tiers["trial"].backup
    assert (policy.copy_region, policy.copy_key) == ("eu-central-1", "alias/provision/copies")


def test_the_tiers_that_come_with_this_checkout_keep_more_the_more_they_cost() -> None:
    tiers = registry.load(ROOT / "tenants.yaml").tiers
    trial, standard, enterprise = (tiers[name].backup for name in ("trial", "standard", "enterprise"))
    assert trial == BackupPolicy(
        every_hours=24,
        daily=3,
        weekly=0,
        monthly=0,
        rpo_minutes=2880,
        rto_minutes=480,
        drill_days=30,
        keep_replaced_days=3,
        grace_days=3,
        final_days=7,
    )
    for less, more in ((trial, standard), (standard, enterprise)):
        assert more.every_hours < less.every_hours
        assert (more.rpo_minutes, more.rto_minutes) < (less.rpo_minutes, less.rto_minutes)
        assert more.daily > less.daily
        assert more.grace_days > less.grace_days
    for policy in (trial, standard, enterprise):
        assert policy.rpo_minutes >= 2 * policy.every_hours * 60, "a scheduled point may fail once"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            ("daily: 0", "weekly: 0", "monthly: 0"),
            (
                "28:5: tiers/trial/backup: keeps no recovery points: daily, weekly, monthly and yearly are all 0 "
                "(set one of them to 1 or more)"
            ),
        ),
        (
            ("copy_region: eu-central-1",),
            (
                "28:5: tiers/trial/backup/copy_key: is missing, and copy_region needs it (as alias/NAME or the ARN of "
                "a KMS key in eu-central-1)"
            ),
        ),
        (
            ("copy_key: alias/copies",),
            "29:7: tiers/trial/backup/copy_key: has no meaning without copy_region (add copy_region, or take it out)",
        ),
        (
            (f"copy_key: {KEY}", "copy_region: eu-central-2"),
            (
                "29:17: tiers/trial/backup/copy_key: is a key in eu-central-1, not in eu-central-2 (a copy is "
                "encrypted by a key of its own region)"
            ),
        ),
        (
            ("copy_key: 1234abcd-12ab-34cd-56ef-1234567890ab", "copy_region: eu-central-1"),
            (
                "29:17: tiers/trial/backup/copy_key: must be alias/NAME or the ARN of a KMS key, not "
                "1234abcd-12ab-34cd-56ef-1234567890ab"
            ),
        ),
        (
            ("copy_region: frankfurt", "copy_key: alias/copies"),
            "29:20: tiers/trial/backup/copy_region: must be an AWS region like eu-west-1, not frankfurt",
        ),
        (("every_hours: 0",), "29:20: tiers/trial/backup/every_hours: must be 1..168, not 0"),
        (("rpo_minutes: 1h",), "29:20: tiers/trial/backup/rpo_minutes: must be a whole number, not 1h"),
        (("keep_replaced_days: 0",), "29:27: tiers/trial/backup/keep_replaced_days: must be 1..90, not 0"),
        (("dialy: 7",), "29:7: tiers/trial/backup/dialy: unknown key (did you mean 'daily'?)"),
    ],
)
def test_what_is_refused(lines: tuple[str, ...], said: str) -> None:
    assert problems(with_backup(*lines)) == [f"tenants.yaml:{said}"]


def test_a_tenant_where_its_copies_would_be_has_none_elsewhere() -> None:
    text = with_backup("copy_region: us-east-1", "copy_key: alias/copies", text=HEAD)
    assert problems(f"{text}tenants:\n  acme: {{}}\n  globex: {{region: us-east-1}}\n") == [
        (
            "tenants.yaml:46:20: tenants/globex/region: is us-east-1, where tier standard copies recovery points to "
            "(a copy must be elsewhere: choose a tier with another copy_region)"
        )
    ]


def consent(resource: str) -> str:
    waiver = f"{{resource: {resource}, operation: restore-into, name: Jane, reason: a merger, expires: 2026-12-01}}"
    return f"{HEAD}tenants:\n  acme:\n    waivers:\n      - {waiver}\n"


def test_a_tenants_data_may_be_restored_into_one_that_is_still_to_come() -> None:
    (waiver,) = loaded(consent("acme-new")).tenant("acme").waivers
    assert waiver == Waiver("acme-new", "restore-into", "Jane", "a merger", waiver.expires)


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        *(
            (
                wrong,
                (
                    f"must be the id of a tenant for restore-into, not '{wrong}' (2 to 31 lower-case letters, digits "
                    "and single hyphens, beginning with a letter, ending with a letter or digit; no reserved word)"
                ),
            )
            for wrong in ("Globex", "a--b", "all", "report", "a" * 32)
        ),
        ("acme", "is this tenant itself (its own data may always be restored into it)"),
    ],
)
def test_other_consents_are_refused(resource: str, said: str) -> None:
    assert problems(consent(resource)) == [f"tenants.yaml:44:20: tenants/acme/waivers/0/resource: {said}"]


def test_an_expired_consent_is_a_warning() -> None:
    (warning,) = loaded(consent("globex").replace("2026-12-01", "2026-11-21")).warnings
    assert re.search(r"waivers/0/expires: this waiver has expired, and is ignored", str(warning))


def test_a_kept_reading_has_the_policy_too(tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(with_backup("daily: 2"))
    first = registry.load(path, today=TODAY, cache=tmp_path / "cache")
    kept = cache.recall(tmp_path / "cache", str(path), path.read_bytes(), TODAY)
    assert kept is not None
    again = registry.load(path, today=TODAY, cache=tmp_path / "cache")
    assert again.tenant("acme").backup == first.tenant("acme").backup == BackupPolicy(daily=2)
