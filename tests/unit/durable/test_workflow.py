"""The workflow's source, and the steps of every kind of operation, are part of its version; nothing imports DBOS before
an operation runs."""

import hashlib
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.durable.runtime import JsonSerializer
from provisioner.durable.workflow import VERSION, run_operation
from provisioner.model.errors import ProvisionError
from provisioner.model.ports import OperationDefinition, OperationStepDefinition
from provisioner.ops.definitions import definitions
from tests.unit.ops.fakes import FakeHouse

_SOURCES = {"wf-1": "8161a079ad0342ed"}
_STEPS = {
    "wf-1": {
        "apply": "register check stack bootstrap migrate health finish",
        "backup": "mark snapshot copy finish",
        "drill": "beside: restore verify probe clear conclude",
        "end-database": "release delete record",
        "export": "dump fetch tidy",
        "new-tenant": "register check stack bootstrap migrate health finish",
        "offboard": "mark close snapshot copy restore verify probe clear proof dump fetch tidy stop rest",
        "patch": "baseline scan mark snapshot copy install database reboot gate rescan finish",
        "prune": "prune",
        "reap": "clear",
        "rehearse": "beside: restore verify migrate probe clear conclude",
        "restore": "mark snapshot copy import beside verify renew fence register stack bootstrap migrate health sign "
        "finish",
        "resume": "start health wake",
        "retire": "unprotect destroy forget sweep certify",
        "stop": "stop",
        "suspend": "mark snapshot copy stop rest",
        "upgrade": "baseline beside close mark snapshot copy migrate gate attach switch settle undo remove finish",
    }
}
_HELP = """
An operation that another version of provision began goes on with this one's steps. So a change of them needs a version
of its own: give provisioner/durable/workflow.py a new VERSION, and write source and steps of that version into
tests/unit/durable/test_workflow.py. What was released is never edited there."""


def changes(kinds: dict[str, OperationDefinition], version: str) -> Iterator[str]:
    """In what the kinds differ from those of the version, in words."""
    known = _STEPS.get(version, {})
    shapes = {
        name: ("beside: " if kind.beside else "") + " ".join(step.name for step in kind.steps)
        for name, kind in kinds.items()
    }
    for name in sorted({*shapes, *known}):
        if shapes.get(name) != known.get(name):
            yield f"{name} is: {shapes.get(name, 'gone')}\n  in {version}: {known.get(name, 'not there')}"


def test_another_source_needs_another_version() -> None:
    source = inspect.getsource(inspect.unwrap(run_operation))
    found = hashlib.sha256(source.encode()).hexdigest()[:16]
    assert found == _SOURCES.get(VERSION), f"the workflow's source isn't that of {VERSION}{_HELP}"


def test_other_steps_need_another_version(tmp_path: Path) -> None:
    found = list(changes(definitions(FakeHouse(tmp_path)), VERSION))
    assert not found, "\n".join(["the steps of operations have changed:", *found]) + _HELP


@pytest.mark.parametrize(
    ("kind", "steps", "beside", "words"),
    [
        ("prune", ("look", "prune"), False, "prune is: look prune\n  in wf-1: prune"),
        ("backup", ("snapshot", "mark", "copy", "finish"), False, "backup is: snapshot mark copy finish"),
        ("stop", ("stop",), True, "stop is: beside: stop\n  in wf-1: stop"),
        ("new", ("one",), False, "new is: one\n  in wf-1: not there"),
    ],
)
def test_a_change_is_found_and_said(
    tmp_path: Path, kind: str, steps: tuple[str, ...], *, beside: bool, words: str
) -> None:
    made = tuple(OperationStepDefinition(name, lambda _: {}) for name in steps)
    kinds = definitions(FakeHouse(tmp_path)) | {kind: OperationDefinition(kind, "why", made, beside=beside)}
    [found] = changes(kinds, "wf-1")
    assert words in found
    del kinds[kind]
    assert [text.partition(":")[0] for text in changes(kinds, "wf-1")] == [f"{kind} is"] * (kind != "new")
    assert len(list(changes(kinds, "wf-2"))) == len(kinds), "a version without its steps here"


def test_the_serializer_is_json_and_keeps_errors_readable() -> None:
    serializer = JsonSerializer()
    assert serializer.deserialize(serializer.serialize({"a": [1, None, "ü"]})) == {"a": [1, None, "ü"]}
    told = serializer.deserialize(serializer.serialize(ProvisionError("no capacity")))
    assert told == {"error": "ProvisionError", "message": "no capacity"}


def test_dbos_is_not_imported_with_the_room() -> None:
    code = "import sys, provisioner.durable.operations; print([m for m in ('dbos', 'sqlalchemy') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"
