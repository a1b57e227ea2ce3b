"""Upgrades over fakes, when more goes wrong than the release: an ill present, a switch that fails, a stuck tenant, a
busy cloud, a window that closes, what a migration prints."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.errors import AuthenticationError, EngineError, ProvisionError, StuckError, UsageError
from provisioner.model.ledger import OperationStatus
from provisioner.model.lifecycle import Lifecycle
from provisioner.ops import restoring
from provisioner.ops.operations import points_in_use
from provisioner.ops.upgrade.outcome import Ending
from provisioner.ops.upgrade.run import begun, waiting
from tests.unit.ops.moving import OPERATION, RELEASES, House, moved_in
from tests.unit.ops.people import quiet
from tests.unit.ops.stepping import fails_of
from tests.unit.ops.upgrading import proposed, ran, state, upgraded

ACTIVE, FAILED = Lifecycle.ACTIVE, Lifecycle.FAILED


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = moved_in(tmp_path)
    house.file.releases["1.6.0"] = replace(RELEASES["1.1.0"], version="1.6.0", migration="none")
    RELEASES.setdefault("1.6.0", house.file.releases["1.6.0"])
    yield house
    house.ledger.close()


def balanced(house: House, version: str) -> Any:
    """The payload of a tenant's behind a balancer."""
    payload = proposed(house, version)
    for part in ("args", "before"):
        payload[part]["sizing"]["front"] = "balancer"
    return payload


def operation(house: House, number: int = 0) -> Any:
    found = house.ledger.operation(OPERATION + str(number))
    assert found is not None
    return found


def ill_now(house: House) -> None:
    """What serves is ill from now on."""
    house.prober.ill = house.fake_engine.serving[0]
    house.prober.asked.append(house.prober.ill)


def test_a_migration_that_prints_its_password_is_undone_as_any_other(house: House) -> None:
    house.fake_cloud.failing = "migrate"
    house.fake_cloud.words = "psycopg.Error: postgresql://product:hunter2@db/product\nDETAIL:  Key (a)=(Anna) exists."
    done = upgraded(house, "1.1.0")
    assert done.outcome.ending is Ending.UNDONE
    assert "postgresql://***@db/product" in str(done.outcome.cause)
    assert not {"hunter2", "Anna"} & set(str(operation(house)).replace("=", " ").split())
    assert state(house) == (ACTIVE, "1.0.0", "")


class TestMends:
    """The present release is the ill one."""

    def test_one_that_is_ill_is_mended_forward_and_its_illness_is_on_the_record(self, house: House) -> None:
        ill_now(house)
        done = upgraded(house, "1.1.0", mends=True)
        assert done.outcome.ending is Ending.UPGRADED, done.outcome.cause
        result: Any = done.result
        assert "unhealthy" in result["was_ill"]
        assert state(house) == (ACTIVE, "1.1.0", "b")

    @pytest.mark.parametrize("broken", ["gate", "b+a"])
    def test_where_that_fails_it_is_as_ill_as_before(self, house: House, broken: str) -> None:
        ill_now(house)
        house.fake_engine.broken = house.fake_cloud.failing = broken
        done = upgraded(house, "1.1.0", mends=True)
        assert done.outcome.ending is Ending.UNDONE
        assert house.fake_engine.seen[-1] == "a"
        assert (state(house), operation(house).status) == ((ACTIVE, "1.0.0", ""), OperationStatus.UNDONE)

    def test_one_that_is_well_needs_no_mending(self, house: House) -> None:
        result: Any = upgraded(house, "1.1.0", mends=True).result
        assert result["was_ill"] is None


class TestStuck:
    """On the new release, not well, and no way back that loses nothing."""

    def stuck(self, house: House, version: str = "1.3.0") -> None:
        house.prober.ill = version
        done = upgraded(house, version)
        assert done.outcome.ending is Ending.STUCK
        assert isinstance(done.error, StuckError)
        assert (state(house), operation(house).status) == ((FAILED, version, "b"), OperationStatus.STUCK)
        assert waiting(house, "acme", "1.6.0") is None, "it is over"

    def test_a_later_release_mends_it(self, house: House) -> None:
        self.stuck(house)
        done = upgraded(house, "1.6.0", number=1)
        assert done.outcome.ending is Ending.UPGRADED, done.outcome.cause
        assert state(house) == (ACTIVE, "1.6.0", "")

    def test_a_later_release_that_fails_leaves_it_as_it_was_and_another_one_may_come(self, house: House) -> None:
        self.stuck(house)
        house.fake_cloud.failing = "gate"
        done = upgraded(house, "1.6.0", number=1)
        assert (done.outcome.ending, state(house)) == (Ending.UNDONE, (FAILED, "1.3.0", "b"))
        house.fake_cloud.failing = None
        assert upgraded(house, "1.6.0", number=2).outcome.ending is Ending.UPGRADED
        assert state(house) == (ACTIVE, "1.6.0", "")

    def test_a_restore_of_the_point_from_before_ends_it(self, house: House) -> None:
        self.stuck(house, "1.2.0")
        [point] = house.ledger.points(tenant="acme")
        assert point.id in points_in_use(house, "acme"), "it is the way back"
        restoring.carry_out(house, restoring.propose(house, "acme", point.id), quiet)
        assert state(house)[:2] == (ACTIVE, "1.0.0")
        assert point.id not in points_in_use(house, "acme")

    @pytest.mark.parametrize("well", [True, False])
    def test_the_same_again_looks_whether_it_is_well_by_now(self, house: House, well: bool) -> None:
        self.stuck(house)
        known = waiting(house, "acme", "1.3.0")
        assert known is not None
        house.prober.ill = None if well else "1.3.0"
        seen = list(house.fake_engine.seen)
        done = ran(house, "1.3.0", known.payload)
        assert done.outcome.ending is (Ending.UPGRADED if well else Ending.STUCK)
        assert state(house) == (ACTIVE if well else FAILED, "1.3.0", "b")
        assert operation(house).status is (OperationStatus.SUCCEEDED if well else OperationStatus.STUCK)
        assert house.fake_engine.seen == seen, "nothing is changed by looking"

    def test_one_that_was_mended_otherwise_is_not_looked_at_again(self, house: House) -> None:
        self.stuck(house)
        upgraded(house, "1.6.0", number=1)
        assert ran(house, "1.3.0", operation(house).payload).outcome.ending is Ending.STUCK
        assert state(house) == (ACTIVE, "1.6.0", "")

    def test_any_other_tenant_that_failed_is_not_upgraded(self, house: House) -> None:
        house.ledger.set_lifecycle("acme", Lifecycle.UPDATING)
        house.ledger.set_lifecycle("acme", FAILED)
        with pytest.raises(UsageError, match="it is failed"):
            proposed(house, "1.1.0")


class TestSwitch:
    """It fails: whether the new release has served is what the cloud says."""

    @pytest.mark.parametrize("version", ["1.1.0", "1.3.0"])
    def test_where_nobody_was_moved_it_is_as_before(self, house: House, version: str) -> None:
        house.fake_engine.broken = "b+a"
        done = upgraded(house, version)
        assert (done.outcome.ending, done.outcome.step) == (Ending.UNDONE, "switch")
        assert house.fake_engine.seen[-1] == "a"
        assert state(house) == (ACTIVE, "1.0.0", "")

    def test_after_an_offline_migration_the_database_goes_back(self, house: House) -> None:
        house.fake_engine.broken = "b+a"
        done = upgraded(house, "1.2.0")
        assert (done.outcome.ending, done.outcome.step) == (Ending.UNDONE, "switch")
        assert "start i-a" in house.fake_cloud.calls
        assert state(house)[:2] == (ACTIVE, "1.0.0")
        assert house.fake_engine.database.startswith("acme-")

    @pytest.mark.parametrize("version", ["1.2.0", "1.3.0"])
    def test_where_they_were_moved_nothing_is_taken_from_them(self, house: House, version: str) -> None:
        house.fake_engine.broken, house.fake_engine.moves = "b+a", True
        done = upgraded(house, version)
        assert (done.outcome.ending, done.outcome.step) == (Ending.STUCK, "switch")
        assert house.fake_engine.seen[-1] == "b", "the old machine goes"
        assert state(house) == (FAILED, version, "b")
        house.fake_engine.broken = None
        assert ran(house, version, operation(house).payload).outcome.ending is Ending.UPGRADED, "it is well"

    def test_where_code_alone_goes_back_it_does(self, house: House) -> None:
        house.fake_engine.broken, house.fake_engine.moves = "b+a", True
        done = upgraded(house, "1.1.0")
        assert done.outcome.ending is Ending.UNDONE
        assert house.fake_engine.seen == ["a+b", "b+a", "a+b", "a"]
        assert (state(house), house.fake_cloud.receivers) == ((ACTIVE, "1.0.0", ""), ["i-a"])


class TestBalancer:
    def test_offline_nobody_reaches_the_new_release_before_the_switch(self, house: House) -> None:
        done = ran(house, "1.2.0", balanced(house, "1.2.0"))
        assert done.outcome.ending is Ending.UPGRADED, done.outcome.cause
        assert house.fake_engine.seen == ["a+b", "b+a", "b"]
        assert [c for c in house.fake_cloud.calls if c.startswith("target")] == ["target i-b", "target i-a"]

    def test_offline_one_that_the_balancer_does_not_take_has_been_reachable(self, house: House) -> None:
        house.fake_cloud.unhealthy = "i-b"
        done = ran(house, "1.2.0", balanced(house, "1.2.0"))
        assert (done.outcome.ending, done.outcome.step) == (Ending.STUCK, "settle")

    @pytest.mark.parametrize("version", ["1.1.0", "1.3.0"])
    def test_online_one_that_the_balancer_never_took_has_not_served(self, house: House, version: str) -> None:
        del house.file.releases["1.2.0"]  # whose migration is offline
        house.fake_cloud.unhealthy = "i-b"
        done = ran(house, version, balanced(house, version))
        assert (done.outcome.ending, done.outcome.step) == (Ending.UNDONE, "attach")
        assert house.fake_engine.seen[-1] == "a"
        assert state(house) == (ACTIVE, "1.0.0", "")

    @pytest.mark.parametrize(("shape", "step"), [("a+b*", "attach"), ("b+a", "switch")])
    def test_online_one_that_it_took_has_served(self, house: House, shape: str, step: str) -> None:
        del house.file.releases["1.2.0"]
        house.fake_engine.broken, house.fake_engine.moves = shape, True
        done = ran(house, "1.3.0", balanced(house, "1.3.0"))
        assert (done.outcome.ending, done.outcome.step) == (Ending.STUCK, step)
        assert state(house) == (FAILED, "1.3.0", "b")


class TestPatience:
    BUSY = EngineError("creating machine: RequestLimitExceeded: Request limit exceeded.")

    @pytest.mark.parametrize("shape", ["a+b", "b+a", "b"])
    def test_what_the_cloud_is_busy_with_is_tried_again(self, house: House, shape: str) -> None:
        house.fake_engine.broken, house.fake_engine.error, house.fake_engine.times = shape, self.BUSY, 2
        assert upgraded(house, "1.1.0").outcome.ending is Ending.UPGRADED
        assert house.fake_engine.seen.count(shape) == 3

    def test_also_when_it_is_undone(self, house: House) -> None:
        house.fake_cloud.failing = "gate"
        house.fake_engine.broken, house.fake_engine.error, house.fake_engine.times = "a", self.BUSY, 3
        assert upgraded(house, "1.1.0").outcome.ending is Ending.UNDONE
        assert house.fake_engine.seen == ["a+b", "a", "a", "a", "a"]

    def test_not_for_ever(self, house: House) -> None:
        house.fake_engine.broken, house.fake_engine.error = "a+b", self.BUSY
        done = upgraded(house, "1.1.0")
        assert (done.outcome.ending, house.fake_engine.seen) == (Ending.UNDONE, ["a+b"] * 4 + ["a"])

    def test_what_is_not_the_cloud_s_is_not(self, house: House) -> None:
        house.fake_engine.broken = "a+b"
        upgraded(house, "1.1.0")
        assert house.fake_engine.seen == ["a+b", "a"]

    def test_an_undo_that_failed_goes_on(self, house: House) -> None:
        house.fake_cloud.failing, house.fake_engine.broken = "gate", "a"
        with pytest.raises(ProvisionError, match="the cloud said no"):
            upgraded(house, "1.1.0")
        known = waiting(house, "acme", "1.1.0")
        assert known is not None
        house.fake_engine.broken = None
        assert ran(house, "1.1.0", known.payload).outcome.ending is Ending.UNDONE
        assert state(house) == (ACTIVE, "1.0.0", "")


def test_a_restore_that_was_cut_off_goes_on_by_the_same_command(house: House) -> None:
    house.fake_cloud.failing = "migrate"
    real = house.operations.run
    house.operations.run = fails_of("restore", real)
    with pytest.raises(EngineError):
        upgraded(house, "1.2.0")
    with pytest.raises(UsageError, match=r"to 1\.2\.0 was cut off, and 1\.3\.0 is something else"):
        begun(house, "acme", "1.3.0")
    house.operations.run, house.fake_cloud.failing = real, None
    known = begun(house, "acme", "1.2.0")
    assert known is not None
    assert ran(house, "1.2.0", known.payload).outcome.ending is Ending.UNDONE
    assert state(house)[:2] == (ACTIVE, "1.0.0")


class TestClosing:
    def when(self, house: House, minutes: int) -> Any:
        """A window that is open for so long."""
        return {"window": {"days": ["sun"], "start": "12:00", "hours": 1}, "zone": "UTC", "ring": 2, "freezes": []}

    @pytest.mark.parametrize("version", ["1.1.0", "1.2.0"])
    def test_one_whose_window_has_closed_meanwhile_is_not_disturbed(self, house: House, version: str) -> None:
        payload = proposed(house, version, when=self.when(house, 60))
        house.fake_engine.broken, house.fake_engine.error = "a+b", AuthenticationError("expired")
        with pytest.raises(AuthenticationError):
            ran(house, version, payload)
        house.fake_engine.broken = None
        house.clock.at += timedelta(hours=3)
        done = ran(house, version, payload)
        assert (done.outcome.ending, done.outcome.step) == (Ending.NOT_NOW, "close")
        assert house.fake_engine.seen == ["a+b", "a+b", "a"]
        assert not [c for c in house.fake_cloud.calls if c.startswith(("stop", "snapshot"))]
        assert state(house) == (ACTIVE, "1.0.0", "")

    def test_where_it_stops_inside_the_ledger_says_that_nobody_serves(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stop = house.fake_cloud.stop_machine

        def stopped(machine: str) -> None:
            stop(machine)
            raise AuthenticationError("expired")

        payload = proposed(house, "1.2.0")
        monkeypatch.setattr(house.fake_cloud, "stop_machine", stopped)
        with pytest.raises(AuthenticationError):
            ran(house, "1.2.0", payload)
        assert state(house)[0] is FAILED
        monkeypatch.undo()
        assert ran(house, "1.2.0", payload).outcome.ending is Ending.UPGRADED

    def test_before_it_was_closed_it_serves(self, house: House) -> None:
        house.fake_engine.broken, house.fake_engine.error = "a+b", AuthenticationError("expired")
        with pytest.raises(AuthenticationError):
            upgraded(house, "1.2.0")
        assert state(house)[0] is ACTIVE


class TestOutage:
    def outage(self, house: House) -> Any:
        fact = house.ledger.fact("acme", "outage")
        return fact.value if fact else None

    def test_it_ends_with_the_first_good_answer(self, house: House) -> None:
        done = upgraded(house, "1.2.0")
        result: Any = done.result
        assert result["outage_seconds"] == done.outcome.outage_seconds == self.outage(house)["seconds"]
        assert self.outage(house)["operation"] == OPERATION + "0"

    def test_it_begins_with_the_first_stop(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        payload = proposed(house, "1.2.0")
        monkeypatch.setattr(house.fake_cloud, "make_snapshot", _expired)
        with pytest.raises(AuthenticationError):
            ran(house, "1.2.0", payload)
        began = self.outage(house)["at"]
        monkeypatch.undo()
        house.clock.at += timedelta(hours=1)
        done = ran(house, "1.2.0", payload)
        assert self.outage(house)["at"] == began
        assert done.outcome.outage_seconds is not None
        assert done.outcome.outage_seconds > 3600

    @pytest.mark.parametrize("broken", ["snapshot", "migrate"])
    def test_one_that_ends_by_going_back_is_measured_too(
        self, house: House, broken: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if broken == "snapshot":
            monkeypatch.setattr(house.fake_cloud, "make_snapshot", _full)
        house.fake_cloud.failing = broken
        real = house.operations.run

        def run(kind: str, *rest: Any) -> Any:
            house.fake_cloud.failing = None if kind == "restore" else house.fake_cloud.failing
            monkeypatch.undo() if kind == "restore" else None
            return real(kind, *rest)

        house.operations.run = run
        done = upgraded(house, "1.2.0")
        assert done.outcome.ending is Ending.UNDONE
        assert done.outcome.outage_seconds == self.outage(house)["seconds"]
        assert "nobody was served for" in str(done.outcome.told)

    def test_without_one_there_is_none(self, house: House) -> None:
        done = upgraded(house, "1.1.0")
        assert (self.outage(house), done.outcome.outage_seconds) == (None, None)


def _expired(*_: Any) -> Any:
    raise AuthenticationError("expired")


def _full(*_: Any) -> Any:
    raise ProvisionError("no snapshot today")
