"""The CLI's events, as it sends them, become the events, steps and failures that the embedded engine has too."""

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi.automation.events import EngineEvent

from provisioner.engines.pulumi_cli.events import Recorder
from provisioner.model.change import Event, EventKind, PropertyChange, StepOp

STACK = "pulumi:pulumi:Stack"
INSTANCE = "aws:rds/instance:Instance"
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}


def urn(name: str, kind: str = INSTANCE) -> str:
    return f"urn:pulumi:acme::tenant::{kind}::{name}"


def state(name: str, kind: str = INSTANCE, **more: Any) -> dict[str, Any]:
    return {"urn": urn(name, kind), "type": kind, "id": "", "parent": "", "provider": "", "inputs": {}, **more}


def about(op: str, name: str, kind: str = INSTANCE, **more: Any) -> dict[str, Any]:
    return {"op": op, "urn": urn(name, kind), "type": kind, "provider": "p", "logical": True, **more}


class Run:
    """One run: hand it what the CLI says."""

    def __init__(self, verb: str) -> None:
        self.told: list[Event] = []
        self.recorder = Recorder(verb, "acme", self.told.append)
        self.numbers = count()

    def hear(self, event: dict[str, Any]) -> None:
        self.recorder(EngineEvent.from_json({"sequence": next(self.numbers), **event}))

    def before(self, *words: Any, **more: Any) -> None:
        self.hear({"resourcePreEvent": {"metadata": about(*words, **more)}})

    def after(self, *words: Any, **more: Any) -> None:
        self.hear({"resOutputsEvent": {"metadata": about(*words, **more)}})

    def failed(self, *words: Any, **more: Any) -> None:
        self.hear({"resOpFailedEvent": {"metadata": about(*words, **more), "status": 0, "steps": 0}})

    def ended(self, **changes: int) -> str | None:
        """As the CLI ends any run; what the recorder thinks of it."""
        self.hear({"summaryEvent": {"resourceChanges": changes}})
        self.hear({"cancelEvent": {}})
        self.recorder.finish()
        return self.recorder.doubt

    def said(self, severity: str, message: str, name: str | None = None, **more: Any) -> None:
        event = {"severity": severity, "message": message, "color": "never", **more}
        if name:
            event["urn"] = urn(name)
        self.hear({"diagnosticEvent": event})

    @property
    def kinds(self) -> list[tuple[EventKind, str, str | None]]:
        return [(e.kind, e.name, e.op) for e in self.told]


def test_a_resource_begins_and_ends() -> None:
    run = Run("up")
    run.before("create", "database", new=state("database"))
    run.after("create", "database", new=state("database", id="db-1"))
    assert run.kinds == [
        (EventKind.RESOURCE_STARTED, "database", "create"),
        (EventKind.RESOURCE_DONE, "database", "create"),
    ]
    assert run.told[1].seconds is not None
    (step,) = run.recorder.steps
    assert (step.op, step.name, step.id, step.protected) == (StepOp.CREATE, "database", "db-1", False)


def test_what_stays_is_counted_and_not_told() -> None:
    run = Run("up")
    run.before("same", "database", old=state("database", id="db-1"), new=state("database"))
    run.after("same", "database", old=state("database", id="db-1"), new=state("database", id="db-1"))
    assert run.told == []
    assert [s.op for s in run.recorder.steps] == [StepOp.SAME]


def test_a_preview_has_its_steps_before_they_happen_and_tells_nothing() -> None:
    run = Run("preview")
    diff = {"engine": {"diffKind": "update-replace", "inputDiff": False}, "tags.ring": {"diffKind": "update"}}
    old = state("database", id="db-1", protect=True)
    run.before("replace", "database", old=old, new=state("database"), detailedDiff=diff, keys=["engine"])
    run.after("replace", "database", old=old, new=state("database"), detailedDiff=diff)
    (step,) = run.recorder.steps
    assert step.changes == (PropertyChange("engine", replaces=True), PropertyChange("tags.ring"))
    assert step.protected
    assert run.told == []


@pytest.mark.parametrize("guard", ["deletionProtection", "disableApiTermination"])
def test_the_cloud_s_own_guards_protect_too(guard: str) -> None:
    run = Run("preview")
    run.before("delete", "database", old=state("database", id="db-1", outputs={guard: True}))
    assert run.recorder.steps[0].protected


def test_without_a_detailed_diff_the_keys_say_what_replaces() -> None:
    run = Run("preview")
    run.before("update", "database", old=state("database"), new=state("database"), keys=["a"], diffs=["b", "a"])
    assert run.recorder.steps[0].changes == (PropertyChange("a", replaces=True), PropertyChange("b"))


def test_outputs_of_the_stack_are_told_without_the_secret_ones() -> None:
    run = Run("up")
    outputs = {"url": "http://127.0.0.1", "password": SECRET}
    run.before("create", "tenant-acme", STACK, new=state("tenant-acme", STACK))
    run.after("create", "tenant-acme", STACK, new=state("tenant-acme", STACK, outputs=outputs))
    assert run.recorder.outputs == {"url": "http://127.0.0.1"}


def test_a_component_ends_with_the_run() -> None:
    run = Run("up")
    run.before("create", "network", "provision:tenant:Network", provider="", new=state("network"))
    assert run.recorder.steps == []
    run.recorder.finish()
    run.recorder.finish()
    assert [(s.op, s.name) for s in run.recorder.steps] == [(StepOp.CREATE, "network")]


def test_a_failure_has_the_resource_the_step_and_the_provider_s_words() -> None:
    run = Run("up")
    run.before("create", "database", new=state("database"))
    run.said("error", "DBInstanceAlreadyExists: acme\n", "database")
    run.failed("create", "database", new=state("database"))
    run.said("error", "update failed")
    assert list(map(str, run.recorder.failures.values())) == [
        f"{INSTANCE} database: create failed: DBInstanceAlreadyExists: acme"
    ]
    assert run.told[-1].kind is EventKind.RESOURCE_FAILED
    assert run.told[-1].message == "DBInstanceAlreadyExists: acme"


def test_the_engine_s_echo_counts_where_it_is_all_that_was_said() -> None:
    run = Run("up")
    run.said("error", "update failed")
    assert list(map(str, run.recorder.failures.values())) == ["update failed"]


def test_of_a_program_s_traceback_the_last_line() -> None:
    run = Run("up")
    run.said("error", 'Program failed:\nTraceback (most recent call last):\n  File "x.py", line 1\nKeyError: 5\n')
    assert list(map(str, run.recorder.failures.values())) == ["the program failed: KeyError: 5"]


def test_warnings_are_told_and_what_is_gone_in_a_moment_is_not() -> None:
    run = Run("up")
    run.said("warning", "deprecated", "database")
    run.said("warning", "waiting...", "database", ephemeral=True)
    run.said("info", "hello")
    assert [e.message for e in run.told] == ["deprecated"]


def test_a_refresh_before_an_update_is_no_step_of_it() -> None:
    run = Run("up")
    run.before("refresh", "database", old=state("database"), new=state("database"))
    run.after("refresh", "database", old=state("database"), new=state("database"))
    assert (run.recorder.steps, run.told) == ([], [])


def test_a_preview_that_refreshes_tells_from_what_to_what() -> None:
    run = Run("preview")
    old = state("database", inputs={"port": 1, "password": SECRET, "multiAz": True}, outputs={"port": 1})
    new = state("database", inputs={"port": 2, "password": SECRET, "multiAz": True}, outputs={"port": 2})
    diff = {"port": {"diffKind": "update", "inputDiff": True}, "password": {"diffKind": "update", "inputDiff": True}}
    run.before("refresh", "database", old=old, new=old)
    run.after("refresh", "database", old=old, new=new, detailedDiff=diff)
    run.after("refresh", "machine", old=state("machine"))
    run.after("refresh", "same", old=old, new=old)
    run.after("refresh", "other words", old=state("o", inputs={"a": "17"}), new=state("o", inputs={"a": "17.4"}))
    run.after("refresh", "keys", old=state("k", inputs={"a": 1}), new=state("k", inputs={"a": 2}), diffs=["a"])
    assert run.recorder.steps == []
    assert [(d.name, d.path, d.before, d.after) for d in run.recorder.drift] == [
        ("database", "password", "[secret]", "[secret]"),
        ("database", "port", 1, 2),
        ("machine", "", None, None),
        ("keys", "a", 1, 2),
    ]


def test_what_changed_in_the_cloud_is_a_refresh_s_step() -> None:
    run = Run("refresh")
    run.after("update", "database", old=state("database", id="db-1"), new=state("database", id="db-1"))
    assert [s.op for s in run.recorder.steps] == [StepOp.REFRESH]


@pytest.mark.parametrize("op", ["discard", "discard-replaced", "remove-pending-replace"])
def test_leaving_the_state_alone_is_no_step(op: str) -> None:
    run = Run("up")
    run.before(op, "database", old=state("database"))
    run.after(op, "database", old=state("database"))
    assert (run.recorder.steps, run.told) == ([], [])


def test_events_of_unknown_kinds_pass() -> None:
    run = Run("up")
    events: list[dict[str, Any]] = [{"preludeEvent": {"config": {}}}, {"aKindOfTomorrow": {"x": 1}}]
    for event in events:
        run.hear(event)
    assert run.ended() is None
    assert run.recorder.steps == []


def test_a_whole_stream_is_trusted() -> None:
    run = Run("preview")
    run.before("replace", "database", old=state("database"), new=state("database"))
    run.before("create-replacement", "database", old=state("database"), new=state("database"), logical=False)
    run.before("same", "network", old=state("network"), new=state("network"))
    run.before("create", "default_7_51_1", "pulumi:providers:aws", new=state("default_7_51_1"))
    assert run.ended(replace=1, same=1) is None


def test_a_lost_event_is_noticed_whatever_it_was() -> None:
    run = Run("up")
    run.before("create", "database", new=state("database"))
    next(run.numbers)
    run.after("create", "network", new=state("network"))
    assert run.ended(create=1) == "event 1 was lost or can't be read"


def test_an_operation_without_a_name_here_is_noticed_and_not_raised_into_the_sdk() -> None:
    run = Run("preview")
    meta = SimpleNamespace(op=SimpleNamespace(value="obliterate"), urn=urn("database"), type=INSTANCE)
    event = EngineEvent(next(run.numbers), 0)
    event.resource_pre_event = SimpleNamespace(metadata=meta)  # type: ignore[assignment]
    run.recorder(event)
    assert run.ended() == "event 0 can't be read: ValueError: 'obliterate' is not a valid StepOp"


def test_events_that_end_early_are_noticed() -> None:
    run = Run("up")
    run.before("create", "database", new=state("database"))
    run.recorder.finish()
    assert run.recorder.doubt == "the events end before the run did"


@pytest.mark.parametrize(("verb", "doubted"), [("preview", True), ("up", False)])
def test_the_cli_s_own_count_is_compared_in_a_preview(verb: str, doubted: bool) -> None:
    """A run counts what it did, and a failed step is none."""
    run = Run(verb)
    run.before("delete", "database", old=state("database"))
    expected = "the CLI counts 2 steps of kind delete, and told of 1"
    assert run.ended(delete=2) == (expected if doubted else None)


def test_what_is_told_and_not_counted_is_no_loss() -> None:
    """`protect` stands against a delete: the CLI tells of it in a preview, and counts it not."""
    run = Run("preview")
    run.before("delete", "database", old=state("database"))
    assert run.ended() is None
