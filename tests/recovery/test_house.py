"""What a real cluster would take long to show, over fakes: findings that are told once, and restores that come to
nothing."""

from copy import deepcopy
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.cloud import Restorable
from provisioner.model.errors import ProvisionError, RefusedError
from provisioner.model.lifecycle import Lifecycle
from provisioner.model.recovery import RecoveryPoint
from provisioner.model.tenant import Waiver
from provisioner.ops import drill, offboard, restoring
from tests.unit.ops.fake_cloud import SOUND
from tests.unit.ops.fakes import FakeHouse, tenant
from tests.unit.ops.people import backed_up, made, quiet


@pytest.fixture
def acme(tmp_path: Path) -> FakeHouse:
    house = FakeHouse(tmp_path)
    made(house, "acme")
    return house


def says(house: FakeHouse, part: str, value: Any) -> None:
    """From now on the restored databases say this."""
    answer = deepcopy(SOUND)
    answer[part]["value"] = value
    house.fake_cloud.answers["verify"] = answer


def verdict(house: FakeHouse, point: RecoveryPoint) -> str:
    found = drill.drill_one(house, house.file, house.file.tenant("acme"), quiet, point=point.id)
    return str(found["verdict"])


def lifecycle(house: FakeHouse) -> Lifecycle:
    record = house.ledger.tenant("acme")
    assert record is not None
    return record.lifecycle


def test_fewer_rows_are_told_once(acme: FakeHouse) -> None:
    """A customer may delete, and must not be without a proof for ever."""
    assert verdict(acme, backed_up(acme)) == "passed"
    says(acme, "rows", {"notes": 30, "people": 10})
    assert [verdict(acme, backed_up(acme)) for _ in range(2)] == ["failed", "passed"]
    says(acme, "rows", {"notes": 14, "people": 10})
    assert verdict(acme, backed_up(acme)) == "failed", "compared with what was found then"


def test_fewer_rows_beside_other_damage_are_told_again(acme: FakeHouse) -> None:
    assert verdict(acme, backed_up(acme)) == "passed"
    says(acme, "rows", {"notes": 30, "people": 10})
    acme.fake_cloud.answers["verify"]["amcheck"] = {"code": 2, "text": "damage"}
    assert verdict(acme, backed_up(acme)) == "failed"
    says(acme, "rows", {"notes": 30, "people": 10})
    assert verdict(acme, backed_up(acme)) == "failed"


def test_who_deleted_much_can_leave_at_the_second_word(acme: FakeHouse, tmp_path: Path) -> None:
    assert verdict(acme, backed_up(acme)) == "passed"
    says(acme, "rows", {"notes": 0, "people": 0})
    with pytest.raises(RefusedError, match="fewer than before: notes: 0 of 100"):
        _offboarded(acme, tmp_path)
    assert lifecycle(acme) is Lifecycle.ACTIVE
    _offboarded(acme, tmp_path)
    assert lifecycle(acme) is Lifecycle.SUSPENDED


def test_an_older_point_may_have_fewer_rows_than_a_newer_one(acme: FakeHouse) -> None:
    older = backed_up(acme)
    acme.clock.at += timedelta(hours=1)
    assert verdict(acme, backed_up(acme)) == "passed"
    says(acme, "rows", {"notes": 30, "people": 10})
    assert verdict(acme, older) == "passed"


def test_a_failed_tenant_can_leave(acme: FakeHouse, tmp_path: Path) -> None:
    _failed(acme)
    _offboarded(acme, tmp_path)
    assert lifecycle(acme) is Lifecycle.SUSPENDED


@pytest.mark.parametrize("found", [None, {**SOUND["sentinel"]["value"], "schema_version": 0}])
def test_a_time_before_the_first_sentinel_can_be_restored(acme: FakeHouse, found: Any) -> None:
    says(acme, "sentinel", found)
    _restored(acme, _time(acme))
    assert lifecycle(acme) is Lifecycle.ACTIVE


def test_a_time_of_which_the_sentinel_is_anothers_cannot(acme: FakeHouse) -> None:
    says(acme, "sentinel", {**SOUND["sentinel"]["value"], "tenant": "beta"})
    with pytest.raises(RefusedError, match="of tenant beta"):
        _restored(acme, _time(acme))


def test_a_restore_that_came_to_nothing_leaves_a_failed_tenant_failed(acme: FakeHouse) -> None:
    point = backed_up(acme)
    _failed(acme)
    acme.fake_engine.fail_up = ProvisionError("throttled")
    with pytest.raises(ProvisionError, match="throttled"):
        _restored(acme, point.id)
    assert lifecycle(acme) is Lifecycle.FAILED
    acme.fake_engine.fail_up = None
    restoring.abandon(acme, "acme", quiet)
    assert lifecycle(acme) is Lifecycle.FAILED


def test_giving_up_can_be_given_up_too(acme: FakeHouse) -> None:
    """A second try goes on with the first, and the restore is over only then."""
    point = backed_up(acme)
    acme.fake_engine.fail_up = ProvisionError("throttled")
    for attempt in (lambda: _restored(acme, point.id), lambda: restoring.abandon(acme, "acme", quiet)):
        with pytest.raises(ProvisionError, match="throttled"):
            attempt()
    acme.fake_engine.fail_up = None
    restore = restoring.abandon(acme, "acme", quiet)
    (ended,) = acme.ledger.operations(kinds=("end-database",))
    found = acme.ledger.operation(restore)
    assert found is not None
    assert (ended.status, found.status) == ("succeeded", "cancelled")


def test_what_was_copied_for_a_restore_goes_with_it(acme: FakeHouse) -> None:
    """Also where it was found wanting: it would stop the goodbye of the tenant that has it."""
    point = backed_up(acme)
    made(acme, "beta")
    waiver = Waiver("beta", "restore-into", "Ann", "a merger", date(2026, 12, 1))
    acme.file.entries["acme"] = tenant("acme", waivers=(waiver,))
    says(acme, "sentinel", None)
    acme.fake_engine.outputs_now["database_identifier"] = "beta"
    with pytest.raises(RefusedError, match="there is no sentinel row"):
        _restored(acme, point.id, "beta", owner="acme")
    assert [name for name in acme.fake_cloud.taken if "-import-" in name] == []


def _failed(house: FakeHouse) -> None:
    house.ledger.set_lifecycle("acme", Lifecycle.UPDATING)
    house.ledger.set_lifecycle("acme", Lifecycle.FAILED, cause="a change")


def _time(house: FakeHouse) -> str:
    house.clock.at += timedelta(hours=2)
    now = house.clock.now()
    house.fake_cloud.window = Restorable(now - timedelta(hours=1), now)
    return (now - timedelta(minutes=30)).isoformat()


def _offboarded(house: FakeHouse, folder: Path) -> None:
    house.fake_cloud.objects = {"provision-export/database.dump": b"dump"}
    offboard.carry_out(house, offboard.propose(house, "acme", folder=folder / "export"), quiet)


def _restored(house: FakeHouse, to: str, tenant_id: str = "acme", owner: str | None = None) -> None:
    """A restore, whose new database the fake engine knows from then on."""
    proposal = restoring.propose(house, tenant_id, to, owner=owner)
    suffix = str(proposal.payload["made"]["suffix"])  # type: ignore[index,call-overload]
    known: Any = house.fake_engine.outputs_now["databases"]
    entry = {**known[""], "identifier": f"{tenant_id}-{suffix}"}
    house.fake_engine.outputs_now = {**house.fake_engine.outputs_now, "databases": {**known, suffix: entry}}
    restoring.carry_out(house, proposal, quiet)
