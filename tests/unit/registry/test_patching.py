"""What people write about patches: deadlines of a tier, exceptions of a tenant."""

from datetime import date

import pytest

from provisioner.model.errors import RegistryError
from provisioner.model.patch.policy import PatchDays, PatchException, PatchPolicy
from tests.unit.registry.samples import SAMPLE, loaded

TRIAL = "    deletion_protection: false\n"
GLOBEX = "  globex:\n"


def with_patch(*lines: str) -> str:
    """The sample, with these lines in the trial tier's section, which the standard tier shares."""
    return SAMPLE.replace(TRIAL, TRIAL + "    patch:\n" + "".join(f"      {line}\n" for line in lines), 1)


def with_exception(**more: str) -> str:
    """The sample, with an exception of tenant globex."""
    words = {"advisory": "CVE-2026-1", "reason": "no fix", "name": "Jane Doe", "expires": "2026-12-01", **more}
    entry = ", ".join(f"{key}: {value}" for key, value in words.items() if value)
    return SAMPLE.replace(GLOBEX, f"{GLOBEX}    patch_exceptions:\n      - {{{entry}}}\n", 1)


def test_a_tier_without_the_section_has_the_usual_deadlines() -> None:
    assert loaded(SAMPLE).tiers["trial"].patch == PatchPolicy()
    assert loaded(with_patch()).tenant("acme").patch == PatchPolicy()


def test_a_tier_says_by_when_and_how_often() -> None:
    found = loaded(with_patch("days: {critical: 2, low: 400}", "scan_hours: 6"))
    assert found.tenant("globex").patch == PatchPolicy(PatchDays(2, 30, 90, 400), 6)


def test_an_exception_is_of_one_tenant_and_ends() -> None:
    found = loaded(with_exception())
    assert found.tenant("globex").patch_exceptions == (
        PatchException("CVE-2026-1", "no fix", "Jane Doe", date(2026, 12, 1)),
    )
    assert found.tenant("acme").patch_exceptions == ()
    (warning,) = loaded(with_exception(expires="2026-11-21")).warnings
    assert "this patch exception has expired, and is ignored" in str(warning)


def test_a_release_says_what_runs_around_an_installation() -> None:
    text = SAMPLE.replace(
        "    schema_version: 2\n", "    schema_version: 2\n    patch_hooks: {before: drain, exit: undrain}\n", 1
    )
    assert text != SAMPLE
    assert {str(r.patch_hooks) for r in loaded(text).releases.values()} >= {"{'before': 'drain', 'exit': 'undrain'}"}
    with pytest.raises(RegistryError) as caught:
        loaded(text.replace("drain, exit", "'a b', exit"))
    assert "must be the name of an SSM document" in str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (with_patch("days: {critical: 0}"), "must be 1..3650, not 0"),
        (with_patch("days: {severe: 2}"), "unknown key"),
        (with_exception(expires=""), "is missing"),
        (with_exception(name=""), "is missing"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(RegistryError) as caught:
        loaded(text)
    assert any(words in str(problem) for problem in caught.value.problems)


REBUILD = """\
  "1.1.0":
    rebuilds: {"2026.11": {sandbox: images/1.1.0-os}}
"""


def test_a_release_has_images_on_newer_operating_systems_and_rings_say_which() -> None:
    text = SAMPLE.replace('  "1.1.0":\n', REBUILD, 1) + 'os_releases: {ring_0: "2026.11"}\n'
    found = loaded(text)
    release = found.release("1.1.0")
    assert release.images_on("2026.11") == {"sandbox": "/registry/images/1.1.0-os"}
    assert (release.images_on(None), release.images_on("2026.12")) == (release.images, {})
    assert dict(found.os_releases) == {0: "2026.11"}
    with pytest.raises(RegistryError) as caught:
        loaded(text.replace('ring_0: "2026.11"', 'ring_0: "2026.12"'))
    assert "no release has a rebuild on '2026.12'" in str(caught.value.problems[0])


def test_a_tier_says_in_which_way() -> None:
    assert loaded(with_patch("way: replace")).tenant("acme").patch.way == "replace"
