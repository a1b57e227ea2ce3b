"""Running, failing, going on."""

import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from provisioner.durable.failpoints import VARIABLE
from provisioner.model.change import EventKind
from provisioner.model.errors import (
    EngineError,
    LeaseHeldError,
    ProvisionError,
    StuckError,
    UndoneError,
    UnsupportedError,
    UsageError,
)
from provisioner.model.json import JsonDict
from provisioner.model.ledger import OperationStatus, StepStatus
from provisioner.model.ports import StepContext
from tests.unit.durable.conftest import PAYLOAD, Durable, Gate


def test_steps_run_in_order_and_are_recorded(durable: Durable) -> None:
    assert durable.run() == {"step": "three", "before": ["one", "two"]}
    operation = durable.operation()
    assert (operation.status, operation.kind, operation.target) == ("succeeded", "demo", "sandbox")
    assert operation.payload == PAYLOAD
    assert [(s.name, s.status, s.attempts) for s in operation.steps] == [(n, "done", 1) for n in durable.names]
    assert operation.steps[1].result == {"step": "two", "before": ["one"]}
    assert durable.hooks == ["started after []"]
    assert durable.ledger.lease("acme") is None
    told = [(e.kind, e.name) for e in durable.events]
    assert told == [(k, n) for n in durable.names for k in (EventKind.STEP_STARTED, EventKind.STEP_DONE)]
    durable.ledger.verify_journal()


def test_a_finished_operation_is_not_done_again(durable: Durable) -> None:
    durable.run()
    durable.effects.clear()
    assert durable.run() == {"step": "three", "before": ["one", "two"]}
    assert durable.effects == []
    with pytest.raises(UsageError, match=r"op-000001 \(demo of acme\) has succeeded already") as caught:
        durable.resume()
    assert caught.value.hint == "provision show acme"


def test_a_failure_comes_through_as_it_was_raised(durable: Durable) -> None:
    error = EngineError("no capacity", failures=("machine: no capacity",), hint="try another zone")

    def fail(_: StepContext) -> JsonDict:
        raise error

    durable.acts["two"] = fail
    with pytest.raises(EngineError) as caught:
        durable.run()
    assert caught.value is error
    operation = durable.operation()
    assert (operation.status, operation.error, operation.hint) == ("failed", "no capacity", "try another zone")
    assert [(s.name, s.status, s.error) for s in operation.steps] == [
        ("one", "done", None),
        ("two", "failed", "no capacity"),
    ]
    assert durable.hooks == ["started after []", "failed after ['one']: no capacity"]
    assert durable.ledger.lease("acme") is None


@pytest.mark.parametrize(("error", "status"), [(UndoneError("no"), "undone"), (StuckError("no"), "stuck")])
def test_what_came_to_nothing_and_what_is_stuck_is_over(durable: Durable, error: ProvisionError, status: str) -> None:
    def fail(_: StepContext) -> JsonDict:
        raise error

    durable.acts["three"] = fail
    with pytest.raises(type(error)):
        durable.run()
    assert durable.operation().status == status
    assert durable.hooks == ["started after []"], "its own step has said how the tenant is"
    with pytest.raises(UsageError, match=f"has {status} already"):
        durable.resume()
    durable.acts.clear()
    durable.run()
    assert durable.operation().status == "succeeded", "the same command looks at it again"


@pytest.mark.parametrize("how", [Durable.run, Durable.resume], ids=["the same command", "resume"])
def test_a_failed_operation_goes_on_after_its_last_done_step(
    durable: Durable, how: Callable[[Durable], JsonDict]
) -> None:
    durable.acts["two"] = _raise(ProvisionError("not yet"))
    for _ in range(2):
        with pytest.raises(ProvisionError, match="not yet"):
            durable.run()
        durable.restart()
    durable.acts.clear()
    durable.events.clear()
    assert how(durable) == {"step": "three", "before": ["one", "two"]}
    assert [name for _, name in durable.effects] == ["one", "two", "two", "two", "three"]
    operation = durable.operation()
    assert (operation.status, operation.error) == (OperationStatus.SUCCEEDED, None)
    assert [s.attempts for s in operation.steps] == [1, 3, 1]
    assert durable.hooks[-1] == "started after ['one']"
    assert (durable.events[0].name, durable.events[0].message) == ("one", "was done before")


def test_a_kill_between_the_last_step_and_the_end_begins_nothing_anew(durable: Durable) -> None:
    """The last step left the tenant as it shall be: `started` would set it changing again, for good."""
    durable.run()
    durable.ledger.set_operation("op-000001", OperationStatus.RUNNING)
    durable.hooks.clear()
    durable.restart()
    assert durable.run()["step"] == "three"
    assert durable.operation().status is OperationStatus.SUCCEEDED
    assert durable.hooks == []


def test_an_unexpected_error_is_recorded_with_its_type(durable: Durable) -> None:
    durable.acts["one"] = _raise(KeyError("zone"))
    with pytest.raises(KeyError):
        durable.run()
    assert durable.operation().error == "KeyError: 'zone'"


def test_a_failing_hook_does_not_hide_the_failure(durable: Durable) -> None:
    durable.acts["one"] = _raise(ProvisionError("the first"))
    durable.hooks = None  # type: ignore[assignment]  # both hooks raise AttributeError now
    with pytest.raises(AttributeError) as caught:
        durable.run()
    assert "recording it failed too: AttributeError" in caught.value.__notes__[0]
    assert durable.operation().status is OperationStatus.FAILED


def test_secrets_in_a_result_are_refused(durable: Durable) -> None:
    durable.acts["two"] = lambda _: {"outputs": {"password": "hunter2hunter2"}}
    with pytest.raises(ProvisionError, match=r"result of two\.outputs\.password"):
        durable.run()
    for path in durable.home.rglob("*"):
        assert path.is_dir() or b"hunter2hunter2" not in path.read_bytes(), path


def test_unknown_words_are_refused(durable: Durable) -> None:
    with pytest.raises(UsageError, match="there is no operation op-missing"):
        durable.resume("op-missing")
    with pytest.raises(UnsupportedError, match="knows no operation of kind rollout, only demo"):
        durable.operations.run("rollout", "op-000001", "acme", PAYLOAD, durable.events.append)
    with pytest.raises(ProvisionError, match="must name its target"):
        durable.operations.run("demo", "op-000001", "acme", {}, durable.events.append)
    assert durable.ledger.operations() == []
    assert durable.ledger.lease("acme") is None


def test_an_id_belongs_to_one_operation(durable: Durable) -> None:
    durable.run()
    with pytest.raises(ProvisionError, match="op-000001 is demo of acme, not demo of globex"):
        durable.run(tenant="globex")
    assert durable.ledger.lease("globex") is None


@pytest.mark.parametrize("names", [("one", "zero", "three"), ("one",)], ids=["renamed", "removed"])
def test_another_versions_operation_is_refused_and_not_hung(durable: Durable, names: tuple[str, ...]) -> None:
    durable.acts["two"] = _raise(ProvisionError("not yet"))
    with pytest.raises(ProvisionError, match="not yet"):
        durable.run()
    durable.restart()
    durable.names = names
    with pytest.raises(UnsupportedError, match="begun by another version of provision: its steps were one, two"):
        durable.resume()
    assert durable.operation().status is OperationStatus.FAILED
    assert durable.ledger.lease("acme") is None


def test_a_version_with_more_steps_at_the_end_goes_on(durable: Durable) -> None:
    durable.acts["two"] = _raise(ProvisionError("not yet"))
    with pytest.raises(ProvisionError, match="not yet"):
        durable.run()
    durable.restart()
    durable.acts.clear()
    durable.names = ("one", "two", "three", "four")
    assert durable.resume() == {"step": "four", "before": ["one", "two", "three"]}


def test_one_tenant_one_operation(durable: Durable, gate: Gate) -> None:
    durable.acts["two"] = gate
    with ThreadPoolExecutor() as pool:
        first = pool.submit(durable.run)
        assert gate.reached.wait(30)
        for operation_id in ("op-000002", "op-000001"):
            with pytest.raises(LeaseHeldError, match="a demonstration, operation op-000001"):
                durable.run(operation_id)
        gate.opened.set()
        first.result()
    assert [o.id for o in durable.ledger.operations()] == ["op-000001"], "the loser leaves no operation behind"


def test_twenty_operations_at_once(durable: Durable) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: durable.run(f"op-{n:06}", f"t{n}"), range(20)))
    assert results == [{"step": "three", "before": ["one", "two"]}] * 20
    assert sorted(durable.effects) == sorted((f"t{n}", name) for n in range(20) for name in durable.names)
    assert {o.status for o in durable.ledger.operations()} == {OperationStatus.SUCCEEDED}
    durable.ledger.verify_journal()


def test_one_failure_among_many_stops_no_other(durable: Durable) -> None:
    def fail_for_one(ctx: StepContext) -> JsonDict:
        if ctx.tenant == "t3":
            raise ProvisionError("just me")
        return {}

    durable.acts["two"] = fail_for_one
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(durable.run, f"op-{n:06}", f"t{n}") for n in range(6)]
    assert [n for n, f in enumerate(futures) if f.exception()] == [3]


def test_results_reach_later_steps_also_across_processes(durable: Durable) -> None:
    durable.acts["one"] = lambda _: {"stack": {"outputs": ["a", 1, None]}}
    seen: list[object] = []

    def look(ctx: StepContext) -> JsonDict:
        seen.append(dict(ctx.results))
        return {}

    durable.acts["three"] = look
    durable.acts["two"] = _raise(ProvisionError("not yet"))
    with pytest.raises(ProvisionError, match="not yet"):
        durable.run()
    durable.restart()
    durable.acts["two"] = lambda _: {}
    durable.run()
    assert seen == [{"one": {"stack": {"outputs": ["a", 1, None]}}, "two": {}}]


@pytest.mark.parametrize(("moment", "effects"), [("before", ["one"]), ("after", ["one", "two"])])
def test_failpoints_raise(durable: Durable, monkeypatch: pytest.MonkeyPatch, moment: str, effects: list[str]) -> None:
    monkeypatch.setenv(VARIABLE, f"two:{moment}:raise")
    with pytest.raises(ProvisionError, match=f"failpoint two:{moment}:raise"):
        durable.run()
    assert [name for _, name in durable.effects] == effects
    assert [s.status for s in durable.operation().steps] == [StepStatus.DONE, StepStatus.FAILED]
    monkeypatch.setenv(VARIABLE, "two:during")
    with pytest.raises(UsageError, match="is not <step>:before"):
        durable.run()


def test_nothing_is_left_behind_or_printed(durable: Durable, capfd: pytest.CaptureFixture[str]) -> None:
    durable.acts["two"] = _raise(ProvisionError("not yet"))
    with pytest.raises(ProvisionError, match="not yet"):
        durable.run()
    durable.acts.clear()
    durable.run()
    durable.restart()
    assert capfd.readouterr() == ("", "")
    with sqlite3.connect(durable.home / "durable.db") as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        workflows = [name for (name,) in tables if name in ("workflow_status", "operation_outputs")]
        assert len(workflows) == 2
        assert [connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in workflows] == [(0,), (0,)]
    connection.close()
    for name in ("durable.db", "log/durable.log"):
        assert (durable.home / name).stat().st_mode & 0o777 == 0o600
    logging.getLogger("dbos").handlers.clear()


def test_a_full_disk_under_dbos_is_loud_and_passes(durable: Durable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is the file system's own: a file may grow to this size, and DBOS's file wants more."""
    durable.run("op-000000", "globex")
    with sqlite3.connect(durable.home / "durable.db") as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    durable.restart()
    real = sqlite3.connect

    def small(database: object, *args: object, **kwargs: object) -> sqlite3.Connection:
        opened: sqlite3.Connection = real(database, *args, **kwargs)  # type: ignore[call-overload]
        if "durable.db" in str(database):
            opened.execute(f"PRAGMA max_page_count = {pages}")
        return opened

    durable.acts["one"] = lambda _: {"text": "x" * 900_000}
    monkeypatch.setattr(sqlite3.dbapi2, "connect", small)
    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(ProvisionError, match=r"the workflow store .*durable.db failed: .*disk is full") as caught:
        durable.run()
    assert caught.value.hint == "provision operations resume op-000001"
    assert durable.operation().status is OperationStatus.FAILED
    monkeypatch.undo()
    durable.restart()
    durable.resume()
    assert [n for t, n in durable.effects if t == "acme"] == ["one", "two", "three"], (
        "what the ledger has is not redone"
    )


def test_two_homes_in_one_process_one_after_the_other(durable: Durable, gate: Gate) -> None:
    other = Durable(durable.home / "other", durable.ledger)
    durable.acts["two"] = gate
    with ThreadPoolExecutor() as pool:
        first = pool.submit(durable.run)
        assert gate.reached.wait(30)
        with pytest.raises(ProvisionError, match=r"runs operations in .*, and can't in .* as well"):
            other.run("op-000002", "globex")
        gate.opened.set()
        first.result()
    assert other.resume("op-000002") == {"step": "three", "before": ["one", "two"]}
    other.restart()
    assert durable.run("op-000003", "initech")["step"] == "three"


def _raise(error: BaseException) -> Callable[[StepContext], JsonDict]:
    def act(_: StepContext) -> JsonDict:
        raise error

    return act
