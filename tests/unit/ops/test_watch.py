"""What a worker looks at by itself, how often, and what comes of it."""

from datetime import timedelta

import pytest

from provisioner.model.cloud import Alarm, Health
from provisioner.model.errors import AuthenticationError
from provisioner.model.fleet.looks import FORECAST_EVERY, WATCH_EVERY, forecast_due, watch_due
from provisioner.ops.worker import due, tick
from tests.unit.model.fleet.people import NOW
from tests.unit.ops.fakes import FakeHouse
from tests.unit.ops.people import made, quiet


@pytest.fixture
def acme(house: FakeHouse) -> FakeHouse:
    made(house, "acme")
    return house


def looks(house: FakeHouse) -> list[str]:
    return [j.what for j in due(house, house.file) if j.what in ("watch", "forecast")]


def test_health_and_alarms_become_facts_and_are_looked_at_again(acme: FakeHouse) -> None:
    at = acme.clock.at
    acme.fake_cloud.alarmed = [
        Alarm("database-space", "firing", "Threshold crossed: 0.1 < 2", at),
        Alarm("machine-cpu", "silent", "Insufficient data", at),
        Alarm("machine-status", "ok", "", at),
    ]
    acme.prober.answers = [Health("unhealthy", "1.0.0", 1, "acme", "HTTP 503")]
    assert looks(acme) == ["watch", "forecast"]
    assert not {d.what for d in tick(acme, quiet)} & {"watch", "forecast"}, "looks are told where they fail only"
    record = acme.ledger.tenant("acme")
    assert record is not None
    assert record.facts["health"].value["status"] == "unhealthy"
    found = record.facts["alarms"].value
    assert found["silent"] == ["machine-cpu"]
    assert found["of"] == 3
    assert [a["name"] for a in found["firing"]] == ["database-space"]  # type: ignore[index, union-attr, call-overload]
    assert record.facts["forecast"].value["at"] is None
    assert looks(acme) == []
    acme.clock.at += WATCH_EVERY
    assert looks(acme) == ["watch"]
    acme.clock.at += FORECAST_EVERY
    assert looks(acme) == ["watch", "forecast"]


def test_a_cloud_that_can_not_be_asked_is_told(acme: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AuthenticationError("expired")

    monkeypatch.setattr(acme.fake_cloud, "alarms", refused)
    ends = {d.what: d.outcome for d in tick(acme, quiet)}
    assert ends["watch"] == "failed"
    assert looks(acme) == ["watch"]


def test_the_nearer_the_end_the_sooner_the_next_forecast() -> None:
    hours = timedelta(hours=1)
    assert forecast_due(None, None, NOW)
    assert not forecast_due(NOW - 5 * hours, None, NOW)
    assert forecast_due(NOW - 6 * hours, None, NOW)
    assert forecast_due(NOW - hours, NOW + 9 * hours, NOW)
    assert not forecast_due(NOW - hours, NOW + 90 * hours, NOW)
    assert not forecast_due(NOW - WATCH_EVERY / 2, NOW, NOW), "never more often than it is measured"
    assert forecast_due(NOW - WATCH_EVERY, NOW - hours, NOW)
    assert watch_due(NOW - WATCH_EVERY, NOW)
    assert not watch_due(NOW - WATCH_EVERY / 2, NOW)
