"""Restores over fakes: what is meant, what would be lost, who allowed it, and which databases a tenant has when."""

from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from provisioner.model.cloud import Restorable
from provisioner.model.errors import ProvisionError, RefusedError, UsageError
from provisioner.model.json import Json
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.stack import DatabaseArgs
from provisioner.model.tenant import Waiver
from provisioner.ops import backup, loss, prune, restoring
from provisioner.ops.desired import known_databases, last_applied
from provisioner.ops.restore import beside, switched, without
from tests.unit.ops.fake_cloud import SOUND
from tests.unit.ops.fakes import FakeHouse, tenant
from tests.unit.ops.people import backed_up, made, quiet, restored


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


def suffixes(house: FakeHouse, tenant_id: str = "acme") -> list[tuple[str, bool]]:
    return [(d.suffix, d.kept) for d in known_databases(house, tenant_id)]


def test_the_point_serves_and_what_served_is_kept(acme: FakeHouse) -> None:
    point = backed_up(acme)
    result = restored(acme, point.id)
    ((first, kept), (second, serves)) = suffixes(acme)
    assert (first, kept, serves) == ("", True, False)
    assert second.startswith("r")
    assert [p.kind for p in acme.ledger.points(tenant="acme")] == ["before-restore", "manual"]
    assert result["old_database"] == "acme"
    record = acme.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.ACTIVE


def test_what_is_lost_is_said_before(acme: FakeHouse) -> None:
    point = backed_up(acme)
    acme.clock.at += timedelta(hours=3, minutes=12)
    words = restoring.propose(acme, "acme", point.id).loss
    assert words.startswith("3h12m of writes since 2026-11-22 12:00 UTC will be gone from acme")
    assert "kept until 2026-11-29" in words


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(seconds=45), "45s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(hours=3, minutes=2), "3h02m"),
        (timedelta(days=2, hours=4), "2d4h"),
        (timedelta(seconds=-1), "0s"),
    ],
)
def test_spans_in_words(length: timedelta, said: str) -> None:
    assert loss.span(length) == said


def test_a_time_is_restored_from_the_database_that_reaches_it(acme: FakeHouse) -> None:
    acme.clock.at += timedelta(hours=2)
    now = acme.clock.now()
    acme.fake_cloud.window = Restorable(now - timedelta(hours=1), now)
    at = (now - timedelta(minutes=30)).isoformat()
    source = restoring.propose(acme, "acme", at).source
    assert (source.database, source.release) == ("db-acme", "1.0.0")
    with pytest.raises(UsageError, match="only to a time from"):
        restoring.propose(acme, "acme", (now - timedelta(minutes=90)).isoformat())
    with pytest.raises(UsageError, match="in the future"):
        restoring.propose(acme, "acme", (now + timedelta(minutes=5)).isoformat())
    acme.fake_cloud.window = None
    with pytest.raises(UsageError, match="no automated backup"):
        restoring.propose(acme, "acme", at)


def test_a_database_that_is_not_right_goes_again_and_the_tenant_stays(acme: FakeHouse) -> None:
    point = backed_up(acme)
    damaged = deepcopy(SOUND)
    damaged["sentinel"]["value"]["tenant"] = "beta"
    acme.fake_cloud.answers["verify"] = damaged
    with pytest.raises(RefusedError, match="of tenant beta"):
        restored(acme, point.id)
    record = acme.ledger.tenant("acme")
    assert record is not None
    assert record.lifecycle is Lifecycle.ACTIVE
    assert suffixes(acme) == [("", False)]
    acme.fake_cloud.answers["verify"] = SOUND
    restored(acme, point.id)
    assert len(acme.ledger.operations(kinds=("restore",))) == 2, "a new restore, not the same again"


def test_one_that_was_cut_off_goes_on_in_the_same_words_only(acme: FakeHouse) -> None:
    point, other = backed_up(acme), backed_up(acme)
    acme.fake_engine.fail_up = ProvisionError("throttled")
    with pytest.raises(ProvisionError, match="throttled"):
        restored(acme, point.id)
    acme.fake_engine.fail_up = None
    with pytest.raises(UsageError, match="in other words"):
        restoring.propose(acme, "acme", other.id)
    assert restoring.propose(acme, "acme", point.id).resumed
    restored(acme, point.id)
    assert len(acme.ledger.operations(kinds=("restore",))) == 1


def test_one_that_was_cut_off_can_be_given_up(acme: FakeHouse) -> None:
    point = backed_up(acme)
    acme.fake_engine.fail_up = ProvisionError("throttled")
    with pytest.raises(ProvisionError):
        restored(acme, point.id)
    acme.fake_engine.fail_up = None
    restoring.abandon(acme, "acme", quiet)
    assert suffixes(acme) == [("", False)]
    with pytest.raises(UsageError, match="no restore"):
        restoring.abandon(acme, "acme", quiet)
    restored(acme, point.id)


def test_what_was_replaced_ends_on_its_day_with_a_point(acme: FakeHouse) -> None:
    restored(acme, backed_up(acme).id)
    acme.clock.at += timedelta(days=9)
    found = prune.look(acme, "acme", acme.file.tenant("acme").backup)
    assert found.databases == [""]
    (last,) = acme.ledger.operations(kinds=("restore",), limit=1)
    name = f"acme-{acme.clock.now():%Y%m%dt%H%M}"
    acme.fake_cloud.snapshot = lambda wanted: (  # type: ignore[method-assign, assignment]
        acme.fake_cloud.taken.get(wanted)
        or (acme.fake_cloud.make_snapshot("acme", wanted, {"provision:tenant": "acme"}) if name in wanted else None)
    )
    prune.prune(acme, acme.file, acme.file.tenants(), quiet)
    assert [kept for _, kept in suffixes(acme)] == [False]
    assert acme.ledger.points(tenant="acme")[0].kind == "replaced"
    assert last.status == "succeeded"


class TestConsent:
    """One tenant's data goes into another only by a waiver of the one whose data it is."""

    @pytest.fixture
    def two(self, acme: FakeHouse) -> FakeHouse:
        backed_up(acme)
        made(acme, "beta")
        return acme

    @staticmethod
    def allow(house: FakeHouse, expires: date, resource: str = "beta") -> None:
        waiver = Waiver(resource, "restore-into", "Ann", "a merger", expires)
        house.file.entries["acme"] = tenant("acme", waivers=(waiver,))

    def test_nobody_allowed_it(self, two: FakeHouse) -> None:
        point = two.ledger.points(tenant="acme")[0]
        with pytest.raises(RefusedError, match="nobody has allowed"):
            restoring.propose(two, "beta", point.id, owner="acme")

    def test_it_has_expired(self, two: FakeHouse) -> None:
        self.allow(two, date(2026, 11, 1))
        with pytest.raises(RefusedError, match="expired on 2026-11-01"):
            restoring.propose(two, "beta", two.ledger.points(tenant="acme")[0].id, owner="acme")

    def test_it_was_for_another(self, two: FakeHouse) -> None:
        self.allow(two, date(2026, 12, 1), "gamma")
        with pytest.raises(RefusedError, match="nobody"):
            restoring.propose(two, "beta", two.ledger.points(tenant="acme")[0].id, owner="acme")

    def test_the_snapshot_is_copied_under_the_new_ones_key(self, two: FakeHouse) -> None:
        self.allow(two, date(2026, 12, 1))
        two.prober.answers = [replace(two.prober.answers[0], tenant="beta")]
        restored(two, two.ledger.points(tenant="acme")[0].id, "beta", owner="acme")
        copies = [c for c in two.fake_cloud.calls if c.startswith("copy")]
        assert len(copies) == 1
        assert copies[0].endswith("under arn:key")
        made_from: Json = known_databases(two, "beta")[1].snapshot
        assert str(made_from).startswith("beta-import-")
        assert suffixes(two, "acme") == [("", False)], "the other one is untouched"

    def test_anothers_point_is_refused_without_owner(self, two: FakeHouse) -> None:
        with pytest.raises(UsageError, match="is of tenant acme, not of beta"):
            restoring.propose(two, "beta", two.ledger.points(tenant="acme")[0].id)


def test_a_point_whose_key_is_gone_is_refused(acme: FakeHouse) -> None:
    point = backed_up(acme)
    acme.fake_cloud.key = "PendingDeletion"
    with pytest.raises(RefusedError, match="its key arn:key is PendingDeletion"):
        restoring.propose(acme, "acme", point.id)
    assert suffixes(acme) == [("", False)]


def test_the_stages_of_databases(acme: FakeHouse) -> None:
    from provisioner.ops.desired import stack_args

    args = stack_args(acme, acme.file, acme.file.tenant("acme"), "1.0.0")
    new = DatabaseArgs("r1", snapshot="s")
    assert [(d.suffix, d.kept) for d in beside(args, new).databases] == [("", False), ("r1", True)]
    after = switched(args, new)
    assert [(d.suffix, d.kept) for d in after.databases] == [("", True), ("r1", False)]
    unprotected, gone = without(after, "", final="last")
    assert [d.final for d in unprotected.databases] == ["last", None]
    assert [d.suffix for d in gone.databases] == ["r1"]
    assert after.identifier(new) == "acme-r1"


def test_what_was_last_applied_has_no_pending_edit_and_the_databases_of_now(acme: FakeHouse) -> None:
    acme.file.entries["acme"] = tenant("acme", tier="trial")
    args = last_applied(acme, "acme")
    assert args is not None
    assert args.tier == "standard"
    acme.file.entries["acme"] = tenant("acme")
    restored(acme, backed_up(acme).id)
    args = last_applied(acme, "acme")
    assert args is not None
    assert args.databases == known_databases(acme, "acme")
    assert len(args.databases) == 2
    assert last_applied(acme, "nobody") is None


def test_a_restore_and_the_end_of_a_database_bring_no_pending_edit_with_them(acme: FakeHouse) -> None:
    point = backed_up(acme)
    applied = acme.ledger.tenant("acme")
    acme.file.entries["acme"] = tenant("acme", tier="trial")
    payload: Any = restoring.propose(acme, "acme", point.id).payload
    assert (payload["before"]["tier"], payload["args"]["tier"]) == ("standard", "standard")
    restored(acme, point.id)
    record = acme.ledger.tenant("acme")
    assert record is not None
    assert applied is not None
    assert record.applied_digest == applied.applied_digest  # the edit is still to be applied
    prune.end_database(acme, acme.file, acme.file.tenant("acme"), known_databases(acme, "acme")[0], quiet, days=1)
    ended: Any = acme.ledger.operations(kinds=("end-database",))[0].payload
    assert ended["args"]["tier"] == "standard"


def test_a_backup_that_was_cut_off_before_a_restore_is_not_gone_on_with(acme: FakeHouse) -> None:
    point = backed_up(acme)
    take = acme.fake_cloud.make_snapshot

    def throttled(*_: object) -> Any:
        raise ProvisionError("throttled")

    acme.fake_cloud.make_snapshot = throttled  # type: ignore[method-assign, assignment]
    with pytest.raises(ProvisionError):
        backed_up(acme)
    (lost,) = [p for p in acme.ledger.points(tenant="acme") if p.id != point.id]
    assert lost.status == "failed"  # so that its schedule tries again
    acme.fake_cloud.make_snapshot = take  # type: ignore[method-assign]
    restored(acme, point.id)
    now = backed_up(acme)
    assert now.id != lost.id
    assert now.database == acme.fake_engine.outputs_now["database_identifier"]
    assert [o.status for o in acme.ledger.operations(kinds=("backup",))] == ["succeeded", "cancelled", "succeeded"]


def test_no_point_is_made_of_a_database_that_serves_no_more(acme: FakeHouse) -> None:
    acme.fake_engine.outputs_now["database_identifier"] = "acme-r1"
    with pytest.raises(RefusedError, match="acme doesn't serve acme any more, acme-r1 does"):
        backup.create_one(acme, acme.file, acme.file.tenant("acme"), quiet)


def test_prune_spares_what_was_proven_after_its_list_was_made(acme: FakeHouse) -> None:
    for _ in range(2):
        acme.clock.at += timedelta(minutes=1)
        backed_up(acme)
    policy = acme.file.tenant("acme").backup
    old = acme.ledger.points(tenant="acme")[-1]
    ask = acme.ledger.begin_operation

    def proven(*args: Any, **more: Any) -> Any:
        acme.ledger.save_point(replace(old, proven_at=acme.clock.now()))
        return ask(*args, **more)

    assert prune.look(acme, "acme", policy).gone == [old.id]
    acme.ledger.begin_operation = proven  # type: ignore[method-assign]
    (done,) = prune.prune(acme, acme.file, acme.file.tenants(), quiet)
    assert done.error is None
    assert done.gone == []
    assert acme.fake_cloud.snapshot(old.id) is not None


def test_the_days_of_what_was_replaced_count_from_the_switch(acme: FakeHouse) -> None:
    point = backed_up(acme)
    acme.fake_engine.fail_up = ProvisionError("throttled")
    with pytest.raises(ProvisionError):
        restored(acme, point.id)
    acme.fake_engine.fail_up = None
    acme.clock.at += timedelta(days=30)
    result = restored(acme, point.id)
    last = acme.clock.now().date() + timedelta(days=7)
    assert prune.replaced(acme, "acme") == {"": last}
    assert result["kept_until"] == last.isoformat()


def test_a_time_means_the_database_that_served_then(acme: FakeHouse) -> None:
    before = acme.clock.now()
    acme.clock.at += timedelta(hours=1)
    restored(acme, backed_up(acme).id)
    acme.fake_cloud.window = Restorable(before, before + timedelta(days=1))
    made_id = str(acme.fake_engine.outputs_now["database_identifier"])
    acme.clock.at += timedelta(hours=1)
    now = acme.clock.now().isoformat()
    assert restoring.propose(acme, "acme", before.isoformat()).source.database == "db-acme"
    assert restoring.propose(acme, "acme", now).source.database == f"db-{made_id}"
