"""Lost leases, `close`, ^C."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from provisioner.durable import heartbeat
from provisioner.ledger.holder import current_holder
from provisioner.model.errors import CancelledError, LeaseHeldError, LeaseLostError, ProvisionError
from provisioner.model.json import JsonDict
from provisioner.model.ledger import Lease, OperationStatus
from provisioner.model.ports import StepContext
from tests.unit.durable.conftest import Durable, Gate

_HOUR = timedelta(hours=1)


def _steal(durable: Durable) -> Lease:
    """Another acquisition, in one transaction: what a process that was paused too long finds when it wakes up."""
    with durable.ledger._database.write() as connection:
        connection.exec_driver_sql("UPDATE leases SET token = token + 1, reason = 'took over'")
    lease = durable.ledger.lease("acme")
    assert lease is not None
    return lease


def test_after_a_lost_lease_no_step_starts_and_nothing_is_written(durable: Durable, gate: Gate) -> None:
    durable.acts["two"] = gate
    with ThreadPoolExecutor() as pool:
        future = pool.submit(durable.run)
        assert gate.reached.wait(30)
        thief = _steal(durable)
        gate.opened.set()
        with pytest.raises(LeaseLostError, match="the lease of tenant acme was lost"):
            future.result()
    operation = durable.operation()
    assert operation.status is OperationStatus.RUNNING, "it is the thief's to say now"
    assert [(s.name, s.status) for s in operation.steps] == [("one", "done"), ("two", "started")]
    assert durable.hooks == ["started after []"]
    assert durable.ledger.lease("acme") == thief


def test_the_heartbeat_finds_a_lost_lease_while_a_step_runs(durable: Durable, gate: Gate) -> None:
    durable.beat = 0.02
    durable.acts["two"] = gate.until_cancelled
    with ThreadPoolExecutor() as pool:
        future = pool.submit(durable.run)
        assert gate.reached.wait(30)
        _steal(durable)
        with pytest.raises(LeaseLostError):
            future.result()
    assert durable.effects[-1] == ("acme", "two")


def test_the_heartbeat_renews(durable: Durable, gate: Gate) -> None:
    durable.beat = 0.02
    durable.acts["two"] = gate
    with ThreadPoolExecutor() as pool:
        future = pool.submit(durable.run)
        assert gate.reached.wait(30)
        first = durable.ledger.lease("acme")
        while durable.ledger.lease("acme") == first:
            time.sleep(0.01)
        gate.opened.set()
        future.result()


def test_a_ledger_out_of_reach_loses_the_lease_after_its_time_to_live(
    durable: Durable, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.beat = 0.02
    durable.acts["two"] = gate.until_cancelled

    def fail(*_: object) -> Lease:
        raise ProvisionError("out of reach")

    with ThreadPoolExecutor() as pool:
        future = pool.submit(durable.run)
        assert gate.reached.wait(30)
        monkeypatch.setattr(durable.ledger, "renew_lease", fail)
        assert not future.done(), "one missed beat is nothing"
        monkeypatch.setattr(durable.operations._heartbeat, "_ttl", timedelta(0))
        with pytest.raises(LeaseLostError, match="ran out: out of reach"):
            future.result()
    assert isinstance(durable.operations._heartbeat, heartbeat.Heartbeat)


def test_close_stops_what_runs_between_steps(durable: Durable, gate: Gate) -> None:
    durable.acts["two"] = gate.until_cancelled
    with ThreadPoolExecutor() as pool:
        future = pool.submit(durable.run)
        assert gate.reached.wait(30)
        durable.operations.close()
        with pytest.raises(CancelledError, match="op-000001 was stopped before its step three") as caught:
            future.result()
    assert caught.value.hint == "provision operations resume op-000001"
    operation = durable.operation()
    assert operation.status is OperationStatus.INTERRUPTED
    assert [(s.name, s.status) for s in operation.steps] == [("one", "done"), ("two", "done")]
    assert durable.hooks == ["started after []"], "an interruption is no failure"
    assert durable.ledger.lease("acme") is None
    with pytest.raises(CancelledError, match="demo of globex was not begun"):
        durable.run("op-000002", "globex")
    durable.restart()
    durable.acts.clear()
    assert durable.resume() == {"step": "three", "before": ["one", "two"]}


def test_a_step_that_heeds_the_flag_by_raising(durable: Durable, gate: Gate) -> None:
    def heed(ctx: StepContext) -> JsonDict:
        gate.until_cancelled(ctx)
        raise CancelledError("the engine was cancelled")

    durable.acts["two"] = heed
    with ThreadPoolExecutor() as pool:
        future = pool.submit(durable.run)
        assert gate.reached.wait(30)
        durable.operations.close()
        with pytest.raises(CancelledError, match="the engine was cancelled"):
            future.result()
    operation = durable.operation()
    assert (operation.status, operation.error) == (OperationStatus.INTERRUPTED, "the engine was cancelled")
    assert operation.steps[1].status == "failed"


def _interrupt_main(monkeypatch: pytest.MonkeyPatch, gate: Gate, durable: Durable) -> None:
    """^C in the waiting thread, without a signal: pytest's own main thread needs those."""
    from provisioner.durable.runtime import Runtime

    real = Runtime.run

    def run(self: Runtime, attempt: object) -> JsonDict:

        def work() -> None:
            with suppress(CancelledError):
                real(self, attempt)  # type: ignore[arg-type]

        threading.Thread(target=work, daemon=True).start()
        assert gate.reached.wait(30)
        raise KeyboardInterrupt

    monkeypatch.setattr(Runtime, "run", run)


def test_an_interrupt_waits_for_the_step_in_flight(
    durable: Durable, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.acts["two"] = gate.until_cancelled
    _interrupt_main(monkeypatch, gate, durable)
    with pytest.raises(KeyboardInterrupt):
        durable.run()
    operation = durable.operation()
    assert (operation.status, operation.error) == (OperationStatus.INTERRUPTED, "interrupted")
    assert [(s.name, s.status) for s in operation.steps] == [("one", "done"), ("two", "done")]
    assert durable.ledger.lease("acme") is None
    monkeypatch.undo()
    assert durable.run() == {"step": "three", "before": ["one", "two"]}


def test_a_step_that_does_not_end_keeps_the_lease(
    durable: Durable, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable.grace = 0.05
    durable.acts["two"] = gate
    _interrupt_main(monkeypatch, gate, durable)
    with pytest.raises(KeyboardInterrupt):
        durable.run()
    assert durable.operation().status is OperationStatus.INTERRUPTED
    lease = durable.ledger.lease("acme")
    assert lease is not None, "it still acts: the lease ends with this process"
    with pytest.raises(LeaseHeldError):
        durable.ledger.acquire_lease("acme", "op-000002", "another", current_holder(), _HOUR)
    gate.opened.set()
