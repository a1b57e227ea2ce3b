"""A lease for work that isn't an operation: whoever drives a rollout has one."""

import time

import pytest

from provisioner.ledger.holder import current_holder
from provisioner.model.errors import CancelledError, LeaseHeldError, LeaseLostError
from tests.unit.durable.conftest import Durable

ID = "1.3.0-abcdef"
SUBJECT = f"rollout/{ID}"
REASON = "release 1.3.0 is being rolled out"
SOON = 20.0


def test_it_is_held_as_long_as_the_body_runs(durable: Durable) -> None:
    with durable.operations.hold(SUBJECT, ID, REASON) as hold:
        assert durable.ledger.lease(SUBJECT) == hold.lease
        assert (hold.lease.operation_id, hold.lease.holder) == (ID, current_holder())
        hold.check()
    assert durable.ledger.lease(SUBJECT) is None
    with pytest.raises(RuntimeError), durable.operations.hold(SUBJECT, ID, REASON):
        raise RuntimeError
    assert durable.ledger.lease(SUBJECT) is None
    assert durable.ledger.operations() == []


def test_another_one_is_told_who_drives(durable: Durable) -> None:
    here = current_holder()
    with durable.operations.hold(SUBJECT, ID, REASON):
        with pytest.raises(LeaseHeldError) as held, durable.operations.hold(SUBJECT, ID, REASON):
            pytest.fail("two drive it")
        assert durable.ledger.lease(SUBJECT) is not None, "the loser releases nothing"
        with durable.operations.hold("rollout/1.4.0-abcdef", "1.4.0-abcdef", REASON):
            pass
    assert held.value.message.startswith(f"rollout {ID} is being driven by {here.user} on {here.host} (pid {here.pid})")
    assert held.value.hint == f"provision rollout status {ID} --watch"
    assert held.value.exit_code == 4


def test_the_heartbeat_renews_it(durable: Durable) -> None:
    durable.beat = 0.02
    with durable.operations.hold(SUBJECT, ID, REASON) as hold:
        end = time.monotonic() + SOON
        while (now := durable.ledger.lease(SUBJECT)) == hold.lease:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert now is not None
        assert now.expires_at > hold.lease.expires_at
        hold.check()


def test_a_lost_lease_is_raised_at_the_next_look_and_stays_the_thief_s(durable: Durable) -> None:
    durable.beat = 0.02

    def drive() -> None:
        with durable.operations.hold(SUBJECT, ID, REASON) as hold:
            with durable.ledger._database.write() as connection:
                connection.exec_driver_sql("UPDATE leases SET token = token + 1")
            end = time.monotonic() + SOON
            while time.monotonic() < end:
                hold.check()
                time.sleep(0.01)

    with pytest.raises(LeaseLostError, match=f"rollout {ID} isn't driven from here"):
        drive()
    assert durable.ledger.lease(SUBJECT) is not None


def test_close_stops_it(durable: Durable) -> None:
    with durable.operations.hold(SUBJECT, ID, REASON) as hold:
        durable.operations.close()
        with pytest.raises(CancelledError, match="is being rolled out: stopped") as caught:
            hold.check()
    assert caught.value.hint == f"provision rollout resume {ID}"
    assert durable.ledger.lease(SUBJECT) is None
    with durable.operations.hold(SUBJECT, ID, REASON) as hold, pytest.raises(CancelledError):
        hold.check()


def test_the_next_process_holds_it_at_once(durable: Durable) -> None:
    with durable.operations.hold(SUBJECT, ID, REASON) as first:
        pass
    durable.restart()
    with durable.operations.hold(SUBJECT, ID, REASON) as second:
        assert second.lease.token == first.lease.token + 1
    lines = [(e.kind, e.tenant, e.operation_id) for e in durable.ledger.journal()]
    assert lines == [(kind, "rollout", ID) for kind in ("lease-released", "lease-acquired")] * 2


def test_an_error_of_the_body_is_not_hidden_by_a_ledger_out_of_reach(
    durable: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LeaseLostError("out of reach")

    def drive() -> None:
        with durable.operations.hold(SUBJECT, ID, REASON):
            monkeypatch.setattr(durable.ledger, "release_lease", fail)
            raise CancelledError("enough")

    with pytest.raises(CancelledError, match="enough"):
        drive()
