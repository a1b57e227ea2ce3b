import multiprocessing
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner import registry
from provisioner.model.errors import ProvisionError, TimedOutError, UsageError
from provisioner.registry import files
from tests.unit.registry.samples import HEAD, SAMPLE, TODAY, loaded

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def do(text: str) -> Path:
        path = tmp_path / "tenants.yaml"
        path.write_bytes(text.encode())
        return path

    return do


def _after(path: Path, start: str) -> str:
    """What the file has behind a text that must not have changed."""
    text = path.read_bytes().decode()
    assert text.startswith(start)
    return text[len(start) :]


FIELDS: dict[str, Any] = {
    "tier": "trial",
    "release": "1.0.0",
    "labels": {"country": "no", "note": "a: b"},
    "window": {"days": ["sat", "sun"], "start": "02:00", "hours": 4},
    "overrides": [{"setting": "multi_az", "value": True, "name": "Jane", "reason": "contract"}],
}
BLOCK = """\
  acme:
    tier: trial
    release: "1.0.0"
    labels:
      country: "no"
      note: "a: b"
    window:
      days: [sat, sun]
      start: "02:00"
      hours: 4
    overrides:
      - setting: multi_az
        value: true
        name: Jane
        reason: contract
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "tenants:\n" + BLOCK),
        ("tenants:\n", "tenants:\n" + BLOCK),
        ("tenants: {}\n", "tenants:\n" + BLOCK),
        ("tenants: {} # none yet\n# end\n", "tenants: # none yet\n" + BLOCK + "# end\n"),
        ("tenants: ~\n", "tenants:\n" + BLOCK),
        ("tenants: {}", "tenants:\n" + BLOCK[:-1]),
        ("tenants:", "tenants:\n" + BLOCK[:-1]),
        ("tenants:\n  b1: {}\n", "tenants:\n  b1: {}\n" + BLOCK),
        ("tenants:\n  b1: {}", "tenants:\n  b1: {}\n" + BLOCK[:-1]),
        ("tenants:\n  b1:\n    ring: 1 # x\n    # y\n  # z\n\n# end\n",) * 1
        + ("tenants:\n  b1:\n    ring: 1 # x\n    # y\n  # z\n" + BLOCK + "\n# end\n",),
        ("tenants:\n  b1: {}\n\n  b2: {}\n", "tenants:\n  b1: {}\n\n  b2: {}\n\n" + BLOCK),
        (
            "tenants:\n  b1:\n    name: |\n      Bee\n      One\n\n",
            "tenants:\n  b1:\n    name: |\n      Bee\n      One\n",
        ),
        ("tenants: {}\n...\n", "tenants:\n" + BLOCK + "...\n"),
        ("...\n", "tenants:\n" + BLOCK + "...\n"),
    ],
)
def test_a_tenant_is_added_in_place(write: Write, before: str, after: str) -> None:
    path = write(HEAD + before)
    edited = registry.add_tenant(path, "acme", FIELDS)
    assert edited.changed
    got = _after(path, HEAD)
    assert got.startswith(after)
    assert edited.registry.tenant("acme") == registry.load(path).tenant("acme")
    assert edited.registry.tenant("acme").labels == FIELDS["labels"]


def test_the_files_own_style_is_kept(write: Write) -> None:
    text = HEAD.replace("\n", "\r\n").replace("  name: notes", "    name: notes")
    path = write(text + "tenants:\r\n    b1:\r\n        ring: 1")
    registry.add_tenant(path, "acme", {"ring": 2, "labels": {"a": "b"}})
    added = (
        "tenants:\r\n    b1:\r\n        ring: 1\r\n    acme:\r\n        ring: 2\r\n        labels:\r\n            a: b"
    )
    assert _after(path, text) == added


def test_a_tenant_is_added_to_a_flow_mapping(write: Write) -> None:
    path = write(HEAD + "tenants: {b1: {ring: 1}, b2: {}} # both\n")
    registry.add_tenant(path, "acme", {"ring": 2, "labels": {"a": "b c"}})
    assert _after(path, HEAD) == "tenants: {b1: {ring: 1}, b2: {}, acme: {ring: 2, labels: {a: b c}}} # both\n"


def test_adding_the_same_again_is_no_change_and_other_content_is_refused(write: Write) -> None:
    path = write(SAMPLE)
    registry.add_tenant(path, "initech", {"ring": 1})
    before = path.stat()
    again = registry.add_tenant(path, "initech", {"ring": 1})
    assert not again.changed
    assert path.stat().st_ino == before.st_ino
    with pytest.raises(UsageError) as caught:
        registry.add_tenant(path, "initech", {"ring": True})
    assert caught.value.message == f"tenant initech is in {path} line 47 already, with other fields"
    assert caught.value.hint == ("edit tenants/initech there and run `provision apply initech`, or choose another id")


def test_an_addition_that_would_not_be_valid_is_refused_with_all_reasons(write: Write) -> None:
    path = write(SAMPLE)
    with pytest.raises(UsageError) as caught:
        registry.add_tenant(path, "all", {"tier": "standrad", "ring": 7, "region": "eu-west-2"})
    assert caught.value.message == (
        "tenants/all: is reserved (not to be used: admin, all, api, fleet, localhost, mail, none, provision, "
        "provision-check, reap, report, rollout, show, status, www)\n"
        "tenants/all/ring: must be 0..3, not 7"
    )
    with pytest.raises(UsageError, match=r"^tenants/new/tier: unknown tier 'gold' \(tiers: standard, trial\)$"):
        loaded(SAMPLE).resolve_new("new", {"tier": "gold"})
    assert path.read_text() == SAMPLE


def test_a_preview_is_what_adding_gives_and_writes_nothing(write: Write) -> None:
    path = write(SAMPLE)
    found = registry.load(path)
    preview = found.resolve_new("initech", FIELDS)
    assert path.read_text() == SAMPLE
    assert "initech" not in found.tenant_ids()
    assert registry.add_tenant(path, "initech", FIELDS).registry.tenant("initech") == preview
    assert found.resolve_new("acme", {"tier": "standard", "ring": 1}) == found.tenant("acme")


EDITED = """\
tenants:
  acme: # the first
    tier: 'trial' # for now
    # in Europe
    region: "eu-west-1"
    window:
      days: [sat] # only
      start: "02:00"
      hours: 4
    # the end of acme

  globex: {ring: 1, tier: standard}
  initech:
    labels:
      a: b
"""


@pytest.mark.parametrize(
    ("field", "value", "old", "new"),
    [
        ("tenants/acme/tier", "standard", "'trial' #", "'standard' #"),
        ("tenants/acme/region", "us-east-1", '"eu-west-1"', '"us-east-1"'),
        ("tenants/acme/ring", 3, "    # the end of acme\n", "    # the end of acme\n    ring: 3\n"),
        ("tenants/acme/window/hours", 5, "hours: 4", "hours: 5"),
        ("tenants/acme/window/days", ["sat", "sun"], "[sat]", "[sat, sun]"),
        ("tenants/acme/window", None, EDITED[EDITED.index("    window") : EDITED.index("    # the end")], ""),
        (
            "tenants/acme/window",
            {"days": ["mon"], "start": "01:00", "hours": 2},
            EDITED[EDITED.index("    window") : EDITED.index("    # the end")],
            '    window:\n      days: [mon]\n      start: "01:00"\n      hours: 2\n',
        ),
        ("tenants/globex/ring", 2, "{ring: 1,", "{ring: 2,"),
        ("tenants/globex/ring", None, "{ring: 1, tier", "{tier"),
        ("tenants/globex/tier", None, ", tier: standard}", "}"),
        ("tenants/globex/region", "us-east-1", "standard}", "standard, region: us-east-1}"),
        ("tenants/globex/labels/x", "z", "standard}", "standard, labels: {x: z}}"),
        ("tenants/initech/labels/c", "d", "      a: b\n", "      a: b\n      c: d\n"),
        ("tenants/initech/labels/a", None, "    labels:\n      a: b\n", "    labels: {}\n"),
        ("tenants/initech/labels", None, "  initech:\n    labels:\n      a: b\n", "  initech: {}\n"),
        ("tenants/acme/pin/reason", "why", "", ""),
    ],
)
def test_a_field_is_set_in_place(write: Write, field: str, value: Any, old: str, new: str) -> None:
    path = write(HEAD + EDITED)
    if field.endswith("reason"):
        registry.set_field(path, "tenants/acme/release", "1.0.0")
        assert registry.set_field(path, field, value).changed
        assert '    # the end of acme\n    release: "1.0.0"\n    pin:\n      reason: why\n\n' in path.read_text()
        return
    assert registry.set_field(path, field, value).changed
    assert EDITED.count(old) == 1
    assert _after(path, HEAD) == EDITED.replace(old, new)
    before = path.stat()
    assert not registry.set_field(path, field, value).changed
    assert path.stat().st_ino == before.st_ino


def test_a_channel_moves_in_place(write: Write) -> None:
    path = write(SAMPLE)
    registry.set_field(path, "channels/stable", "1.0.0")
    assert path.read_text() == SAMPLE.replace('stable: "1.1.0"', 'stable: "1.0.0"')


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("tenants/acme/ring", 9, r"tenants/acme/ring: must be 0\.\.3, not 9"),
        ("tenants/acne/ring", 1, "can't set tenants/acne/ring in .*"),
        ("tenants/acme", {"ring": 1}, "can't set tenants/acme in .*"),
        ("tenants", {}, "can't set tenants in .*"),
        ("tiers/trial", None, "can't edit tiers/trial in place without changing anything else; nothing was written"),
        ("tiers/standard/multi_az", True, "can't edit tiers/standard/multi_az in place without .*"),
    ],
)
def test_an_edit_that_can_not_be_made_changes_nothing(write: Write, field: str, value: Any, message: str) -> None:
    path = write(SAMPLE)
    with pytest.raises(ProvisionError, match=f"^{message}$"):
        registry.set_field(path, field, value)
    assert path.read_text() == SAMPLE


@pytest.mark.parametrize(
    ("before", "tenant", "after"),
    [
        (EDITED, "acme", "tenants:\n" + EDITED[EDITED.index("\n  globex") :]),
        (EDITED, "globex", EDITED.replace("  globex: {ring: 1, tier: standard}\n", "")),
        (EDITED, "initech", EDITED[: EDITED.index("  initech")]),
        (EDITED[:-1], "initech", EDITED[: EDITED.index("  initech")]),
        ("tenants:\n  # a\n  acme: {ring: 1} # b\n  # c\n# d\n", "acme", "tenants: {}\n  # a\n  # c\n# d\n"),
        ("tenants: # all\n  acme:\n    ring: 1", "acme", "tenants: {} # all\n"),
        ("tenants: {acme: {ring: 1}}\n", "acme", "tenants: {}\n"),
        ("tenants: {b1: {}, acme: {}, b2: {}}\n", "acme", "tenants: {b1: {}, b2: {}}\n"),
        ("tenants: {b1: {}, acme: {}}\n", "acme", "tenants: {b1: {}}\n"),
    ],
)
def test_a_tenant_is_removed_in_place(write: Write, before: str, tenant: str, after: str) -> None:
    path = write(HEAD + before)
    edited = registry.remove_tenant(path, tenant)
    assert edited.changed
    assert tenant not in edited.registry.tenant_ids()
    assert _after(path, HEAD) == after
    assert not registry.remove_tenant(path, tenant).changed


def test_mode_and_links_stay(write: Write, tmp_path: Path) -> None:
    path = write(SAMPLE)
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to("tenants.yaml")
    registry.add_tenant(link, "initech", {})
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "initech" in path.read_text()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.yaml", "tenants.yaml"], "nothing is left beside it"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_owner_stays_when_root_edits(write: Write) -> None:
    path = write(SAMPLE)
    os.chown(path, 65534, 65534)
    registry.add_tenant(path, "initech", {})
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)


def test_a_failed_write_leaves_the_file_and_its_folder_as_they_were(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(SAMPLE)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProvisionError) as caught:
        registry.add_tenant(path, "initech", {})
    assert caught.value.message == f"can't write {path}: No space left on device; it is unchanged"
    assert path.read_text() == SAMPLE
    assert [p.name for p in tmp_path.iterdir()] == ["tenants.yaml"]


def _add(path: Path, first: int, count: int) -> None:
    for number in range(first, first + count):
        registry.add_tenant(path, f"t{number}", {"ring": number % 4}, today=TODAY)


def test_no_edit_of_another_process_is_lost(write: Write) -> None:
    path = write(SAMPLE)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add, args=(path, first, 8)) for first in (0, 8, 16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    found = registry.load(path)
    assert set(found.tenant_ids()) == {"acme", "globex", *(f"t{n}" for n in range(24))}
    assert path.read_text().startswith(SAMPLE)


def test_a_lock_that_is_held_too_long_is_an_error(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(SAMPLE)
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.0)
    with files.locked(path), pytest.raises(TimedOutError, match="another process has been editing"):
        registry.add_tenant(path, "initech", {})
    assert path.read_text() == SAMPLE


GROWN: dict[str, Any] = {"root_disk_gib": 40}
WHY = {"name": "Jane", "reason": "it fills up"}


def test_an_override_is_added_and_takes_the_place_of_the_one_before(write: Write) -> None:
    path = write(
        HEAD + "tenants:\n  acme: # ours\n    tier: trial\n    overrides:\n"
        "      - {setting: multi_az, value: true, name: Joe, reason: contract}\n  beta:\n"
    )
    assert registry.override(path, "acme", GROWN, **WHY, today=TODAY).changed
    assert not registry.override(path, "acme", GROWN, **WHY, today=TODAY).changed, "the same again"
    edited = registry.override(path, "acme", {"root_disk_gib": 60}, name="Joe", reason="more", today=TODAY)
    found = edited.registry.tenant("acme")
    assert (found.sizing.root_disk_gib, found.sizing.multi_az) == (60, True)
    assert [(o.setting, o.value, o.name) for o in found.overrides] == [
        ("multi_az", True, "Joe"),
        ("root_disk_gib", 60, "Joe"),
    ]
    assert "  acme: # ours\n    tier: trial\n" in path.read_text()
    assert path.read_text().endswith("  beta:\n")


def test_an_override_of_one_that_has_none(write: Write) -> None:
    path = write(HEAD + "tenants:\n  acme:\n")
    found = registry.override(path, "acme", {**GROWN, "database_class": "db.t4g.small"}, **WHY, today=TODAY)
    assert found.registry.tenant("acme").sizing.database_class == "db.t4g.small"


def test_an_override_loses_no_comment(write: Write) -> None:
    text = HEAD + (
        "tenants:\n  acme:\n    overrides:\n"
        "      - {setting: multi_az, value: true, name: Joe, reason: contract}\n"
        "      # ask Joe before you change this\n"
        "      - {setting: log_retention_days, value: 30, name: Joe, reason: contract}\n"
    )
    path = write(text)
    with pytest.raises(ProvisionError, match="a comment stands in it; nothing was written"):
        registry.override(path, "acme", GROWN, **WHY, today=TODAY)
    assert path.read_text() == text


def test_an_override_that_is_not_valid_or_of_nobody_is_refused(write: Write) -> None:
    path = write(HEAD + "tenants:\n  acme:\n")
    for tenant, settings in (("acme", {"root_disk_gib": 1}), ("acme", {"front": "door"}), ("amce", GROWN)):
        with pytest.raises(UsageError):
            registry.override(path, tenant, settings, **WHY, today=TODAY)
    assert path.read_text() == HEAD + "tenants:\n  acme:\n"
