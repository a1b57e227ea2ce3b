"""`status` and `skew` over the fakes: from registry and ledger alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.model.cloud import Alarm, Health
from provisioner.model.errors import ProvisionError
from provisioner.model.fleet.skew import Cause, steps
from provisioner.model.tenant import Hold, Pin, Release
from provisioner.ops import fleet, skew
from tests.unit.ops.fakes import FakeHouse, tenant
from tests.unit.ops.people import backed_up, made

RELEASES = {
    "1.0.0": Release("1.0.0", {"sandbox": "/images/1"}, 1, "none", "code-only"),
    "1.1.0": Release("1.1.0", {"sandbox": "/images/2"}, 1, "none", "code-only", min_from="1.0.0"),
    "1.2.0": Release("1.2.0", {"sandbox": "/images/3"}, 1, "none", "code-only", min_from="1.1.0"),
    "1.9.0": Release("1.9.0", {"sandbox": "/images/4"}, 1, "none", "code-only", min_from="1.5.0"),
}


@pytest.fixture
def lived(house: FakeHouse) -> FakeHouse:
    made(house, "acme", "beta")
    return house


def look(house: FakeHouse) -> fleet.Fleet:
    return fleet.look(house, house.file, house.file.tenants())


def test_nothing_is_asked_of_any_cloud(lived: FakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lived, "cloud", None)
    monkeypatch.setattr(lived, "prober", None)
    found = look(lived)
    assert [s.id for s in found.tenants] == ["acme", "beta"]
    assert found.counts == {"now": 0, "soon": 0, "later": 0, "well": 2}


def test_a_disk_that_fills_puts_its_tenant_first(lived: FakeHouse) -> None:
    at = (lived.clock.at + timedelta(days=1)).isoformat()
    lived.ledger.observe("beta", "forecast", {"resource": "disk", "at": at, "earliest": at})
    found = look(lived)
    assert [s.id for s in found.tenants] == ["beta", "acme"]
    assert found.tenants[0].needs[0].next == "provision resize beta --disk 30"


def test_a_promise_that_time_breaks(lived: FakeHouse) -> None:
    backed_up(lived)
    lived.clock.at += timedelta(days=3)
    needs = {s.id: [n.key for n in s.needs] for s in look(lived).tenants}
    assert "backup" in needs["beta"]
    assert "unseen" in needs["acme"], "nobody has looked for three days"


def test_who_left_the_registry_is_an_orphan_unless_some_were_asked_for(lived: FakeHouse) -> None:
    lived.file.remove("beta")
    assert [(s.id, [n.key for n in s.needs]) for s in look(lived).tenants] == [("beta", ["orphaned"]), ("acme", [])]
    some = fleet.look(lived, lived.file, [lived.file.tenant("acme")], orphans=False)
    assert [s.id for s in some.tenants] == ["acme"]


def test_a_probe_is_a_newer_fact(lived: FakeHouse) -> None:
    lived.prober.answers = [Health("unhealthy", "1.0.0", 1, "acme", "HTTP 503")]
    fleet.probe(lived, [lived.file.tenant("acme")])
    first = look(lived).tenants[0]
    assert (first.id, first.health, first.needs[0].key) == ("acme", "unhealthy", "health")


def test_a_probe_asks_for_alarms_and_a_cloud_that_is_away_leaves_the_old_answer(lived: FakeHouse) -> None:
    full = Alarm("machine-disk", "firing", "Threshold crossed", lived.clock.at)
    lived.fake_cloud.alarmed = [full]
    fleet.probe(lived, [lived.file.tenant("acme")])
    assert look(lived).tenants[0].firing == ("machine-disk",)
    lived.fake_cloud.alarms = _away  # type: ignore[method-assign]
    fleet.probe(lived, [lived.file.tenant("acme")])
    assert look(lived).tenants[0].firing == ("machine-disk",)


def _away(tenant: str) -> list[Alarm]:
    raise ProvisionError("out of reach")


def test_skew_says_why_in_the_registry_s_words(lived: FakeHouse) -> None:
    made(lived, "gamma", "delta")
    lived.file.releases, lived.file.channels = RELEASES, {"stable": "1.2.0", "early": "1.0.0"}
    today = lived.clock.at.date()
    lived.file.entries["acme"] = tenant("acme", pin=Pin("their auditors", "Jane", today), channel=None)
    lived.file.entries["beta"] = tenant("beta", hold=Hold(today, "their audit", "John"), channel="stable")
    lived.file.entries["gamma"] = tenant("gamma", channel="early")
    lived.file.entries["delta"] = tenant("delta", channel="stable", desired_release="1.2.0")
    found = {s.tenant: s for s in skew.look(lived, lived.file, lived.file.tenants())}
    assert {t: s.cause for t, s in found.items()} == {
        "acme": Cause.PIN,
        "beta": Cause.HOLD,
        "gamma": Cause.CHANNEL,
        "delta": Cause.NO_ROLLOUT,
    }
    assert "their auditors" in found["acme"].detail
    assert "John: their audit" in found["beta"].detail
    assert found["delta"].next == "provision rollout start 1.2.0 --tenant delta"
    assert (found["delta"].behind, found["delta"].steps, found["delta"].since) == (2, 2, None)


def test_who_is_ahead_is_so_since_it_came_there(lived: FakeHouse) -> None:
    lived.file.releases = RELEASES
    lived.ledger.assign_release("acme", "1.1.0")
    at = lived.clock.at
    (found,) = skew.look(lived, lived.file, lived.file.tenants())
    assert (found.behind, found.steps) == (-1, None)
    assert found.since is not None
    assert abs(found.since - at) < timedelta(seconds=1)


def test_steps_go_over_the_releases_that_must_be_gone_over() -> None:
    assert steps("1.0.0", "1.0.0", RELEASES) == 0
    assert steps("1.1.0", "1.2.0", RELEASES) == 1
    assert steps("1.0.0", "1.2.0", RELEASES) == 2
    assert steps("1.0.0", "1.9.0", RELEASES) is None, "1.5.0 is gone"
    assert steps("1.0.0", "1.2.0", {**RELEASES, "1.2.0": replace(RELEASES["1.2.0"], min_from=None)}) == 1
