"""Recovery points that a way back needs stay, whatever their day: of a rollout that isn't over, and of an upgrade whose
database waits to be restored."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.ledger import Holder
from provisioner.model.recovery import PointKind
from provisioner.model.rollout.states import RolloutStatus
from provisioner.ops import prune
from provisioner.ops.rollout import verbs
from provisioner.ops.rollout.find import lease_of
from provisioner.ops.rollout.propose import Words, propose
from tests.unit.ops.moving import House, moved_in
from tests.unit.ops.people import backed_up, quiet
from tests.unit.ops.test_upgrade_cut_off import owed
from tests.unit.ops.upgrading import upgraded

LATER = timedelta(days=60)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    yield house
    house.ledger.close()


def before(house: House) -> str:
    [point] = [p for p in house.ledger.points(tenant="acme") if p.kind is PointKind.BEFORE_UPGRADE]
    return point.id


def gone(house: House) -> list[str]:
    """What a look finds, and what a prune really takes."""
    tenant = house.file.tenant("acme")
    found = prune.look(house, "acme", tenant.backup).gone
    [done] = prune.prune(house, house.file, [tenant], quiet)
    assert done.gone == found
    return found


def test_of_a_rollout_it_stays_until_that_is_over(house: House) -> None:
    plan = propose(house, house.file, house.file.tenants(), Words("1.1.0"))
    rollout = verbs.start(house, plan, "jane").id
    upgraded(house, "1.1.0", rollout=rollout)
    house.clock.at += LATER
    backed_up(house)
    assert before(house) not in gone(house)
    lease = house.ledger.acquire_lease(lease_of(rollout), rollout, "it", Holder("w", "", 7, "", "joe"), LATER)
    for status in (RolloutStatus.PAUSED, RolloutStatus.RUNNING):
        house.ledger.set_rollout(rollout, status, cause="x", lease=lease)
        assert before(house) not in gone(house)
    house.ledger.set_rollout(rollout, RolloutStatus.SUCCEEDED, cause="x", lease=lease)
    record = house.ledger.rollout(rollout)
    assert record is not None
    verbs.rollback(house, record)
    assert before(house) not in gone(house)
    house.ledger.set_rollout(rollout, RolloutStatus.ROLLED_BACK, cause="x", lease=lease)
    point = before(house)
    assert point in gone(house)


@pytest.mark.parametrize("rollout", [{}, {"rollout": "1.1.0-unknown"}])
def test_of_any_other_it_goes_on_its_day(house: House, rollout: dict[str, Any]) -> None:
    upgraded(house, "1.1.0", **rollout)
    house.clock.at += LATER
    backed_up(house)
    point = before(house)
    assert point in gone(house)


def test_where_the_database_waits_to_be_restored_it_stays(house: House) -> None:
    backed_up(house)
    owed(house)
    house.clock.at += LATER
    point = house.ledger.point(before(house))
    assert point is not None
    newer = replace(point, id="acme-newer", kind=PointKind.BEFORE_RESTORE, taken_at=house.clock.at, operation_id=None)
    house.ledger.save_point(replace(newer, expires=None))
    assert point.id not in prune.look(house, "acme", house.file.tenant("acme").backup).gone
