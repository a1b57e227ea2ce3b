"""`forecast`: what is asked of the cloud, what it means, and what the ledger keeps."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from provisioner.model.cloud import Metric, Reading
from provisioner.model.errors import AuthenticationError
from provisioner.model.forecast.forecast import Verdict
from provisioner.model.forecast.resources import Resource, connections, growth
from provisioner.model.lifecycle import Lifecycle
from provisioner.ops.forecast import FACT, Outlook, look
from provisioner.sandbox.databases import settings
from tests.unit.ops.fakes import FakeHouse, tenant

GIB = 1024**3


@pytest.fixture
def lived(house: FakeHouse) -> FakeHouse:
    """Acme is there."""
    ledger = house.ledger
    ledger.ensure_tenant("acme", "sandbox")
    ledger.set_lifecycle("acme", Lifecycle.PROVISIONING)
    ledger.set_lifecycle("acme", Lifecycle.ACTIVE)
    ledger.observe("acme", "machine", {"id": "i-1", "suffix": ""})
    ledger.observe("acme", "database", {"id": "acme", "address": "127.9.1.2", "port": 5432})
    return house


def measured(house: FakeHouse, metric: str, curve: Callable[[float], float], *, days: int = 40) -> None:
    """`curve`: days before now (negative) -> the metric's value."""
    hours = range(-24 * days, 0)
    now = house.clock.at
    house.fake_cloud.measured[metric] = [Reading(now + timedelta(hours=h, minutes=30), curve(h / 24)) for h in hours]


def asked(house: FakeHouse) -> dict[Resource, Outlook]:
    (found,) = look(house, [tenant()])
    assert [o.resource for o in found.outlooks] == list(Resource)
    return {o.resource: o for o in found.outlooks}


def test_a_disk_that_fills_is_said_with_its_date_and_what_more_costs(lived: FakeHouse) -> None:
    measured(lived, "disk_used_percent", lambda day: 80 + day)
    found = asked(lived)[Resource.DISK]
    size = tenant().sizing.root_disk_gib
    assert found.forecast.at is not None
    assert (found.forecast.at - lived.clock.at) / timedelta(days=1) == pytest.approx(20, abs=0.5)
    assert found.forecast.capacity == size
    assert found.forecast.used == pytest.approx(0.8 * size, rel=0.01)
    assert found.grow is not None
    assert found.grow.value == -(-size * 3 // 2)
    assert found.grow.usd == pytest.approx((found.grow.value - size) * 0.088)


def test_free_storage_is_used_storage(lived: FakeHouse) -> None:
    measured(lived, "FreeStorageSpace", lambda day: (10 - day / 4) * GIB)
    found = asked(lived)[Resource.STORAGE].forecast
    assert found.capacity == 20
    assert found.used == pytest.approx(10, rel=0.02)
    assert found.at is not None
    assert (found.at - lived.clock.at) / timedelta(days=1) == pytest.approx(40, abs=0.5)


def test_what_is_not_measured_is_unknown_and_never_fine(lived: FakeHouse) -> None:
    measured(lived, "CPUUtilization", lambda day: 20.0)
    found = asked(lived)
    unknown = {r for r, o in found.items() if o.forecast.verdict is Verdict.UNKNOWN}
    assert unknown == {Resource.DISK, Resource.STORAGE, Resource.CONNECTIONS}
    assert {found[r].forecast.why for r in unknown} == {"nothing was measured"}
    assert found[Resource.CPU].forecast.verdict is Verdict.NOT_BEFORE


@pytest.mark.parametrize("hours", [2, 7, 12, 30, 80])
def test_a_young_tenant_has_no_gaps(lived: FakeHouse, monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    """The cloud gives what was asked: a value for each period of its life."""
    born = lived.clock.at - timedelta(hours=hours)

    def readings(metrics: Sequence[Metric], start: datetime, end: datetime) -> list[list[Reading]]:
        found = []
        for metric in metrics:
            count = int((end - max(start, born)).total_seconds() / metric.period)
            steps = [timedelta(seconds=metric.period * (n + 0.5)) for n in range(count)]
            found.append([Reading(max(start, born) + step, 50.0) for step in steps])
        return found

    monkeypatch.setattr(lived.fake_cloud, "readings", readings)
    found = asked(lived)
    assert {found[r].forecast.verdict for r in (Resource.DISK, Resource.CPU)} == {Verdict.NOT_BEFORE}


def test_the_ledger_keeps_what_runs_out_first(lived: FakeHouse) -> None:
    measured(lived, "disk_used_percent", lambda day: 80 + day)
    measured(lived, "FreeStorageSpace", lambda day: (10 - day / 4) * GIB)
    measured(lived, "CPUUtilization", lambda day: 20.0)
    asked(lived)
    kept = lived.ledger.fact("acme", FACT)
    assert kept is not None
    assert kept.value["resource"] == "disk"
    assert str(kept.value["earliest"]) <= str(kept.value["at"]) <= str(kept.value["latest"])
    assert str(kept.value["at"]).startswith(str((lived.clock.at + timedelta(days=20)).date())[:8])
    assert kept.value["unknown"] == ["connections"]
    assert kept.value["not_before"] is not None


def test_a_tenant_without_a_record_is_unknown_and_nothing_is_kept(house: FakeHouse) -> None:
    assert {o.forecast.why for o in asked(house).values()} == {"there is nothing of it yet"}
    assert house.records() == []


def test_a_suspended_tenant_is_not_judged_by_what_it_was(lived: FakeHouse) -> None:
    lived.ledger.set_lifecycle("acme", Lifecycle.SUSPENDED)
    measured(lived, "disk_used_percent", lambda day: 80 + day)
    assert {o.forecast.why for o in asked(lived).values()} == {"it is suspended"}


def test_a_database_that_is_gone_is_unknown(lived: FakeHouse) -> None:
    lived.fake_cloud.database_status.clear()
    measured(lived, "FreeStorageSpace", lambda day: 10.0 * GIB)
    found = asked(lived)
    assert found[Resource.STORAGE].forecast.why == "its database isn't there"
    assert found[Resource.DISK].forecast.why == "nothing was measured"


def test_a_cloud_that_cannot_be_asked_is_an_answer(lived: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AuthenticationError("no AWS credentials were found", hint="aws sso login")

    monkeypatch.setattr(lived.fake_cloud, "readings", refuse)
    (found,) = look(lived, [tenant()])
    assert isinstance(found.error, AuthenticationError)
    assert {o.forecast.why for o in found.outlooks} == {"no AWS credentials were found"}
    kept = lived.ledger.fact("acme", FACT)
    assert kept is not None
    assert kept.value["unknown"] == [str(r) for r in Resource]


def test_connections_are_what_the_server_takes() -> None:
    assert connections("db.t4g.micro", sandbox=True) == float(settings._SMALL["max_connections"])
    known = [connections(f"db.t4g.{size}", sandbox=False) or 0 for size in ("micro", "small", "medium")]
    assert known == sorted(known)
    assert 70 <= known[0] <= 112
    assert connections("db.x2g.16xlarge", sandbox=False) is None


def test_growing_goes_one_step_and_says_when_it_can_not() -> None:
    sizing = tenant().sizing
    for resource in Resource:
        grow = growth(resource, sizing)
        assert grow is None or grow.usd is None or grow.usd > 0
